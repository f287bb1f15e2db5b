"""Calls what blocks, on threads that no process waits for when it ends, unlike those of an event loop's executor."""

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

T = TypeVar("T")


async def call_in_daemon(work: Callable[[], T]) -> T:
    """Call a function on a thread of its own, and return or raise what it does; it goes on if this is cancelled."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[T] = loop.create_future()

    def finish(result: T | None, error: BaseException | None) -> None:
        if done.cancelled():
            return
        if error is not None:
            done.set_exception(error)
        else:
            done.set_result(result)  # type: ignore[arg-type]  # the result is there if there is no error

    def run() -> None:
        result, problem = None, None
        try:
            result = work()
        # Whatever it is: whoever waits for it raises it.
        except BaseException as error:  # noqa: BLE001 - see above
            problem = error
        # The loop may have ended.
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(finish, result, problem)

    threading.Thread(target=run, name="heksher-webhook-call", daemon=True).start()
    return await done
