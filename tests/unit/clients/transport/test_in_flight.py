"""Requests under way: their time, and how they are interrupted, without any network."""

import asyncio
import threading
import time
from contextlib import suppress

import pytest

from heksher.clients.transport.in_flight import Guard, RequestsInFlight, TasksInFlight, active_guard

DEADLINE_S = 10.0


# ---- guards


def test_guard_lets_pass() -> None:
    """While there is time, nothing happens; an operation has its own limit, or what is left of the whole."""
    guard = Guard(100)
    guard.check()
    with guard.blocking(5, None) as timeout_s:
        assert timeout_s == 5
    with guard.blocking(None, None) as timeout_s:
        assert timeout_s is not None
        assert 90 < timeout_s <= 100
    with guard.blocking(0, None) as timeout_s:
        # 0 would mean not to wait at all, which no operation can do.
        assert timeout_s == 0.001


def test_guard_without_limits() -> None:
    """Outside of requests, nothing has limits but operations of their own; a very long limit is one that can be set."""
    with active_guard().blocking(None, None) as timeout_s:
        assert timeout_s is None
    with active_guard().blocking(7, None) as timeout_s:
        assert timeout_s == 7
    with Guard(1e12).blocking(None, None) as timeout_s:
        assert timeout_s == 7 * 24 * 3600


def test_guard_whose_time_is_over() -> None:
    """When the time is over, no operation is begun."""
    guard = Guard(0)
    with pytest.raises(TimeoutError, match=r"not within 0 s \(request_timeout\)"):
        guard.check()
    with pytest.raises(TimeoutError), guard.blocking(5, None):
        pytest.fail("it was begun")


def test_guard_that_is_extended() -> None:
    """A request without an end has so much time from each sign of life on, whatever it had before."""
    guard = Guard(0)
    guard.extend(100)
    guard.check()
    guard.extend(0)
    with pytest.raises(TimeoutError, match="nothing came in for 0 s"):
        guard.check()


def test_aborted_guard_that_is_extended() -> None:
    """One that was aborted stays so."""
    guard = Guard(100)
    guard.abort()
    guard.extend(100)
    with pytest.raises(ConnectionAbortedError):
        guard.check()


def test_aborted_guard() -> None:
    """An operation under way is interrupted, once; no other is begun."""
    interrupted: list[int] = []
    guard = Guard(100)
    with guard.blocking(5, lambda: interrupted.append(1)):
        guard.abort()
    guard.abort()
    assert interrupted == [1]
    with pytest.raises(ConnectionAbortedError, match="broken off"), guard.blocking(5, None):
        pytest.fail("it was begun")


# ---- threads


class Waiting(threading.Thread):
    """A thread with a request under way, which waits until it is told to leave.

    Attributes:
        leave: set to let it go on.
        is_over: whether the request is over.
    """

    def __init__(self, requests: RequestsInFlight, *, is_interruptible: bool) -> None:
        super().__init__()
        self.leave = threading.Event()
        self.is_over = False
        self._requests = requests
        self._interrupt = self.leave.set if is_interruptible else None
        self._entered = threading.Event()
        self.start()
        assert self._entered.wait(DEADLINE_S)

    def run(self) -> None:
        with suppress(ConnectionAbortedError), self._requests.request(100) as guard:
            self._wait(guard)

    def _wait(self, guard: Guard) -> None:
        with guard.blocking(None, self._interrupt):
            self._entered.set()
            self.leave.wait(DEADLINE_S)
        self.is_over = True


def test_request_is_guarded() -> None:
    """The code of a request finds its guard, and code after it does not."""
    requests = RequestsInFlight()
    with requests.request(100) as guard:
        assert guard is active_guard()
    assert guard is not active_guard()


def test_reason_of_an_error() -> None:
    """An error of a request that was cut short gives the reason; any other error is left alone."""
    requests = RequestsInFlight()
    with pytest.raises(ConnectionAbortedError) as aborted, requests.request(100) as guard:
        guard.abort() or {}["what came of it"]
    assert isinstance(aborted.value.__cause__, KeyError)
    with pytest.raises(TimeoutError) as late, requests.request(0):
        raise KeyError("what came of it")
    assert isinstance(late.value.__cause__, KeyError)
    with pytest.raises(KeyError), requests.request(100):
        raise KeyError("a mistake")


def test_end_of_a_request_that_was_cut_short() -> None:
    """What was aborted and yet came to an end may be incomplete; what came to its end a bit late is not."""
    requests = RequestsInFlight()
    with pytest.raises(ConnectionAbortedError), requests.request(100) as guard:
        guard.abort()
    with requests.request(0):
        pass


def test_abort_those_of_an_owner() -> None:
    """Aborting may be for the requests of one owner only."""
    requests = RequestsInFlight()
    mine, others = object(), object()
    with requests.request(100, others) as other, pytest.raises(ConnectionAbortedError), requests.request(100, mine):
        requests.abort(mine)
    assert not other.is_aborted


