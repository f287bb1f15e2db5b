"""The task in which an asynchronous client updates. It holds the client weakly, so it ends with the client."""

import asyncio
import contextlib
import logging
import weakref
from typing import Any, Protocol

from heksher.clients.base_client import RESUME_S

logger: logging.Logger = logging.getLogger(__name__)


class UpdatingAsync(Protocol):
    """What a client does in the task."""

    async def _tend(self, wake: asyncio.Event) -> float | None:
        """Update if that is due; return the seconds until it is again, or ``None`` when there is nothing more to do."""

    def _notice_end(self) -> None:
        """Say so if nothing updates the settings any more."""


def start_task(client: UpdatingAsync, wake: asyncio.Event) -> asyncio.Task[None]:
    """Start the task on the running loop.

    Args:
        client: is updated, and told of the end of the task.
        wake: has the task look again whether an update is due.
    """
    reference: weakref.ref[Any] = weakref.ref(client)

    def tell_of_the_end(_: object) -> None:
        client = reference()
        if client is not None:
            client._notice_end()

    task = asyncio.create_task(_update_periodically(reference, wake), name="heksher updates")
    task.add_done_callback(tell_of_the_end)
    return task


async def _update_periodically(reference: "weakref.ref[UpdatingAsync]", wake: asyncio.Event) -> None:
    """Update until cancelled, or until the client is gone: between updates the task does not hold it."""
    while (client := reference()) is not None:
        # Cleared before looking at the schedule, so that no call for an update falls in between.
        wake.clear()
        try:
            delay_s: float | None = await client._tend(wake)
        except Exception:
            logger.exception("the background updates were interrupted; they go on")
            delay_s = RESUME_S
        del client
        if delay_s is None:
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(delay_s):
                await wake.wait()
