"""Tests of what copies of databases have of access: a backup all of it, a restored database other epochs and keys."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from heksher.server.storage.access_records import AccessRecords, PolicyRecord
from heksher.server.storage.base import LogEntry, LoggedChange, Reader, Storage
from heksher.server.storage.database_copy import back_up, restore
from heksher.server.storage.proposal_records import ProposalContent, ProposalRecord
from heksher.server.storage.tables import METADATA
from heksher.server.storage.webhook_records import DeliveryRecord, LeaseRecord
from tests.support.old_databases import FixedClock, fill, make_fourth_database
from tests.support.storages import (
    SqlPlace,
    a_person,
    a_token,
    a_webhook,
    make_place,
    opened,
    read_revision,
    see_access,
    see_everything,
    see_last_changes,
    see_webhooks,
    store,
)

KINDS = ("sqlite", "postgres")
EXPIRED = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def storage(place: SqlPlace) -> Iterator[Storage]:
    """An open storage with some of everything at revision 4, which made all that concerns access."""
    storage = place.connect(FixedClock())
    storage.open()
    fill(storage)
    store(
        storage,
        lambda writer: writer.put_token(a_token("old", expires_at=EXPIRED)),
        lambda writer: writer.put_token(a_token("ci", expires_at=datetime.now(UTC) + timedelta(days=1))),
        lambda writer: writer.put_token(a_token("laptop")),
        lambda writer: writer.put_person(a_person("ada")),
        lambda writer: writer.put_person(a_person("bob")),
        lambda writer: writer.set_signing_key("former"),
    )
    storage.note_token_uses({"laptop": datetime.now(UTC)})
    yield storage
    storage.close()


def read_access(storage: Storage) -> AccessRecords:
    return storage.read(lambda reader: reader.access())


def test_a_backup_has_everything(place: SqlPlace, storage: Storage, tmp_path: Path) -> None:
    """A service can run on it as on the database itself: nothing is renewed, and nothing is told of tokens."""
    copied = back_up(place.url, tmp_path / "backup.db")
    assert (4, ()) == (copied.revision, copied.valid_tokens)
    with opened(str(tmp_path / "backup.db")) as backup:
        for see in (see_everything, see_access, see_last_changes):
            assert see(storage) == see(backup)


@pytest.mark.parametrize("target_kind", KINDS)
def test_who_was_signed_in_has_to_sign_in_anew(
    place: SqlPlace, storage: Storage, tmp_path: Path, target_kind: str
) -> None:
    """All people have another epoch, and there is another key; tokens stay as they are."""
    back_up(place.url, tmp_path / "backup.db")
    before = read_access(storage)
    with make_place(target_kind, tmp_path / "target") as target:
        assert isinstance(target, SqlPlace)
        copied = restore(tmp_path / "backup.db", target.url)
        assert ["ci", "laptop"] == [token.name for token in copied.valid_tokens]
        with opened(target.url) as restored:
            after = read_access(restored)
            assert [("ada", 1, 5), ("bob", 1, 5)] == [(who.name, who.epoch, who.revision) for who in after.persons]
            assert [who.password_hash for who in before.persons] == [who.password_hash for who in after.persons]
            assert (43, True) == (len(after.signing_key), after.signing_key != before.signing_key)
            assert see_tokens(storage) == see_tokens(restored)
            assert copied.revision == 5 == read_revision(restored)


def see_tokens(storage: Storage) -> list[tuple[object, ...]]:
    """Return all of the tokens, as far as it is stored."""
    return [(token, token.last_used_at, token.revision) for token in read_access(storage).tokens]


@pytest.mark.parametrize("target_kind", KINDS)
def test_webhooks_go_on_where_they_were(place: SqlPlace, storage: Storage, tmp_path: Path, target_kind: str) -> None:
    """Those that are on are listed; who told them on the database that was copied does not on the other one."""
    store(
        storage,
        lambda writer: writer.put_webhook(a_webhook("chat")),
        lambda writer: writer.put_webhook(replace(a_webhook("old"), off_reason="nobody knows")),
        lambda writer: writer.put_delivery(DeliveryRecord("chat", writer.revision_id(), failures=3)),
        lambda writer: writer.put_lease(LeaseRecord("webhooks", "me", 3)),
    )
    assert () == back_up(place.url, tmp_path / "backup.db").told_webhooks
    with make_place(target_kind, tmp_path / "target") as target:
        assert isinstance(target, SqlPlace)
        assert ("chat",) == restore(tmp_path / "backup.db", target.url).told_webhooks
        with opened(target.url) as restored:
            assert see_webhooks(storage) == see_webhooks(restored)
            assert LeaseRecord("webhooks") == restored.read(lambda reader: reader.find_lease("webhooks"))


@pytest.mark.parametrize("target_kind", KINDS)
def test_proposals_and_policies_are_there(place: SqlPlace, storage: Storage, tmp_path: Path, target_kind: str) -> None:
    """What waits goes on waiting, and is found by what it is about."""
    now = datetime(2026, 11, 1, tzinfo=UTC)
    record = ProposalRecord(0, "open", "ada", "person", "", now, now, None, needs_approval=True, size=1)
    storage.note(lambda notes: notes.add_proposal(record, ProposalContent(("write",), ("object",)), ["rule 7"]))
    store(storage, lambda writer: writer.put_policy(PolicyRecord("shop.", "ada", now)))
    back_up(place.url, tmp_path / "backup.db")

    def see(storage: Storage) -> tuple[object, ...]:
        return storage.read(
            lambda reader: (
                reader.proposals(), reader.proposal_content(1), reader.proposals_about(["rule 7"]), reader.policies()
            )
        )  # fmt: skip

    with make_place(target_kind, tmp_path / "target") as target:
        assert isinstance(target, SqlPlace)
        restore(tmp_path / "backup.db", target.url)
        with opened(target.url) as restored:
            assert see(storage) == see(restored)
            assert ([1], ["shop."]) == (see(restored)[2], [policy.prefix for policy in restored.read(list_policies)])


def list_policies(reader: Reader) -> tuple[PolicyRecord, ...]:
    return reader.policies()


def test_a_restored_database_has_the_same_history(place: SqlPlace, storage: Storage, tmp_path: Path) -> None:
    """With one entry more, which says what was done, and who has the last change of the people."""
    back_up(place.url, tmp_path / "backup.db")
    restore(tmp_path / "backup.db", str(tmp_path / "restored.db"))

    def read_log(storage: Storage) -> list[LogEntry]:
        return storage.read(lambda reader: reader.log())

    with opened(str(tmp_path / "restored.db")) as restored:
        *entries, added = read_log(restored)
        assert read_log(storage) == entries
        assert ("heksher", "nobody") == (added.origin.actor, added.origin.actor_kind)
        assert (
            LoggedChange("restore", "person", "ada", {"epoch": 0}, {"epoch": 1}),
            LoggedChange("restore", "person", "bob", {"epoch": 0}, {"epoch": 1}),
            LoggedChange("restore", "signing_key", "", {}, {}),
        ) == added.changes
        last = restored.read(lambda reader: reader.last_change(5))
        assert last is not None
        assert ("heksher", added.stamp) == (last.actor, last.stamp)


def test_a_service_on_the_same_history_hears_of_it(tmp_path: Path) -> None:
    """Its database is emptied and restored into while it knows the backup's newest entry: there is a later one."""
    with make_place("postgres", tmp_path) as place, opened(place.url) as running:
        assert isinstance(place, SqlPlace)
        store(running, lambda writer: writer.put_person(a_person()))
        back_up(place.url, tmp_path / "backup.db")
        known = running.read(lambda reader: reader.revision_id())
        with closing(running.listen()) as listener:
            # Ends when the listener has begun.
            listener.wait(60)
            for table in reversed(METADATA.sorted_tables):
                place.run_sql(f"DROP TABLE {table.name}")
            restore(tmp_path / "backup.db", place.url)
            listener.wait(60)
        assert known == running.read(lambda reader: reader.log(0, 1)[0].revision_id)
        assert 2 == read_revision(running)


def test_a_backup_of_an_older_version_has_no_access(bare_place: SqlPlace, tmp_path: Path) -> None:
    """So there is nothing to renew, and no entry of that."""
    make_fourth_database(SqlPlace(f"sqlite:///{tmp_path / 'old.db'}"))
    copied = restore(tmp_path / "old.db", bare_place.url)
    with opened(bare_place.url) as restored:
        assert AccessRecords((), (), "") == read_access(restored)
        assert (32, ()) == (copied.revision, copied.valid_tokens)
