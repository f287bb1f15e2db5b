"""Calls what blocks, on threads that no process waits for when it ends, unlike those of an event loop's executor."""

import asyncio
import queue
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Generic, TypeVar

T = TypeVar("T")


class DaemonQueue:
    """A thread that calls functions one after the other, for one event loop."""

    def __init__(self) -> None:
        # None is the end.
        self._calls: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="heksher-webhook-calls", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def close(self) -> None:
        """Have the thread end after the calls that wait."""
        self._calls.put(None)

    async def __call__(self, work: Callable[[], T]) -> T:
        """Call a function, and return or raise what it does; it goes on if this is cancelled."""
        call = _Call(work)
        self._calls.put(call.run)
        return await call.outcome

    def _run(self) -> None:
        while (call := self._calls.get()) is not None:
            call()


async def call_in_daemon(work: Callable[[], T]) -> T:
    """Call a function on a thread of its own, and return or raise what it does; it goes on if this is cancelled."""
    call = _Call(work)
    threading.Thread(target=call.run, name="heksher-webhook-call", daemon=True).start()
    return await call.outcome


class _Call(Generic[T]):
    """A function that an event loop waits for.

    Attributes:
        outcome: what the function returns or raises.
    """

    def __init__(self, work: Callable[[], T]) -> None:
        self._work = work
        self._loop = asyncio.get_running_loop()
        self.outcome: asyncio.Future[T] = self._loop.create_future()

    def run(self) -> None:
        result, problem = None, None
        try:
            result = self._work()
        # Whatever it is: whoever waits for it raises it.
        except BaseException as error:  # noqa: BLE001 - see above
            problem = error
        # The loop may have ended.
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._finish, result, problem)

    def _finish(self, result: T | None, problem: BaseException | None) -> None:
        if self.outcome.cancelled():
            return
        if problem is not None:
            self.outcome.set_exception(problem)
        else:
            self.outcome.set_result(result)  # type: ignore[arg-type]  # it is there if there is no problem
