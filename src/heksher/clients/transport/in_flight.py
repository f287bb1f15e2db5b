"""The requests that a client has in flight, and how they end in time, and at once when the client is closed.

On an event loop a request ends by being cancelled. In a thread, what blocks must end by itself: each operation asks the
``Guard`` of its request for the time that is left of the whole request, and tells it how the operation can be
interrupted. So no thread has to watch over the requests. See ``network`` for the operations.
"""

import asyncio
import math
import socket
import threading
import time
import weakref
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from contextvars import ContextVar
from typing import Any, Final

# Longer than a system can count milliseconds in 32 bits (24 days) means for ever.
_LONGEST_S: Final = 7 * 86_400.0

# Why requests end because of ``abort`` or ``close``.
_BROKEN_OFF: Final = "broken off by the client itself, which was closed or interrupted"

_active: "ContextVar[Guard | None]" = ContextVar("heksher_request", default=None)


class Guard:
    """One request's time limit, and the way to interrupt it. ``abort`` may be called from any thread.

    Needs no lock: an operation first says how to interrupt it and then checks whether it may begin; ``abort`` does the
    two in the opposite order.

    Args:
        time_limit_s: seconds until the request must be over.
        owner: whose request it is, for ``RequestsInFlight.abort``.
        sockets: where the sockets that are opened for the request are noted.
    """

    def __init__(
        self, time_limit_s: float, owner: object = None, sockets: "weakref.WeakSet[socket.socket] | None" = None
    ) -> None:
        self.owner = owner
        self.is_aborted: bool = False
        self._timeout_text = _describe_timeout(time_limit_s)
        self._deadline_s = time.monotonic() + time_limit_s
        self._sockets = sockets
        # Ends the operation that blocks; None when none does.
        self._interrupt: Callable[[], object] | None = None

    def check(self) -> None:
        """Raise the error for a request that must end now, if it must.

        Raises:
            ConnectionAbortedError: the request was aborted.
            TimeoutError: its time is over.
        """
        if self.is_aborted:
            raise ConnectionAbortedError(_BROKEN_OFF)
        if time.monotonic() >= self._deadline_s:
            raise TimeoutError(self._timeout_text)

    def extend(self, silence_s: float) -> None:
        """Allow the request so many seconds from now, whatever was left: a stream has no end of its own."""
        self._timeout_text = _describe_silence(silence_s)
        self._deadline_s = time.monotonic() + silence_s

    def abort(self) -> None:
        """End the request: what blocks is interrupted, and no operation of it blocks any longer."""
        self.is_aborted = True
        interrupt = self._interrupt
        if interrupt is not None:
            interrupt()

    def note(self, opened: socket.socket) -> None:
        """Remember a socket that was opened for the request, and may be used by later ones."""
        if self._sockets is not None:
            self._sockets.add(opened)

    def break_off(self) -> ConnectionAbortedError:
        """Make the error of a request that was aborted."""
        return ConnectionAbortedError(_BROKEN_OFF)

    @contextmanager
    def blocking(self, timeout_s: float | None, interrupt: Callable[[], object] | None) -> Iterator[float | None]:
        """Run an operation that may block; yield for how many seconds it may.

        Args:
            timeout_s: the limit for the operation itself; ``None`` for none.
            interrupt: ends the operation, from another thread; ``None`` if nothing can.

        Raises:
            ConnectionAbortedError, TimeoutError: as for ``check``, in place of beginning the operation.
        """
        self._interrupt = interrupt
        try:
            self.check()
            left_s = min(self._deadline_s - time.monotonic(), math.inf if timeout_s is None else timeout_s)
            yield None if left_s == math.inf else min(max(left_s, 0.001), _LONGEST_S)
        finally:
            self._interrupt = None


