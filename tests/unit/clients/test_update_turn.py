"""One update at a time in threads. The conformance suite has what that means for clients."""

import threading

import pytest

from heksher.clients.update_turn import UpdateTurn
from heksher.exceptions import ClientStateError
from tests.support.fake_service import DEADLINE_S


def test_who_is_within_an_update() -> None:
    """A thread is within one as long as its update runs, whatever becomes of it."""
    turn = UpdateTurn()
    assert turn.run(turn.is_taken_here)
    with pytest.raises(ZeroDivisionError):
        turn.run(lambda: 1 / 0)
    assert not turn.is_taken_here()


def test_the_main_thread_does_not_wait_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """An update that does not end costs the main thread an error, and nobody the turn."""
    monkeypatch.setattr("heksher.clients.update_turn.MAX_WAIT_S", 0.01)
    turn = UpdateTurn()
    events = [threading.Event(), threading.Event()]

    def be_long() -> bool:
        events[0].set()
        return events[1].wait(DEADLINE_S)

    thread = threading.Thread(target=turn.run, args=(be_long,))
    thread.start()
    assert events[0].wait(DEADLINE_S)
    with pytest.raises(ClientStateError, match="has not come to its end"):
        turn.run(lambda: True)
    assert not turn.is_taken_here()
    events[1].set()
    thread.join()
    assert turn.run(lambda: True)
