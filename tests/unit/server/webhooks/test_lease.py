"""Tests of the claim to be the one process that does something."""

from collections.abc import Callable

import pytest

from heksher.server.storage.base import Notes
from heksher.server.storage.memory import MemoryStorage
from heksher.server.storage.webhook_records import LeaseRecord
from heksher.server.webhooks.lease import LEASE_S, RENEWAL_S, Lease


class Clock:
    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


class Play:
    """Processes that share a database."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.storage = MemoryStorage()
        self.storage.open()

    def make(self, holder: str) -> Lease:
        return Lease(self.storage, "task", holder, self.clock)

    def read(self) -> LeaseRecord:
        return self.storage.read(lambda reader: reader.find_lease("task"))

    def meddle(self, holder: str) -> None:
        """Have another process take it, as it may where this one is late."""

        def work(notes: Notes) -> None:
            notes.put_lease(LeaseRecord("task", holder, notes.find_lease("task").turn + 1))

        self.storage.note(work)


@pytest.fixture
def play() -> Play:
    return Play()


def test_the_first_one_takes_it(play: Play) -> None:
    """The others do not, however often they ask."""
    first, second = play.make("first"), play.make("second")
    assert (True, True) == (first.take(), first.is_held)
    assert (False, False) == (second.take(), second.is_held)
    assert LeaseRecord("task", "first", 1) == play.read()


def test_the_holder_says_from_time_to_time_that_it_goes_on(play: Play) -> None:
    """Not each time that it asks."""
    lease = play.make("first")
    for _ in range(10):
        assert lease.take()
        assert lease.keep()
        play.clock.now_s += RENEWAL_S / 2
    assert 5 == play.read().turn


def test_others_wait_as_long_as_the_holder_goes_on(play: Play) -> None:
    """For any time."""
    first, second = play.make("first"), play.make("second")
    for _ in range(20):
        assert first.take()
        assert not second.take()
        play.clock.now_s += LEASE_S - 1


def test_another_one_takes_over_when_the_holder_has_ended(play: Play) -> None:
    """After it has seen nothing of it for the whole time, by its own clock, which may show anything."""
    play.make("first").take()
    second = play.make("second")
    play.clock.now_s += 10 * LEASE_S
    assert not second.take()
    play.clock.now_s += LEASE_S - 0.1
    assert not second.take()
    play.clock.now_s += 0.2
    assert second.take()


def test_of_several_that_take_over_one_does(play: Play) -> None:
    """The other one has to wait anew."""
    play.make("first").take()
    second, third = play.make("second"), play.make("third")
    assert [False, False] == [second.take(), third.take()]
    play.clock.now_s += LEASE_S
    assert [True, False] == [second.take(), third.take()]
    assert not play.make("first").take()


def test_who_was_late_does_not_go_on(play: Play) -> None:
    """Another one may have done something meanwhile: even if it has ended since, what was begun is not continued."""
    lease = play.make("first")
    lease.take()
    for holder in ("second", ""):
        play.clock.now_s += RENEWAL_S
        play.meddle(holder)
        assert (False, False) == (lease.keep(), lease.is_held)
        assert (holder == "") == lease.take()


def test_what_took_too_long_to_say_does_not_count(play: Play, monkeypatch: pytest.MonkeyPatch) -> None:
    """Others count from when it was stored, which may be long ago."""
    lease, note = play.make("first"), play.storage.note

    def note_slowly(work: Callable[[Notes], bool]) -> bool:
        result = note(work)
        play.clock.now_s += RENEWAL_S
        return result

    monkeypatch.setattr(play.storage, "note", note_slowly)
    assert not lease.take()
    monkeypatch.undo()
    assert lease.take()


def test_it_can_be_released(play: Play) -> None:
    """Then another one takes it at once; who does not hold it changes nothing."""
    first, second = play.make("first"), play.make("second")
    first.take()
    second.release()
    assert not second.take()
    first.release()
    assert (False, True) == (first.is_held, second.take())
    play.clock.now_s += RENEWAL_S
    first.release()
    assert "second" == play.read().holder


def test_who_was_late_releases_nothing(play: Play) -> None:
    """It is another one's."""
    lease = play.make("first")
    lease.take()
    play.meddle("second")
    lease.release()
    assert "second" == play.read().holder


def test_since_when_it_is_held_is_known(play: Play) -> None:
    """Since it was taken, however often that was said again; what was read before may be out of date."""
    lease = play.make("first")
    for _ in range(2):
        play.clock.now_s += LEASE_S
        taken_s = play.clock.now_s
        for _ in range(3):
            assert lease.take()
            assert taken_s == lease.held_since_s
            play.clock.now_s += RENEWAL_S
        lease.release()