def test_close_waits_for_requests() -> None:
    """Closing waits until requests are over, but not for ever; later ones are refused."""
    requests = RequestsInFlight()
    thread = Waiting(requests, is_interruptible=True)
    requests.close(DEADLINE_S)
    assert thread.is_over
    with pytest.raises(ConnectionAbortedError), requests.request(100):
        pass
    thread.join(DEADLINE_S)


def test_close_does_not_wait_for_ever() -> None:
    """A request that cannot be interrupted is left behind after a while."""
    requests = RequestsInFlight()
    thread = Waiting(requests, is_interruptible=False)
    begin = time.monotonic()
    requests.close(0.05)
    assert 0.04 < time.monotonic() - begin < 5
    assert not thread.is_over
    thread.leave.set()
    thread.join(DEADLINE_S)


def test_close_from_within() -> None:
    """A request that closes everything does not wait for itself."""
    requests = RequestsInFlight()
    begin = time.monotonic()
    with pytest.raises(ConnectionAbortedError), requests.request(100):
        requests.close(DEADLINE_S)
    assert time.monotonic() - begin < DEADLINE_S / 2


# ---- tasks


async def be_long(requests: TasksInFlight, time_limit_s: float = 100) -> None:
    async with requests.request(time_limit_s):
        await asyncio.sleep(DEADLINE_S)


def test_task_whose_time_is_over() -> None:
    """A task's request ends when its time is over."""
    with pytest.raises(TimeoutError, match=r"not within 0.05 s \(request_timeout\)"):
        asyncio.run(be_long(TasksInFlight(), 0.05))


def test_timeout_of_something_else() -> None:
    """A timeout that is not the request's is left alone."""

    async def fail() -> None:
        async with TasksInFlight().request(100):
            raise TimeoutError("of its own")

    with pytest.raises(TimeoutError, match="of its own"):
        asyncio.run(fail())


def test_cancelled_task() -> None:
    """Cancelling is not taken for a timeout."""

    async def cancel() -> None:
        task = asyncio.create_task(be_long(TasksInFlight()))
        await asyncio.sleep(0)
        task.cancel()
        await task

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(cancel())


def test_close_ends_tasks() -> None:
    """Closing ends the requests under way, waits for that, and refuses later ones."""

    async def close() -> list[BaseException | None]:
        requests = TasksInFlight()
        tasks = [asyncio.create_task(be_long(requests)) for _ in range(2)]
        await asyncio.sleep(0)
        await requests.close(DEADLINE_S)
        assert all(task.done() for task in tasks)
        await requests.close(DEADLINE_S)
        tasks.append(asyncio.create_task(be_long(requests)))
        await asyncio.wait(tasks)
        return [task.exception() for task in tasks]

    assert [ConnectionAbortedError] * 3 == list(map(type, asyncio.run(close())))


def test_close_from_within_a_task() -> None:
    """A request that closes everything does not wait for itself."""

    async def close() -> None:
        requests = TasksInFlight()
        async with requests.request(100):
            await requests.close(DEADLINE_S)
            await asyncio.sleep(DEADLINE_S)

    begin = time.monotonic()
    with pytest.raises(ConnectionAbortedError):
        asyncio.run(close())
    assert time.monotonic() - begin < DEADLINE_S / 2


def test_close_during_a_timeout() -> None:
    """Closing at the very moment at which a request's time is over does not fail."""

    async def hold_on(requests: TasksInFlight) -> None:
        async with requests.request(0.01):
            try:
                await asyncio.sleep(DEADLINE_S)
            finally:
                await asyncio.sleep(0.05)

    async def close() -> BaseException | None:
        requests = TasksInFlight()
        task = asyncio.create_task(hold_on(requests))
        await asyncio.sleep(0.03)
        await requests.close(DEADLINE_S)
        return task.exception()

    assert isinstance(asyncio.run(close()), ConnectionAbortedError)


def test_close_in_another_loop() -> None:
    """Requests of a loop that has ended are none any more."""
    requests = TasksInFlight()

    async def begin() -> None:
        requests._tasks[asyncio.timeout(1)] = asyncio.current_task()

    asyncio.run(begin())
    asyncio.run(requests.close(DEADLINE_S))


def test_task_that_is_extended() -> None:
    """A task's request without an end, too, ends when it is silent for too long, and not before."""
    passed: list[str] = []

    async def follow() -> None:
        async with TasksInFlight().request(0) as guard:
            guard.extend(DEADLINE_S)
            await asyncio.sleep(0)
            passed.append("the first limit")
            guard.extend(0.01)
            await asyncio.Event().wait()

    with pytest.raises(TimeoutError, match=r"nothing came in for 0\.01 s"):
        asyncio.run(follow())
    assert ["the first limit"] == passed


def test_aborted_task_that_is_extended() -> None:
    """One that was broken off does not get more time."""

    async def follow() -> None:
        async with TasksInFlight().request(DEADLINE_S) as guard:
            guard.abort()
            guard.extend(DEADLINE_S)
            await asyncio.Event().wait()

    with pytest.raises(TimeoutError, match="request_timeout"):
        asyncio.run(asyncio.wait_for(follow(), DEADLINE_S / 2))
