"""One update of a client at a time, and which threads or tasks are within one: they would wait for themselves."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Final, TypeVar

from heksher.clients.held_lock import is_held_here
from heksher.exceptions import ClientStateError

T = TypeVar("T")

WITHIN: Final = (
    "this was called within an update or a start of the same client (by a validator, a hook or the handler of a"
    " signal), which would wait for itself"
)

# How long the main thread waits for the update of another one. The handler of a signal, which runs there, may have
# interrupted code of the program that holds something which that update waits for, such as a lock of logging.
MAX_WAIT_S: Final = 120.0


class UpdateTurn:
    """Has threads update one after the other. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        # Those that update, or wait for their turn.
        self._threads: set[int] = set()

    def is_taken_here(self) -> bool:
        """Return whether this thread updates, or waits for its turn."""
        return threading.get_ident() in self._threads

    def run(self, update: Callable[[], T]) -> T:
        """Run an update after those under way. Not to be called where ``is_taken_here``.

        Raises:
            ClientStateError: in the main thread: the one under way did not come to its end.
        """
        own = threading.get_ident()
        is_main = threading.current_thread() is threading.main_thread()
        try:
            self._threads.add(own)
            if not self._lock.acquire(timeout=MAX_WAIT_S if is_main else -1):
                raise ClientStateError(f"the update of another thread has not come to its end within {MAX_WAIT_S:g} s")
            return update()
        finally:
            # Asked, because a handler that raises may have come in the moment in which the lock was acquired.
            if is_held_here(self._lock):
                self._lock.release()
            self._threads.discard(own)


class AsyncUpdateTurn:
    """Has the tasks of one loop update one after the other."""

    def __init__(self) -> None:
        self._lock = asyncio.Lock()
        # Those that update, or wait for their turn.
        self._tasks: set[asyncio.Task[Any] | None] = set()

    def is_taken_in(self, task: "asyncio.Task[Any]") -> bool:
        """Return whether a task updates, or waits for its turn."""
        return task in self._tasks

    @asynccontextmanager
    async def taken(self) -> AsyncIterator[None]:
        """Wait for the updates under way, and keep others waiting."""
        task = asyncio.current_task()
        try:
            self._tasks.add(task)
            async with self._lock:
                yield
        finally:
            self._tasks.discard(task)
