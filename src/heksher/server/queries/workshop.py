"""Where what takes long is done, so that the event loop goes on with all other requests meanwhile."""

import asyncio
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Final, TypeVar

T = TypeVar("T")

# The number of threads. The work needs the processor, so more would only take turns. They are not the threads in which
# writes and other routes wait for the database, because all of those may be busy when it does not answer.
_MAX_THREADS: Final = 2
# Parsing this many bytes, or compressing them, takes about a millisecond; more would block the event loop for everyone.
MAX_BYTES_ON_EVENT_LOOP: Final = 32 * 1024
# How many large bodies are being answered at once: parsed, each can take twenty times its size.
_MAX_LARGE_READS: Final = 1
_MAX_LARGE_WRITES: Final = 2
# How many answers with all settings are made at once: each takes many times as much memory as it has bytes.
_MAX_LISTS: Final = 4
# How many writes are tried at once: what a thousand rules come to takes a second or two of a processor.
_MAX_TRIALS: Final = 2
# How many requests have rules examined at once: fewer than there are threads, so that others go on.
_MAX_LINTS: Final = 1


class Workshop:
    """Threads for work that would block the event loop. Belongs to one event loop.

    Attributes:
        listing: to be held while an answer with all settings is made.
        trying: to be held while a write is tried.
        linting: to be held while rules are examined, which takes seconds if there are many.
    """

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(_MAX_THREADS, "heksher-work")
        # Apart from each other, because writes may wait for the database.
        self._reads = asyncio.Semaphore(_MAX_LARGE_READS)
        self.listing: asyncio.Semaphore = asyncio.Semaphore(_MAX_LISTS)
        self.linting: asyncio.Semaphore = asyncio.Semaphore(_MAX_LINTS)
        self.trying: asyncio.Semaphore = asyncio.Semaphore(_MAX_TRIALS)
        self._writes = asyncio.Semaphore(_MAX_LARGE_WRITES)

    def close(self) -> None:
        """Shut the threads down without waiting for them. Afterwards nothing more can be done here."""
        self._threads.shutdown(wait=False)

    async def run(self, work: Callable[[], T]) -> T:
        """Do some work in a thread."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)

    @asynccontextmanager
    async def taking_turns(self, size_bytes: int, *, is_read: bool) -> AsyncIterator[None]:
        """Answer a request inside this context; one with a large body waits until few others are being answered.

        Args:
            size_bytes: the size of the request's body.
            is_read: whether the request is answered without the database.
        """
        if size_bytes <= MAX_BYTES_ON_EVENT_LOOP:
            yield
            return
        async with self._reads if is_read else self._writes:
            yield
