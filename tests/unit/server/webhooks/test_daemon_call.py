"""Tests of calls on threads that no process waits for."""

import asyncio
import threading

import pytest

from heksher.server.webhooks.daemon_call import call_in_daemon


def test_returns_what_the_function_returns() -> None:
    """Which runs on a thread of its own."""
    thread = asyncio.run(call_in_daemon(threading.current_thread))
    assert (True, True) == (thread.daemon, thread is not threading.current_thread())


def test_raises_what_the_function_raises() -> None:
    """Whatever it is."""

    def fail() -> None:
        raise KeyError("here")

    with pytest.raises(KeyError, match="here"):
        asyncio.run(call_in_daemon(fail))


def test_whoever_is_cancelled_leaves_it_alone() -> None:
    """It goes on, and nobody waits for it: neither the loop, which ends, nor the process."""
    begun, may_end, has_ended = threading.Event(), threading.Event(), threading.Event()

    def work() -> None:
        begun.set()
        may_end.wait(60)
        has_ended.set()

    async def give_up() -> None:
        call = asyncio.create_task(call_in_daemon(work))
        await asyncio.to_thread(begun.wait, 60)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call

    asyncio.run(give_up())
    assert not has_ended.is_set()
    may_end.set()
    assert has_ended.wait(60)


def test_a_result_that_nobody_waits_for_is_lost() -> None:
    """Without an error on the loop that goes on."""
    problems: list[object] = []

    async def give_up() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: problems.append(context))
        ended = threading.Event()
        call = asyncio.create_task(call_in_daemon(lambda: ended.wait(60)))
        await asyncio.sleep(0.01)
        call.cancel()
        await asyncio.sleep(0)
        ended.set()
        await asyncio.sleep(0.05)

    asyncio.run(give_up())
    assert [] == problems
