"""What every storage keeps for access: tokens, people and the signing key; in units of work, as all else."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest

from heksher.server.operations.logged_change import change_setting
from heksher.server.storage.access_records import (
    PERSON,
    SIGNING_KEY,
    TOKEN,
    AccessRecords,
    PersonRecord,
    TokenRecord,
)
from heksher.server.storage.base import LastChange, LoggedChange, Origin, Reader, Storage, Writer
from heksher.server.storage.storage_errors import ContractError, ExpectationError, StorageUnavailableError
from tests.support.storages import SOME_CHANGE, Place, a_person, a_setting, a_token, expect, store, write_something

NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)
ADA = Origin("ada", "because", "person")
NOTHING = AccessRecords((), (), "")
CI = TokenRecord("ci", "1" * 64, ("declare:shop.", "edit:shop."), "ada", NOON, NOON + timedelta(days=365), NOON)
HASH = "$argon2id$"
BOB = PersonRecord("bob", ("read",), None, "https://provider.example", "bob@0815", 7)


@pytest.fixture
def filled(storage: Storage) -> Storage:
    """A storage with two tokens, two people and a key, all of revision 1: one of each has all attributes."""
    store(
        storage,
        lambda writer: writer.put_token(CI),
        lambda writer: writer.put_token(a_token("laptop")),
        lambda writer: writer.put_person(BOB),
        lambda writer: writer.put_person(a_person("ada")),
        lambda writer: writer.set_signing_key("key 1"),
    )
    return storage


def read(storage: Storage) -> AccessRecords:
    return storage.read(lambda reader: reader.access())


def list_tokens(storage: Storage) -> list[tuple[str, int, datetime | None]]:
    """Return what does not count for equality."""
    return [(token.name, token.revision, token.last_used_at) for token in read(storage).tokens]


def test_there_is_nothing_at_first(storage: Storage) -> None:
    """Neither tokens nor people, and no key to sign with."""
    assert NOTHING == read(storage)


def test_keeps_every_attribute(place: Place, filled: Storage) -> None:
    """Also after a restart; the storage dates the records itself."""
    filled.close()
    reopened = place.connect()
    reopened.open()
    assert AccessRecords((CI, a_token("laptop")), (a_person("ada"), BOB), "key 1") == read(reopened)
    assert [("ci", 1, NOON), ("laptop", 1, None)] == list_tokens(reopened)
    assert [1, 1] == [person.revision for person in read(reopened).persons]
    reopened.close()


def test_sorts_by_bytes(storage: Storage) -> None:
    """Whatever the language of the database."""
    names = ["a.b", "Z", "a_b", "B", "a", "é", "_", "0", "a0", "ab"]
    store(storage, *(lambda writer, name=name: writer.put_token(a_token(name)) for name in names))
    store(storage, *(lambda writer, name=name: writer.put_person(a_person(name)) for name in names))
    found = read(storage)
    assert [sorted(names)] * 2 == [[record.name for record in of] for of in (found.tokens, found.persons)]


def test_keeps_times_of_any_zone(storage: Storage) -> None:
    """As what they are in UTC."""
    at = datetime(2026, 11, 1, 23, 30, 5, 7, tzinfo=timezone(timedelta(hours=-2)))
    store(storage, lambda writer: writer.put_token(replace(CI, created_at=at, expires_at=at, last_used_at=at)))
    (token,) = read(storage).tokens
    times = [token.created_at, token.expires_at, token.last_used_at]
    assert ["2026-11-02T01:30:05.000007+00:00"] * 3 == [time.isoformat() for time in times if time is not None]


def test_keeps_any_text_of_people(storage: Storage) -> None:
    """Who made a token may be called anything, and so may what is granted."""
    token = replace(CI, creator="\0 \ud800 'é'", grants=("\0", "\ud800"))
    store(storage, lambda writer: writer.put_token(token))
    assert (token,) == read(storage).tokens


def test_replaces_by_name(filled: Storage) -> None:
    """All attributes of the record, which then has the revision of this change; the others keep theirs."""
    token = replace(a_token("ci"), digest="new", expires_at=None, revision=99)
    person = replace(BOB, grants=(), password_hash=HASH, issuer=None, subject=None, epoch=8, revision=99)
    store(filled, lambda writer: writer.put_token(token), lambda writer: writer.set_signing_key("key 2"))
    store(filled, lambda writer: writer.put_person(person))
    assert AccessRecords((token, a_token("laptop")), (a_person("ada"), person), "key 2") == read(filled)
    assert [("ci", 2, None), ("laptop", 1, None)] == list_tokens(filled)
    assert [1, 3] == [person.revision for person in read(filled).persons]


def test_a_digest_is_free_again_when_its_token_has_another(filled: Storage) -> None:
    """Or is gone; and so is an identity."""
    store(
        filled,
        lambda writer: writer.put_token(replace(CI, digest="new")),
        lambda writer: writer.put_token(replace(a_token("other"), digest=CI.digest)),
        lambda writer: writer.remove_token("other"),
        lambda writer: writer.put_token(CI),
        lambda writer: writer.remove_person("bob"),
        lambda writer: writer.put_person(replace(BOB, name="robert")),
    )
    assert ["ada", "robert"] == [person.name for person in read(filled).persons]


def test_removes(filled: Storage) -> None:
    """By name; a name can be given again."""
    store(filled, lambda writer: writer.remove_token("ci"), lambda writer: writer.remove_person("bob"))
    assert AccessRecords((a_token("laptop"),), (a_person("ada"),), "key 1") == read(filled)
    store(filled, lambda writer: writer.put_token(CI))
    assert CI == read(filled).tokens[0]


def test_a_token_and_a_person_may_have_one_name(storage: Storage) -> None:
    """They are of different kinds; and people without an identity are not the same person."""
    store(storage, lambda writer: writer.put_token(a_token("a")), lambda writer: writer.put_person(a_person("a")))
    store(storage, lambda writer: writer.put_person(a_person("b")))
    assert ["a", "b"] == [person.name for person in read(storage).persons]


@pytest.mark.parametrize("same", [{"issuer": "https://other.example"}, {"subject": "other"}])
def test_an_identity_has_two_parts(filled: Storage, same: dict[str, str]) -> None:
    """Two providers may call two people by the same subject."""
    store(filled, lambda writer: writer.put_person(replace(BOB, name="robert", **same)))
    assert 3 == len(read(filled).persons)


MISUSES: dict[str, Callable[[Writer], object]] = {
    "a digest that another has": lambda writer: writer.put_token(replace(CI, name="new")),
    "a digest that another gets": lambda writer: writer.put_token(replace(a_token("laptop"), digest=CI.digest)),
    "an identity that another has": lambda writer: writer.put_person(replace(BOB, name="new")),
    "half an identity": lambda writer: writer.put_person(replace(BOB, subject=None)),
    "the other half": lambda writer: writer.put_person(replace(BOB, issuer=None)),
    "no token": lambda writer: writer.remove_token("CI"),
    "no person": lambda writer: writer.remove_person("ci"),
    "no text": lambda writer: writer.remove_token("\0"),
    "no text, either": lambda writer: writer.remove_person("\ud800"),
    "U+0000 in a name": lambda writer: writer.put_token(a_token("a\0")),
    "half a surrogate pair in a name": lambda writer: writer.put_token(a_token("a\ud800")),
    "U+0000 in a digest": lambda writer: writer.put_token(replace(CI, digest="\0")),
    "U+0000 in a person's name": lambda writer: writer.put_person(a_person("a\0")),
    "U+0000 in a hash": lambda writer: writer.put_person(replace(BOB, password_hash=f"{HASH}\0")),
    "U+0000 in an issuer": lambda writer: writer.put_person(replace(BOB, issuer="\0")),
    "half a surrogate pair in a subject": lambda writer: writer.put_person(replace(BOB, subject="\udfff")),
    "U+0000 in a key": lambda writer: writer.set_signing_key("\0"),
    "no key": lambda writer: writer.set_signing_key(""),
}


@pytest.mark.parametrize("misuse", MISUSES.values(), ids=MISUSES.keys())
@pytest.mark.parametrize("is_quiet", [False, True])
def test_misuse_stores_nothing(filled: Storage, misuse: Callable[[Writer], object], is_quiet: bool) -> None:
    """Not even where the work goes on; all else that it did is not stored either."""
    before = read(filled)

    def work(writer: Writer) -> None:
        writer.put_token(a_token("another"))
        writer.record(SOME_CHANGE)
        try:
            misuse(writer)
        except ContractError:
            if not is_quiet:
                raise

    with pytest.raises(ContractError):
        filled.write(work)
    assert (before, 1) == (read(filled), filled.read(lambda reader: reader.revision()))


def test_messages_have_no_secrets(filled: Storage) -> None:
    """What a token, a password or a key is kept as, in none of the ways in which it can be wrong."""
    secrets = {"digest": CI.digest, "hash": f"{HASH}\0", "key": "secret\0"}
    steps: list[Callable[[Writer], object]] = [
        lambda writer: writer.put_token(replace(a_token("new"), digest=secrets["digest"])),
        lambda writer: writer.put_person(replace(BOB, password_hash=secrets["hash"])),
        lambda writer: writer.set_signing_key(secrets["key"]),
    ]
    for step, secret in zip(steps, secrets.values(), strict=True):
        with pytest.raises(ContractError) as caught:
            store(filled, step)
        assert secret.strip("\0") not in str(caught.value)


def test_a_change_has_to_be_recorded(filled: Storage) -> None:
    """Whichever it is; else it is not stored."""
    before = read(filled)
    for step in (
        lambda writer: writer.put_token(a_token("new")),
        lambda writer: writer.remove_token("ci"),
        lambda writer: writer.put_person(a_person("new")),
        lambda writer: writer.remove_person("bob"),
        lambda writer: writer.set_signing_key("key 2"),
    ):
        with pytest.raises(ContractError, match="call record"):
            filled.write(step)
    assert before == read(filled)


def test_a_writer_sees_its_own_changes(filled: Storage) -> None:
    """With the revision that they will have, whether or not anything is recorded yet."""

    def work(writer: Writer) -> tuple[AccessRecords, list[int]]:
        writer.remove_token("laptop")
        writer.put_token(replace(CI, grants=()))
        writer.put_person(replace(BOB, epoch=8))
        writer.set_signing_key("key 2")
        writer.record(SOME_CHANGE)
        found = writer.access()
        return found, [record.revision for record in (*found.tokens, *found.persons)]

    found = AccessRecords((replace(CI, grants=()),), (a_person("ada"), replace(BOB, epoch=8)), "key 2")
    assert (found, [2, 1, 2]) == filled.write(work).result
    assert found == read(filled)


def test_a_reader_sees_one_revision(filled: Storage) -> None:
    """However long it takes."""

    def read_slowly(reader: Reader) -> bool:
        before = reader.access()
        store(filled, lambda writer: writer.remove_token("ci"), lambda writer: writer.set_signing_key("key 2"))
        return before == reader.access()

    assert filled.read(read_slowly)
    assert "key 2" == read(filled).signing_key


KINDS = (TOKEN, PERSON, SIGNING_KEY)


def test_the_log_has_their_changes(storage: Storage) -> None:
    """As they were recorded, in order, among others; the history of a setting of the same name has none of them."""
    changes = [LoggedChange("create", kind, "cache_ttl", None, {"grants": ["read"]}) for kind in KINDS]

    def work(writer: Writer) -> None:
        writer.add_setting(a_setting(features=()))
        writer.put_token(a_token("cache_ttl"))
        writer.put_person(a_person("cache_ttl"))
        writer.set_signing_key("key")
        writer.record_all([*changes, change_setting("declare", None, a_setting(features=()), ())])

    storage.write(work, ADA)
    store(storage, lambda writer: writer.remove_token("cache_ttl"), change=replace(changes[0], action="remove"))
    (entry, removal) = storage.read(lambda reader: reader.log())
    assert (changes, "remove") == (list(entry.changes[:3]), removal.change.action)
    assert [2, 1] == storage.read(lambda reader: [entry.revision for entry in reader.history()])
    (of_setting,) = storage.read(lambda reader: reader.history(setting="cache_ttl"))
    assert ["declare"] == [change.action for change in of_setting.changes]


EXPECTATIONS = [
    (TOKEN, "ci", 1, 1),
    (TOKEN, "laptop", 1, 2),
    (TOKEN, "laptop", 2, 2),
    (TOKEN, "bob", 1, None),
    (TOKEN, "\0", 1, None),
    (PERSON, "bob", 1, 1),
    (PERSON, "bob", 2, 1),
    (PERSON, "ci", 1, None),
]


@pytest.mark.parametrize(("kind", "key", "expected", "present"), EXPECTATIONS)
def test_a_write_can_expect_a_revision(
    filled: Storage, kind: str, key: str, expected: int, present: int | None
) -> None:
    """Of a token or a person, which a use is no change of; else the error says which it is, if any."""
    store(filled, lambda writer: writer.put_token(replace(a_token("laptop"), grants=())))
    filled.note_token_uses({"ci": NOON + timedelta(hours=1)})
    expectation = expect(filled, kind, key, expected)
    if present == expected:
        assert 3 == filled.write(lambda writer: writer.record(SOME_CHANGE), ADA, expectation).revision
        return
    with pytest.raises(ExpectationError) as caught:
        filled.write(lambda writer: writer.record(SOME_CHANGE), ADA, expectation)
    assert (kind, key, present) == (
        caught.value.kind,
        caught.value.key,
        caught.value.present and caught.value.present.number,
    )


def test_uses_are_noted_to_the_hour(filled: Storage) -> None:
    """They are in no log, and make no revision; tokens that nobody has are ignored."""
    at = datetime(2026, 11, 2, 9, 59, 59, 999, tzinfo=timezone(timedelta(hours=2)))
    filled.note_token_uses({"ci": at, "laptop": at, "gone": at, "\0": at, "\ud800": at})
    hour = datetime(2026, 11, 2, 7, tzinfo=UTC)
    assert [("ci", 1, hour), ("laptop", 1, hour)] == list_tokens(filled)
    assert 1 == filled.read(lambda reader: reader.revision()) == len(filled.read(lambda reader: reader.log()))
    assert (CI, a_token("laptop")) == read(filled).tokens


def test_no_use_is_noted_after_a_later_one(filled: Storage) -> None:
    """Processes tell of them in any order."""
    filled.note_token_uses({"laptop": NOON + timedelta(hours=10), "ci": NOON - timedelta(hours=1)})
    filled.note_token_uses({"laptop": NOON + timedelta(hours=9)})
    filled.note_token_uses({})
    assert [("ci", 1, NOON), ("laptop", 1, NOON + timedelta(hours=10))] == list_tokens(filled)


def test_a_use_is_seen_by_other_processes(place: Place, filled: Storage) -> None:
    """At once."""
    other = place.connect()
    other.open()
    other.note_token_uses({"laptop": NOON})
    assert [("ci", 1, NOON), ("laptop", 1, NOON)] == list_tokens(filled)
    if other is not filled:
        other.close()


def test_a_storage_that_is_not_open_notes_nothing(place: Place) -> None:
    """It says so."""
    with pytest.raises(StorageUnavailableError):
        place.connect().note_token_uses({"ci": NOON})


class DailyClock:
    """Each time is a day after the one before: entry 1 is of the first of November."""

    def __init__(self) -> None:
        self.time = NOON - timedelta(days=1)

    def __call__(self) -> datetime:
        self.time += timedelta(days=1)
        return self.time


@pytest.fixture
def daily(place: Place) -> Iterator[Storage]:
    """A storage whose entries are a day apart: a token, a person, and something else."""
    storage = place.connect(DailyClock())
    storage.open()
    for action, step in (
        ("create", lambda writer: writer.put_token(CI)),
        ("add", lambda writer: writer.put_person(BOB)),
        ("rotate", lambda writer: writer.set_signing_key("key")),
    ):
        change = LoggedChange(action, TOKEN, "any", None, {})
        storage.write(lambda writer, step=step, change=change: (step(writer), writer.record(change)), ADA)
    write_something(storage)
    yield storage
    storage.close()


def test_who_made_the_last_change_stays_known(daily: Storage) -> None:
    """Of a token and of a person, as long as they exist, also when the log has forgotten its entry."""
    stamps = daily.read(lambda reader: {entry.revision: entry.stamp for entry in reader.log()})
    last = [
        LastChange(1, NOON, "ada", "person", stamps[1], "create"),
        LastChange(2, NOON + timedelta(days=1), "ada", "person", stamps[2], "add"),
    ]

    def see(reader: Reader) -> list[LastChange | None]:
        return [reader.last_change(revision) for revision in (1, 2)]

    assert last == daily.read(see)
    assert 3 == daily.prune(NOON + timedelta(days=99))
    assert (last, None) == (daily.read(see), daily.read(lambda reader: reader.last_change(3)))
    assert [("ci", 1, NOON)] == list_tokens(daily)
    store(daily, lambda writer: writer.remove_token("ci"), lambda writer: writer.put_person(replace(BOB, epoch=8)))
    daily.prune(NOON)
    assert [None, None] == daily.read(see)


def test_a_removed_token_is_forgotten(daily: Storage) -> None:
    """With its entry: unlike that of a setting or a rule, its return would be no return."""
    removal = LoggedChange("remove", TOKEN, "ci", {}, None)
    store(daily, lambda writer: writer.remove_token("ci"), change=removal)
    write_something(daily)
    daily.prune(NOON + timedelta(days=99))
    assert daily.read(lambda reader: reader.forgotten_deletion(TOKEN, "ci")) is None
