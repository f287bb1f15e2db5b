"""Tests of calls on threads that no process waits for."""

import asyncio
import threading

import pytest

from heksher.server.webhooks.daemon_call import DaemonQueue, call_in_daemon


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


def test_a_queue_calls_one_after_the_other() -> None:
    """On one thread, in their order, whatever they raise."""
    order: list[tuple[int, threading.Thread]] = []

    def work(number: int) -> int:
        order.append((number, threading.current_thread()))
        if number == 1:
            raise KeyError
        return number

    calls = DaemonQueue()

    async def call() -> list[int | BaseException]:
        calls.start()
        found = asyncio.gather(
            *(calls(lambda number=number: work(number)) for number in range(3)), return_exceptions=True
        )
        return await found

    first, second, third = asyncio.run(call())
    assert (0, True, 2) == (first, isinstance(second, KeyError), third)
    assert [0, 1, 2] == [number for number, _ in order]
    assert ([True], 1) == ([thread.daemon for thread in {thread for _, thread in order}], len({t for _, t in order}))
    calls.close()
    order[0][1].join(60)
    assert not order[0][1].is_alive()