class RequestsInFlight:
    """The requests that a client has sent and not yet finished, in any thread. Thread-safe.

    Attributes:
        sockets: those that were opened for the requests, and are still in use.
    """

    def __init__(self) -> None:
        self.sockets: weakref.WeakSet[socket.socket] = weakref.WeakSet()
        # Guards the next two. It can be taken again by its holder, as a signal's handler may close a client.
        self._changed = threading.Condition(threading.RLock())
        self._guards: set[Guard] = set()
        self._is_closed = False

    @contextmanager
    def request(self, time_limit_s: float, owner: object = None) -> Iterator[Guard]:
        """Run the code of one request under a guard.

        Raises:
            ConnectionAbortedError, TimeoutError: as for ``Guard.check``, in place of what was raised when that cut the
                request short; the former also if it came to its end, for that may be an untimely one.
        """
        guard = Guard(time_limit_s, owner, self.sockets)
        with self._changed:
            self._guards.add(guard)
            guard.is_aborted = self._is_closed
        token = _active.set(guard)
        try:
            yield guard
        except Exception as error:
            _raise_reason(guard, error)
            raise
        else:
            if guard.is_aborted:
                guard.check()
        finally:
            _active.reset(token)
            with self._changed:
                self._guards.discard(guard)
                self._changed.notify_all()

    def abort(self, owner: object = None) -> None:
        """Interrupt all requests in flight; or those of one owner."""
        with self._changed:
            # A copy: a signal's handler may send a request meanwhile.
            for guard in list(self._guards):
                if owner is None or guard.owner is owner:
                    guard.abort()

    def is_within_one(self) -> bool:
        """Return whether the running code is part of one of them."""
        return _active.get() in self._guards

    def close(self, timeout_s: float) -> None:
        """Interrupt all requests, also later ones, and wait until they have let go of their sockets.

        Args:
            timeout_s: how many seconds to wait at most.
        """
        # Called from within a request (a hook of the program's), it cannot wait for that one.
        own = {_active.get()}
        with self._changed:
            self._is_closed = True
            self.abort()
            self._changed.wait_for(lambda: self._guards <= own, timeout_s)

    def close_sockets(self) -> None:
        """Close the sockets in a forked child, which shares them with its parent.

        Only the child's descriptors go away. Nothing is sent, and no lock is needed: the parent's threads may have held
        any of them.
        """
        for opened in list(self.sockets):
            with suppress(OSError):
                opened.close()


class TaskGuard:
    """One request's time limit on an event loop.

    Args:
        limit: the limit.
        timeout_text: says that it is over.
    """

    def __init__(self, limit: asyncio.Timeout, timeout_text: str) -> None:
        self._limit = limit
        self._timeout_text = timeout_text
        self._is_aborted = False

    def extend(self, silence_s: float) -> None:
        """Do what ``Guard.extend`` does."""
        if not self._is_aborted:
            self._timeout_text = _describe_silence(silence_s)
            self._reschedule(silence_s)

    def abort(self) -> None:
        """Interrupt the request."""
        self._is_aborted = True
        self._reschedule(0.0)

    def give_reason(self) -> OSError:
        """Make the error of a request that took too long."""
        return TimeoutError(self._timeout_text)

    def _reschedule(self, delay_s: float) -> None:
        # One that is coming to its end anyway cannot be changed any more.
        with suppress(RuntimeError):
            self._limit.reschedule(asyncio.get_running_loop().time() + delay_s)


class TasksInFlight:
    """As ``RequestsInFlight``, for the tasks of an event loop. Not thread-safe."""

    def __init__(self) -> None:
        # The guard of each request, and the task that sends it.
        self._tasks: dict[TaskGuard, asyncio.Task[Any] | None] = {}
        self._is_closed = False

    @asynccontextmanager
    async def request(self, time_limit_s: float) -> AsyncIterator["TaskGuard"]:
        """Run the code of one request under a guard.

        Raises:
            ConnectionAbortedError: the client was closed.
            TimeoutError: the request took too long.
        """
        limit = asyncio.timeout(time_limit_s)
        guard = TaskGuard(limit, _describe_timeout(time_limit_s))
        try:
            if self._is_closed:
                raise ConnectionAbortedError(_BROKEN_OFF)
            async with limit:
                self._tasks[guard] = asyncio.current_task()
                yield guard
        except TimeoutError as error:
            if limit.expired():
                raise (ConnectionAbortedError(_BROKEN_OFF) if self._is_closed else guard.give_reason()) from error
            raise
        finally:
            self._tasks.pop(guard, None)

    def has_task(self, task: asyncio.Task[Any]) -> bool:
        """Return whether a task sends one of them."""
        return task in self._tasks.values()

    async def close(self, timeout_s: float) -> None:
        """Interrupt all requests, also later ones, and wait for their end.

        Args:
            timeout_s: how many seconds to wait at most.
        """
        self._is_closed = True
        loop = asyncio.get_running_loop()
        # Those of a loop that has ended have ended with it.
        tasks = {guard: task for guard, task in self._tasks.items() if task is not None and task.get_loop() is loop}
        for guard in tasks:
            guard.abort()
        # Called from within a request (a hook of the program's), it cannot wait for that one.
        waiting = set(tasks.values()) - {asyncio.current_task()}
        if waiting:
            await asyncio.wait(waiting, timeout=timeout_s)


def active_guard() -> Guard:
    """Return the guard of the request that the running code is for; outside of any, one without limits."""
    return _active.get() or Guard(math.inf)


def _describe_timeout(time_limit_s: float) -> str:
    return f"not within {time_limit_s:g} s (request_timeout)"


def _describe_silence(silence_s: float) -> str:
    return f"nothing came in for {silence_s:g} s"


def _raise_reason(guard: Guard, error: Exception) -> None:
    """Raise the true reason for an error of a request that was cut short; do nothing if it was not."""
    try:
        guard.check()
    except OSError as reason:
        raise reason from error
