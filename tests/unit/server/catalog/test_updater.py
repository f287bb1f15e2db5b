"""The thread that keeps the catalog at the newest revision."""

import logging
import threading
import time
from collections.abc import Iterator, Sequence
from typing import NoReturn

import pytest

from heksher.server.catalog.advance import Step
from heksher.server.catalog.availability import Availability
from heksher.server.catalog.catalog import Catalog, CatalogState
from heksher.server.catalog.effect import EVERYWHERE
from heksher.server.catalog.updater import CatalogUpdater
from heksher.server.catalog.writability import Writability
from heksher.server.storage.listener import Listener
from heksher.server.storage.storage_errors import StorageCorruptError, StorageUnavailableError
from tests.support.catalogs import FragileStorage, open_fragile
from tests.support.fake_service import DEADLINE_S
from tests.support.storages import write_something
from tests.support.threads import NewThreads


class SteppedListener(Listener):
    """Ends one wait for each call of ``interrupt``, and no other.

    Attributes:
        timeouts_s: how long each wait was to last.
        is_closed: whether it was closed.
    """

    def __init__(self) -> None:
        self.timeouts_s: list[float] = []
        self.is_closed = False
        self._turns = threading.Semaphore(0)

    def wait(self, timeout_s: float) -> None:
        self.timeouts_s.append(timeout_s)
        self._turns.acquire()

    def interrupt(self) -> None:
        self._turns.release()

    def close(self) -> None:
        self.is_closed = True


class Followed:
    """A storage, and a follower that looks at it when it is told to."""

    def __init__(self) -> None:
        self.storage: FragileStorage = open_fragile(poll_interval_s=7)
        self.listener = SteppedListener()
        self.storage.listen = lambda: self.listener
        self.catalog = Catalog(self.storage, 1_000_000)
        self.availability = Availability()
        self._reports = threading.Semaphore(0)
        self.writability = Writability()
        self.updater = CatalogUpdater(
            self.catalog, self.storage, self.availability, self.writability, self._reports.release
        )

    def look(self, times: int = 1) -> None:
        """Have the follower look, and wait until it has."""
        for _ in range(times):
            self.updater.look()
            assert self._reports.acquire(timeout=DEADLINE_S)

    @property
    def revision(self) -> int | None:
        return None if self.catalog.state is None else self.catalog.state.picture.revision


@pytest.fixture
def followed() -> Iterator[Followed]:
    """A follower that has been started."""
    followed = Followed()
    followed.updater.start()
    yield followed
    followed.updater.close()


def test_a_follower_looks_when_somebody_has_written(followed: Followed):
    """It loads the catalog if nobody has, and then follows."""
    followed.look()
    assert 1 == followed.revision
    write_something(followed.storage)
    followed.look()
    assert 2 == followed.revision


def test_a_follower_looks_at_intervals(followed: Followed):
    """As often as the storage says, when nobody tells of anything."""
    followed.look(3)
    assert {7} == set(followed.listener.timeouts_s)


def test_an_outage_is_noted(followed: Followed):
    """So is its end, and the catalog has what was written meanwhile."""
    followed.look()
    followed.storage.is_away = True
    followed.look()
    assert "the database is away" == str(followed.availability.problem)
    write_something(followed.storage.inner)
    followed.storage.is_away = False
    followed.look()
    assert (None, 2) == (followed.availability.problem, followed.revision)


def test_everybody_is_told_after_an_outage(followed: Followed):
    """Once: another server may have taken the place of the database, and lost what only other processes have seen."""
    followed.look()
    news: list[tuple[CatalogState, Sequence[Step]]] = []
    followed.catalog.subscribe(lambda state, steps: news.append((state, steps)))
    before = followed.catalog.state.position
    followed.look(2)
    assert [] == news
    followed.storage.is_away = True
    followed.look(2)
    followed.storage.is_away = False
    followed.look(2)
    [(state, steps)] = news
    assert [Step(1, (EVERYWHERE,))] == steps
    assert (before[0] + 1, before[1]) == state.position == followed.catalog.state.position
    assert (0, None) == (followed.catalog.losses, followed.catalog.history_lost_at)


def test_a_database_that_is_away_is_tried_again_with_back_off(followed: Followed):
    """First soon, then at most each two seconds; afterwards as ever. Replicas do not come back in step."""
    followed.storage.is_away = True
    followed.look(8)
    followed.storage.is_away = False
    followed.look(2)
    longest_s = [7, 0.2, 0.4, 0.8, 1.6, 2, 2, 2, 2, 7]
    waits_s = followed.listener.timeouts_s[:10]
    assert all(longest / 2 <= wait <= longest for wait, longest in zip(waits_s, longest_s, strict=True))
    assert [7, 7] == [waits_s[0], waits_s[9]]
    assert len(set(waits_s[4:9])) > 1


def test_an_outage_of_hours_is_survived(followed: Followed):
    """However often the database could not be reached, the catalog has what was written as soon as it can be."""
    followed.storage.is_away = True
    followed.look(1100)
    followed.storage.is_away = False
    followed.look()
    assert 1 == followed.revision


