"""How many requests may write at once: fewer than there are threads, so that reads find one while all writes wait.

Writes take turns anyway, so more threads would only wait; a lock that somebody holds in the database makes each of them
wait for seconds.
"""

import asyncio
from collections.abc import Callable
from typing import Final, TypeVar

from starlette.concurrency import run_in_threadpool

from heksher.server.storage.storage_errors import StorageUnavailableError

T = TypeVar("T")

# Half of the threads that the framework has for all routes.
MAX_WRITERS: Final = 20
# How long a write waits for a thread before it is refused.
QUEUE_TIMEOUT_S: Final = 20.0


class WriteTurns:
    """Runs writes in threads, a few at once and the others in the order of their coming. Belongs to one event loop."""

    def __init__(self) -> None:
        self._free = asyncio.Semaphore(MAX_WRITERS)

    async def run(self, write: Callable[[], T]) -> T:
        """Run a write in a thread, and return its result.

        Raises:
            StorageUnavailableError: too many others were before it for too long; it was not run.
        """
        try:
            async with asyncio.timeout(QUEUE_TIMEOUT_S):
                await self._free.acquire()
        except TimeoutError:
            raise StorageUnavailableError(
                f"a write was not begun: others before it took {QUEUE_TIMEOUT_S:g} seconds", "busy"
            ) from None
        try:
            return await run_in_threadpool(write)
        finally:
            self._free.release()
