"""What every storage keeps of webhooks: the webhooks themselves, how far each was told, and who holds which lease."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest

from heksher.revision_id import RevisionId
from heksher.server.storage.base import LastChange, LoggedChange, Notes, Origin, Reader, Storage, Writer
from heksher.server.storage.storage_errors import ContractError, ExpectationError, StorageUnavailableError
from heksher.server.storage.webhook_records import WEBHOOK, DeliveryRecord, LeaseRecord, WebhookRecord
from tests.support.storages import SOME_CHANGE, Place, a_webhook, expect, read_revision, store, write_something

NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)
GONE = "it answers 410"
ALERTS = WebhookRecord(
    "alerts", "https://alerts.example/in", "whsec_c2VjcmV0", ("shop.", "frontend."), "slack", "ada", NOON, GONE
)
TOLD = RevisionId(1, "0123456789ab")
SOON = NOON + timedelta(minutes=1)
FAILING = DeliveryRecord("alerts", TOLD, 3, NOON, SOON, NOON + timedelta(seconds=9), "it is away")


@pytest.fixture
def filled(storage: Storage) -> Storage:
    """A storage with two webhooks of revision 1: one has all attributes, and has been told of that revision."""
    store(
        storage,
        lambda writer: writer.put_webhook(ALERTS),
        lambda writer: writer.put_webhook(a_webhook("chat")),
        lambda writer: writer.put_delivery(FAILING),
    )
    return storage


def read(storage: Storage) -> tuple[WebhookRecord, ...]:
    return storage.read(lambda reader: reader.webhooks())


def read_deliveries(storage: Storage) -> tuple[DeliveryRecord, ...]:
    return storage.read(lambda reader: reader.deliveries())


def read_lease(storage: Storage) -> LeaseRecord:
    return storage.read(lambda reader: reader.find_lease("webhooks"))


def test_there_is_nothing_at_first(storage: Storage) -> None:
    """Neither webhooks nor deliveries, and nobody holds any lease."""
    assert ((), ()) == (read(storage), read_deliveries(storage))
    assert LeaseRecord("webhooks", "", 0) == read_lease(storage)


def test_keeps_every_attribute(place: Place, filled: Storage) -> None:
    """Also after a restart; the storage dates the webhooks itself."""
    filled.note(lambda notes: notes.put_lease(LeaseRecord("webhooks", "replica 1", 7)))
    filled.close()
    reopened = place.connect()
    reopened.open()
    assert (ALERTS, a_webhook("chat")) == read(reopened)
    assert [1, 1] == [webhook.revision for webhook in read(reopened)]
    assert (FAILING,) == read_deliveries(reopened)
    assert LeaseRecord("webhooks", "replica 1", 7) == read_lease(reopened)
    reopened.close()


def test_sorts_by_bytes(storage: Storage) -> None:
    """Whatever the language of the database."""
    names = ["a.b", "Z", "a_b", "B", "a", "é", "_", "0", "a0", "ab"]
    store(storage, *(lambda writer, name=name: writer.put_webhook(a_webhook(name)) for name in names))
    storage.note(lambda notes: [notes.put_delivery(DeliveryRecord(name, TOLD)) for name in names])
    assert sorted(names) == [webhook.name for webhook in read(storage)]
    assert sorted(names) == [delivery.webhook for delivery in read_deliveries(storage)]


def test_keeps_times_of_any_zone(filled: Storage) -> None:
    """As what they are in UTC."""
    at = datetime(2026, 11, 1, 23, 30, 5, 7, tzinfo=timezone(timedelta(hours=-2)))
    store(filled, lambda writer: writer.put_webhook(replace(ALERTS, created_at=at)))
    moved = replace(FAILING, failing_since=at, next_attempt_at=at, attempted_at=at)
    filled.note(lambda notes: notes.put_delivery(moved))
    (delivery,) = read_deliveries(filled)
    times = [read(filled)[0].created_at, delivery.failing_since, delivery.next_attempt_at, delivery.attempted_at]
    assert ["2026-11-02T01:30:05.000007+00:00"] * 4 == [time.isoformat() for time in times if time is not None]


def test_keeps_any_text_of_people(filled: Storage) -> None:
    """Who made a webhook may be called anything, and may be named where it says why it is off, or what failed."""
    text = "\0 \ud800 'é'"
    webhook = replace(ALERTS, creator=text, off_reason=text, prefixes=(text,))
    store(filled, lambda writer: writer.put_webhook(webhook))
    filled.note(lambda notes: notes.put_delivery(replace(FAILING, problem=text)))
    assert (webhook, text) == (read(filled)[0], read_deliveries(filled)[0].problem)


def test_replaces_by_name(filled: Storage) -> None:
    """All attributes, with the revision of this change; how far it was told stays, and so does the other one."""
    changed = replace(a_webhook("alerts"), url="https://other.example", revision=99)
    store(filled, lambda writer: writer.put_webhook(changed))
    assert ((changed, a_webhook("chat")), [2, 1]) == (read(filled), [webhook.revision for webhook in read(filled)])
    assert (FAILING,) == read_deliveries(filled)


def test_removes(filled: Storage) -> None:
    """With how far it was told: one that gets the name later begins anew."""
    store(filled, lambda writer: writer.remove_webhook("alerts"))
    assert ((a_webhook("chat"),), ()) == (read(filled), read_deliveries(filled))
    store(filled, lambda writer: writer.put_webhook(ALERTS))
    assert () == read_deliveries(filled)


MISUSES: dict[str, Callable[[Writer], object]] = {
    "no webhook": lambda writer: writer.remove_webhook("Alerts"),
    "no text": lambda writer: writer.remove_webhook("\0"),
    "U+0000 in a name": lambda writer: writer.put_webhook(a_webhook("a\0")),
    "half a surrogate pair in a URL": lambda writer: writer.put_webhook(replace(ALERTS, url="\ud800")),
    "U+0000 in a secret": lambda writer: writer.put_webhook(replace(ALERTS, secret="\0")),  # noqa: S106 - none
    "U+0000 in a format": lambda writer: writer.put_webhook(replace(ALERTS, format="\0")),
}


@pytest.mark.parametrize("misuse", MISUSES.values(), ids=MISUSES.keys())
@pytest.mark.parametrize("is_quiet", [False, True])
def test_misuse_stores_nothing(filled: Storage, misuse: Callable[[Writer], object], is_quiet: bool) -> None:
    """Not even where the work goes on; all else that it did is not stored either."""

    def work(writer: Writer) -> None:
        writer.put_webhook(a_webhook("another"))
        writer.put_delivery(replace(FAILING, failures=4))
        writer.record(SOME_CHANGE)
        try:
            misuse(writer)
        except ContractError:
            if not is_quiet:
                raise

    with pytest.raises(ContractError):
        filled.write(work)
    assert ((ALERTS, a_webhook("chat")), (FAILING,), 1) == (
        read(filled),
        read_deliveries(filled),
        read_revision(filled),
    )


def test_a_change_has_to_be_recorded(filled: Storage) -> None:
    """Else it is not stored."""
    for step in (
        lambda writer: writer.put_webhook(a_webhook("new")),
        lambda writer: writer.remove_webhook("alerts"),
    ):
        with pytest.raises(ContractError, match="call record"):
            filled.write(step)
    assert (ALERTS, a_webhook("chat")) == read(filled)


def test_a_writer_sees_its_own_changes(filled: Storage) -> None:
    """With the revision that they will have; what it notes is stored with what it changes."""

    def work(writer: Writer) -> tuple[object, ...]:
        writer.remove_webhook("alerts")
        writer.put_webhook(replace(a_webhook("chat"), format="slack"))
        writer.put_delivery(DeliveryRecord("chat", TOLD))
        writer.put_lease(LeaseRecord("webhooks", "me"))
        writer.record(SOME_CHANGE)
        (webhook,) = writer.webhooks()
        return webhook.format, webhook.revision, writer.deliveries(), writer.find_lease("webhooks").holder

    assert ("slack", 2, (DeliveryRecord("chat", TOLD),), "me") == filled.write(work).result
    assert ("slack", "me") == (read(filled)[0].format, read_lease(filled).holder)


def test_what_is_noted_is_no_change(filled: Storage) -> None:
    """No revision comes of it, and no entry; a unit sees what it has noted so far."""
    further = replace(FAILING, told=RevisionId(2, "f" * 12), failures=0, problem="")

    def work(notes: Notes) -> tuple[object, ...]:
        notes.put_delivery(further)
        notes.put_lease(LeaseRecord("webhooks", "me", 3))
        return notes.deliveries(), notes.find_lease("webhooks").turn

    assert ((further,), 3) == filled.note(work)
    assert ((further,), LeaseRecord("webhooks", "me", 3)) == (read_deliveries(filled), read_lease(filled))
    assert [1] == [entry.revision for entry in filled.read(lambda reader: reader.log())]
    assert [1, 1] == [webhook.revision for webhook in read(filled)]


def test_what_a_failed_unit_has_noted_is_not_stored(filled: Storage) -> None:
    """Whatever its error is."""

    def work(notes: Notes) -> None:
        notes.put_delivery(replace(FAILING, failures=9))
        raise KeyError

    with pytest.raises(KeyError):
        filled.note(work)
    assert (FAILING,) == read_deliveries(filled)


def test_what_is_told_to_nobody_is_ignored(filled: Storage) -> None:
    """A webhook may be removed while it is told."""
    filled.note(lambda notes: [notes.put_delivery(replace(FAILING, webhook=name)) for name in ("gone", "\0", "\ud800")])
    assert (FAILING,) == read_deliveries(filled)


def test_a_reader_sees_one_revision(filled: Storage) -> None:
    """However long it takes, also of what is noted."""

    def read_slowly(reader: Reader) -> bool:
        before = reader.webhooks(), reader.deliveries(), reader.find_lease("webhooks")
        filled.note(lambda notes: notes.put_lease(LeaseRecord("webhooks", "me")))
        store(filled, lambda writer: writer.remove_webhook("alerts"))
        return before == (reader.webhooks(), reader.deliveries(), reader.find_lease("webhooks"))

    assert filled.read(read_slowly)
    assert (1, "me") == (len(read(filled)), read_lease(filled).holder)


def test_notes_are_seen_by_other_processes(place: Place, filled: Storage) -> None:
    """At once, and their units take effect one after another."""
    other = place.connect()
    other.open()

    def take_turn(notes: Notes) -> None:
        lease = notes.find_lease("webhooks")
        notes.put_lease(replace(lease, turn=lease.turn + 1))

    for storage in (other, filled, other):
        storage.note(take_turn)
    assert 3 == read_lease(filled).turn
    if other is not filled:
        other.close()


def test_a_storage_that_is_not_open_notes_nothing(place: Place) -> None:
    """It says so."""
    with pytest.raises(StorageUnavailableError):
        place.connect().note(lambda notes: notes.put_lease(LeaseRecord("webhooks")))


@pytest.mark.parametrize(("key", "present"), [("alerts", 1), ("chat", 2), ("gone", None)])
def test_a_write_can_expect_a_revision(filled: Storage, key: str, present: int | None) -> None:
    """Of a webhook; else the error says which it is, if any."""
    store(filled, lambda writer: writer.put_webhook(replace(a_webhook("chat"), format="slack")))
    expected = expect(filled, WEBHOOK, key, 1)
    if present == 1:
        assert 3 == filled.write(lambda writer: writer.record(SOME_CHANGE), expected=expected).revision
        return
    with pytest.raises(ExpectationError) as caught:
        filled.write(lambda writer: writer.record(SOME_CHANGE), expected=expected)
    assert (WEBHOOK, key, present) == (
        caught.value.kind,
        caught.value.key,
        caught.value.present and caught.value.present.number,
    )


def test_who_made_the_last_change_stays_known(place: Place) -> None:
    """As long as the webhook exists, also when the log has forgotten its entry."""
    times = iter(NOON + timedelta(days=day) for day in range(9))
    storage = place.connect(lambda: next(times))
    storage.open()
    change = LoggedChange("create", WEBHOOK, "alerts", None, {})
    storage.write(lambda writer: (writer.put_webhook(ALERTS), writer.record(change)), Origin("ada"))
    write_something(storage)
    storage.prune(NOON + timedelta(days=9))
    last = storage.read(lambda reader: reader.last_change(1))
    assert isinstance(last, LastChange)
    assert ("ada", "create", NOON) == (last.actor, last.action, last.at)
    store(storage, lambda writer: writer.remove_webhook("alerts"))
    storage.prune(NOON)
    assert storage.read(lambda reader: reader.last_change(1)) is None
    storage.close()
