"""Tests of the entries of the change log that are kept for all webhooks."""

from collections.abc import Sequence
from itertools import count

import pytest

from heksher.server.storage.base import LogEntry, LoggedChange
from heksher.server.storage.memory import MemoryStorage
from heksher.server.webhooks.recent_log import RecentLog
from tests.support.counting_storage import CountingStorage


@pytest.fixture
def storage() -> CountingStorage:
    return make_storage()


def make_storage(name: str = "a") -> CountingStorage:
    """Make one whose revisions have other stamps than those of another name."""
    storage = MemoryStorage(stamp=map(f"{name}{{:011}}".format, count()).__next__)
    storage.open()
    return CountingStorage(storage)


def append(storage: CountingStorage, entries: int, value: str = "", changes: int = 1) -> None:
    for _ in range(entries):
        some = [LoggedChange("set value", "rule", "1", None, {"value": value}, "ttl")] * changes
        storage.write(lambda writer, some=some: writer.record_all(some))


def follow(log: RecentLog, storage: CountingStorage) -> bool:
    return storage.read(log.follow)


def read(log: RecentLog, storage: CountingStorage, revision: int) -> list[int]:
    return list_revisions(storage.read(lambda reader: log.read_after(reader, revision)))


def list_revisions(entries: Sequence[LogEntry]) -> list[int]:
    return [entry.revision for entry in entries]


def test_what_was_read_is_kept(storage: CountingStorage) -> None:
    """As far as it follows without a gap, whoever read it."""
    append(storage, 200)
    log = RecentLog()
    assert () == log.list_after(0)
    assert list(range(1, 51)) == read(log, storage, 0)
    assert list(range(11, 51)) == list_revisions(log.list_after(10))
    assert list(range(102, 152)) == read(log, storage, 101)
    assert list(range(11, 51)) == list_revisions(log.list_after(10))
    assert list(range(51, 101)) == read(log, storage, 50)
    assert list(range(11, 101)) == list_revisions(log.list_after(10))
    read(log, storage, 100)
    assert list(range(11, 152)) == list_revisions(log.list_after(10))


def test_of_each_entry_the_first_change_is_kept(storage: CountingStorage) -> None:
    """An import may have a hundred thousand."""
    append(storage, 1, changes=1000)
    log = RecentLog()
    read(log, storage, 0)
    (entry,) = log.list_after(0)
    assert (1000, 1) == (entry.size, len(entry.changes))


def test_only_so_much_is_kept(storage: CountingStorage) -> None:
    """Of what was read last; also where one entry is longer than all that may be kept."""
    append(storage, 5, "x" * 1000)
    log = RecentLog(max_bytes=5000)
    assert [1, 2, 3, 4, 5] == read(log, storage, 0)
    assert () == log.list_after(0)
    assert [3, 4, 5] == list_revisions(log.list_after(2))
    # What is read again counts once.
    assert [3, 4, 5] == read(log, storage, 2)
    assert [3, 4, 5] == list_revisions(log.list_after(2))
    append(storage, 1, "x" * 6000)
    assert [6] == read(log, storage, 5)
    assert () == log.list_after(2)


def test_the_newest_revision_is_followed(storage: CountingStorage) -> None:
    """What was kept stays while the log goes on, or is pruned to somewhere before that."""
    log = RecentLog()
    assert (True, 0) == (follow(log, storage), log.newest.number)
    for entries in (3, 0, 2):
        append(storage, entries)
        assert (True, storage.read(lambda reader: reader.revision_id())) == (follow(log, storage), log.newest)
        read(log, storage, 0)
    assert [1, 2, 3, 4, 5] == list_revisions(log.list_after(0))


@pytest.mark.parametrize("entries", [1, 3, 5])
def test_another_log_is_noticed(storage: CountingStorage, entries: int) -> None:
    """That of a standby, with fewer entries, as many, or more: nothing of the former one is kept."""
    append(storage, 3)
    log = RecentLog()
    follow(log, storage)
    read(log, storage, 0)
    other = make_storage("b")
    append(other, entries)
    assert (False, entries) == (follow(log, other), log.newest.number)
    assert () == log.list_after(0)
    assert follow(log, other)
