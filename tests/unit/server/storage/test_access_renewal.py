"""What is done about access when a backup is restored; that it is done, ``test_database_copy_access`` shows."""

from datetime import UTC, datetime, timedelta

from heksher.server.storage.access_records import AccessRecords
from heksher.server.storage.access_renewal import list_valid_tokens, renew_access
from heksher.server.storage.memory import MemoryStorage
from tests.support.storages import a_person, a_token, store

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)


def renew(*people: str, key: str = "") -> tuple[MemoryStorage, list[tuple[object, ...]]]:
    """Renew a storage with people and a key; return what is recorded of that."""
    storage = MemoryStorage()
    storage.open()
    store(storage, *(lambda writer, name=name: writer.put_person(a_person(name)) for name in people))
    if key:
        store(storage, lambda writer: writer.set_signing_key(key))
    revision = storage.read(lambda reader: reader.revision())
    storage.write(renew_access)
    changes = [change for entry in storage.read(lambda reader: reader.log(revision)) for change in entry.changes]
    return storage, [(change.action, change.kind, change.key, change.before, change.after) for change in changes]


def test_cookies_are_void():
    """By the epoch of each person and by another key, which nobody can guess; the log does not have it."""
    storage, recorded = renew("ada", "bob", key="former")
    assert [
        ("restore", "person", "ada", {"epoch": 0}, {"epoch": 1}),
        ("restore", "person", "bob", {"epoch": 0}, {"epoch": 1}),
        ("restore", "signing_key", "", {}, {}),
    ] == recorded
    access = storage.read(lambda reader: reader.access())
    assert [1, 1] == [person.epoch for person in access.persons]
    assert (43, True) == (len(access.signing_key), access.signing_key != "former")
    assert access.signing_key != renew(key="former")[0].read(lambda reader: reader.access()).signing_key


def test_where_nobody_can_sign_in_there_is_nothing_to_renew():
    """No key is made, and there is no entry."""
    storage, recorded = renew()
    assert ([], "") == (recorded, storage.read(lambda reader: reader.access()).signing_key)


def test_tokens_are_valid_until_they_expire():
    """Or for ever."""
    times = [None, NOW + timedelta(seconds=1), NOW]
    tokens = tuple(a_token(str(number), expires_at=time) for number, time in enumerate(times))
    assert tokens[:2] == list_valid_tokens(AccessRecords(tokens, (), ""), NOW)
