"""The event loop that an asynchronous client lives in, as seen from others: its locks and connections belong there."""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from functools import partial
from typing import Any, Final, TypeVar

from heksher.exceptions import ClientStateError

T = TypeVar("T")

STOPPED: Final = (
    "the event loop that this client was started in does not run, though it is not closed; run it, or close it and call"
    " set_as_main() in another one"
)

# How often a call from another loop looks whether the client's still runs. Nothing tells of its end.
_LOOK_S: Final = 0.2


class Callbacks:
    """Runs the program's functions that are coroutines. Does not hold the client, which would hold itself then.

    Attributes:
        loop: where they run; ``None`` before the start.
        tasks: those that run, which the loop holds weakly.
    """

    def __init__(self) -> None:
        self.loop: asyncio.AbstractEventLoop | None = None
        self.tasks: set[asyncio.Task[None]] = set()

    def spawn(self, callback: Coroutine[Any, Any, None]) -> None:
        """Run one; raise a ``RuntimeError`` where there is no loop to do it in."""
        if self.loop is None:
            raise RuntimeError("the client is not started")
        task = self.loop.create_task(callback, name="heksher callback")
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)


async def do_in(loop: asyncio.AbstractEventLoop, action: Coroutine[Any, Any, T]) -> T:
    """Do something in a loop, which may be another thread's.

    Raises:
        ClientStateError: that loop does not run, or has stopped meanwhile.
    """
    if loop is asyncio.get_running_loop():
        return await action
    if not loop.is_running():
        action.close()
        raise ClientStateError(STOPPED)
    future = asyncio.wrap_future(asyncio.run_coroutine_threadsafe(action, loop))
    try:
        while not (await asyncio.wait([future], timeout=_LOOK_S))[0]:
            if not loop.is_running():
                raise ClientStateError(STOPPED)
    finally:
        # Does nothing to one that is done. A loop that is closed can be told nothing.
        if not loop.is_closed():
            future.cancel()
    if future.cancelled():
        # By the end of that loop: to raise this as it is would look like the end of the calling task.
        raise ClientStateError(STOPPED)
    return future.result()


def make_extension(limit: asyncio.Timeout, timeout_s: float | None) -> Callable[[], object]:
    """Make what starts a time limit of the running loop anew; it may be called from any thread.

    Args:
        limit: is to be extended.
        timeout_s: seconds from then on; ``None`` for no limit.
    """
    loop = asyncio.get_running_loop()

    def reschedule() -> None:
        # What was limited may be over by now.
        with suppress(RuntimeError):
            limit.reschedule(None if timeout_s is None else loop.time() + timeout_s)

    return partial(loop.call_soon_threadsafe, reschedule)
