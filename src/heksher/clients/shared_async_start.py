"""As ``shared_start``, for the asynchronous client: one start at a time, whichever tasks and loops ask for one."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final

from heksher.clients.home_loop import do_in
from heksher.exceptions import ClientStateError

# There is one attempt at a time, so one key.
_PRESENT: Final = "present"


class _AsyncAttempt:
    """One start.

    Attributes:
        loop: where it is made.
        task: what makes it.
        ended: its outcome; cancelled if it was interrupted, and has none.
    """

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.task = asyncio.current_task()
        self.ended: asyncio.Future[None] = self.loop.create_future()

    async def wait(self) -> None:
        """Wait for the end. To be called in the start's loop."""
        await asyncio.wait([self.ended])

    def has_outcome(self) -> bool:
        """Return whether there is an outcome, once the start has ended. Raises the start's error."""
        if self.ended.cancelled():
            return False
        self.ended.result()
        return True

    def fail(self, error: Exception) -> None:
        """Note why the start failed."""
        self.ended.set_exception(error)
        # Nobody has to wait for it.
        self.ended.exception()


class SharedAsyncStart:
    """Makes the starts of a client. Calls may come from any loop of any thread."""

    def __init__(self) -> None:
        self._attempts: dict[str, _AsyncAttempt] = {}

    @property
    def is_under_way(self) -> bool:
        """Whether there is a start at the moment."""
        return bool(self._attempts)

    async def run(self, start: Callable[[], Awaitable[None]]) -> None:
        """Run a start, or wait for the one that is under way.

        Raises:
            ClientStateError: this task is in the midst of a start, so it would wait for itself.
            Exception: what the start raised, whichever call made it.
        """
        own = _AsyncAttempt()
        try:
            # Of several threads that set a default at once, one finds its own.
            while (attempt := self._attempts.setdefault(_PRESENT, own)) is not own:
                if attempt.task is own.task:
                    raise ClientStateError("set_as_main() was called within a start of the same client")
                if await _is_shared(attempt):
                    return
            await start()
            own.ended.set_result(None)
        except Exception as error:
            own.fail(error)
            raise
        finally:
            if self._attempts.get(_PRESENT) is own:
                self._attempts.pop(_PRESENT)
            # A loop that is closed has nobody who waits.
            with suppress(RuntimeError):
                own.ended.cancel()


async def _is_shared(attempt: _AsyncAttempt) -> bool:
    """Wait for a start of another call; return whether it had an outcome, which an interrupted one has not."""
    try:
        await do_in(attempt.loop, attempt.wait())
    except ClientStateError:
        # Its loop has ended. It may have ended together with the start.
        if not attempt.ended.done():
            raise
    return attempt.has_outcome()
