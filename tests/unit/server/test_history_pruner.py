"""The thread that prunes the change log daily."""

import logging
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from heksher.server.app import Application
from heksher.server.config import Config
from heksher.server.history_pruner import HistoryPruner, read_deadline
from heksher.server.storage.memory import MemoryStorage
from heksher.server.storage.storage_errors import StorageUnavailableError
from tests.support.storages import write_something
from tests.support.waiting import wait_until

NOW = datetime(2026, 11, 28, tzinfo=UTC)


class PrunedStorage(MemoryStorage):
    """A storage that says what it is asked to prune, and does with that what comes next."""

    def __init__(self, *outcomes: int | Exception) -> None:
        super().__init__()
        self.asked: list[datetime] = []
        self._outcomes = iter(outcomes)

    def prune(self, before: datetime) -> int:
        self.asked.append(before)
        outcome = next(self._outcomes)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome


def run(storage: PrunedStorage, rounds: int) -> list[float]:
    """Let a pruner go so many rounds, and return how long it waits before each, and before the next one."""
    delays: list[float] = []

    def wait(delay_s: float) -> bool:
        delays.append(delay_s)
        return len(delays) > rounds

    pruner = HistoryPruner(storage, 30, wait)
    pruner.start()
    pruner.close()
    return delays


def test_it_prunes_soon_after_the_start_and_then_daily(caplog: pytest.LogCaptureFixture):
    """What is older than the days, which the log says if there was anything."""
    storage = PrunedStorage(5, 0)
    with caplog.at_level(logging.INFO):
        first, *others = run(storage, 2)
    assert 0 <= first <= 60
    assert [86400, 86400] == others
    assert all(
        abs(before - (datetime.now(UTC) - timedelta(days=30))) < timedelta(minutes=5) for before in storage.asked
    )
    assert ["pruned the change log: removed 5 entries older than 30 days"] == caplog.messages


def test_a_failure_is_logged_and_it_tries_again(caplog: pytest.LogCaptureFixture):
    """Sooner than tomorrow, whatever it was."""
    storage = PrunedStorage(StorageUnavailableError("gone"), RuntimeError("unforeseen"), 0)
    _, *others = run(storage, 3)
    assert [600, 600, 86400] == others
    assert [("WARNING", False), ("ERROR", True)] == [
        (record.levelname, record.exc_info is not None) for record in caplog.records
    ]


def test_the_days_may_be_more_than_there_are():
    """Nothing is that old."""
    assert datetime(2026, 10, 29, tzinfo=UTC) == read_deadline(30, NOW)
    assert datetime.min.replace(tzinfo=UTC) == read_deadline(10**14, NOW)
    assert datetime.min.replace(tzinfo=UTC) == read_deadline(800_000, NOW)


@pytest.fixture
def old_storage() -> Iterator[MemoryStorage]:
    """A storage whose log was written long ago."""
    storage = MemoryStorage(lambda: NOW - timedelta(days=10_000))
    storage.open()
    for _ in range(3):
        write_something(storage)
    yield storage
    storage.close()


def list_log(storage: MemoryStorage) -> list[int]:
    return [entry.revision for entry in storage.read(lambda reader: reader.log())]


def test_a_service_prunes_if_it_is_told_to(old_storage: MemoryStorage, monkeypatch: pytest.MonkeyPatch):
    """By an option, which says for how many days entries stay."""
    monkeypatch.setattr("heksher.server.history_pruner._MAX_FIRST_DELAY_S", 0)
    with Application(Config("unused"), old_storage).run():
        pass
    assert [1, 2, 3] == list_log(old_storage)
    with Application(Config("unused", keep_history_days=1), old_storage).run():
        wait_until(lambda: [3] == list_log(old_storage))
    assert [3] == list_log(old_storage)