def test_whatever_happens_the_follower_goes_on(
    followed: Followed, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    """A fault is logged, and is no outage."""
    followed.look()
    with monkeypatch.context() as patch:
        patch.setattr(followed.catalog, "refresh", lambda: 1 / 0)
        followed.look()
    assert [logging.ERROR] == [record.levelno for record in caplog.records]
    assert "following the change log failed" in caplog.text
    assert followed.availability.problem is None
    write_something(followed.storage)
    followed.look()
    assert 2 == followed.revision


def test_a_fault_that_lasts_is_told_once(
    followed: Followed, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    """It is tried again with back-off; when it comes back after a success, that is news."""
    followed.look()
    for _ in range(2):
        with monkeypatch.context() as patch:
            patch.setattr(followed.catalog, "refresh", lambda: 1 / 0)
            followed.look(3)
        followed.look()
    assert ["following the change log failed; it is tried again"] * 2 == caplog.messages
    assert all(wait_s <= 1.6 for wait_s in followed.listener.timeouts_s[2:5])


def test_any_failure_of_the_database_is_an_outage(followed: Followed, monkeypatch: pytest.MonkeyPatch):
    """A damaged page keeps from reading as surely as a server that is away."""

    def fail() -> NoReturn:
        raise StorageCorruptError("a page is damaged")

    followed.look()
    with monkeypatch.context() as patch:
        patch.setattr(followed.catalog, "refresh", fail)
        followed.look()
    assert "a page is damaged" == str(followed.availability.problem)
    followed.look()
    assert followed.availability.problem is None


def test_whether_writes_are_possible_is_checked(followed: Followed, monkeypatch: pytest.MonkeyPatch):
    """At the start, and at the first look after some seconds; not at each look, which may be many a second."""
    time_s = [time.monotonic()]
    monkeypatch.setattr("time.monotonic", lambda: time_s[0])
    followed.storage.sickness = StorageUnavailableError("no room", "disk full")
    followed.look()
    assert followed.writability.problem is None
    time_s[0] += 2.1
    followed.look()
    assert "disk full" == followed.writability.problem
    followed.storage.sickness = None
    time_s[0] += 2.1
    followed.look()
    assert followed.writability.problem is None


def test_a_write_that_is_refused_during_a_check_goes_on_counting(followed: Followed, monkeypatch: pytest.MonkeyPatch):
    """Until the next check: this one may have looked before."""
    time_s = [time.monotonic()]
    monkeypatch.setattr("time.monotonic", lambda: time_s[0])

    def refuse() -> None:
        if followed.writability.problem is None:
            time_s[0] += 0.1
            followed.writability.note_refusal(StorageUnavailableError("no", "file gone"))

    monkeypatch.setattr(followed.storage, "check_writes", refuse)
    for expected in ("file gone", None):
        time_s[0] += 2.1
        followed.look()
        assert expected == followed.writability.problem


def test_a_start_tells_that_no_write_is_possible(caplog: pytest.LogCaptureFixture):
    """As a warning, before the service says that it is ready."""
    followed = Followed()
    followed.storage.sickness = StorageUnavailableError("its mode is 0444", "read-only")
    followed.updater.start()
    assert ["no write is possible (read-only), reads go on: its mode is 0444"] == caplog.messages
    assert logging.WARNING == caplog.records[0].levelno
    followed.updater.close()


def test_a_check_that_fails_in_another_way_is_no_sickness(
    followed: Followed, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    """A server that went away meanwhile is the next look's; a fault is logged; the follower goes on after both."""

    def fail() -> NoReturn:
        raise errors.pop()

    errors = [ZeroDivisionError(), StorageUnavailableError("away")]
    monkeypatch.setattr(followed.storage, "check_writes", fail)
    monkeypatch.setattr("heksher.server.catalog.updater._CHECK_INTERVAL_S", -3600)
    for _ in range(2):
        followed.updater._next_check_s = 0
        followed.look()
    assert ([], None) == (errors, followed.writability.problem)
    assert ["checking whether a write is possible failed; it is tried again"] == caplog.messages


def test_a_follower_ends(new_threads: NewThreads, followed: Followed):
    """With its listener, and without another look."""
    before = followed.storage.reads
    followed.updater.close()
    followed.updater.close()
    assert (True, before) == (followed.listener.is_closed, followed.storage.reads)
    assert [] == new_threads.names()


def test_a_follower_has_one_thread_until_its_end():
    """By whose name it is found in a list of threads."""
    others = set(threading.enumerate())
    followed = Followed()
    followed.updater.start()
    started = set(threading.enumerate()) - others
    followed.updater.close()
    assert ["heksher-updater"] == [thread.name for thread in started]
    assert started.isdisjoint(threading.enumerate())


def test_a_follower_that_was_not_started_has_nothing_to_end():
    """Nor does it look."""
    followed = Followed()
    followed.updater.look()
    followed.updater.close()
    assert (0, []) == (followed.storage.reads, followed.listener.timeouts_s)


def test_a_database_that_does_not_answer_does_not_keep_the_process_from_ending(
    followed: Followed, monkeypatch: pytest.MonkeyPatch
):
    """Whoever closes waits for a while only."""
    monkeypatch.setattr("heksher.server.catalog.updater._CLOSE_TIMEOUT_S", 0.05)
    followed.storage.gate.clear()
    followed.updater.look()
    assert followed.storage.is_waiting.wait(DEADLINE_S)
    followed.updater.close()
    assert not followed.listener.is_closed
    followed.storage.gate.set()
