"""Tests of what only the storage in memory does; the rest is in ``tests/conformance``."""

from datetime import UTC, datetime

from heksher.server.storage.memory import MemoryStorage
from tests.support.storages import SOME_CHANGE


def test_log_has_the_time_of_the_machine() -> None:
    """Without a clock of its own, the storage logs the time of the machine."""
    storage = MemoryStorage()
    storage.open()
    before = datetime.now(UTC)
    storage.write(lambda writer: writer.record(SOME_CHANGE))
    assert before <= storage.read(lambda reader: reader.log())[0].at <= datetime.now(UTC)


def test_each_is_by_itself() -> None:
    """Two storages in memory share nothing."""
    first, second = MemoryStorage(), MemoryStorage()
    first.open()
    second.open()
    first.write(lambda writer: writer.record(SOME_CHANGE))
    assert second.read(lambda reader: reader.revision()) == 0
