"""The thread in which a thread client updates. It holds the client weakly, so it ends with the client."""

import logging
import queue
import threading
import weakref
from typing import Any, Literal, Protocol, TypeAlias

from heksher.clients.base_client import RESUME_S
from heksher.clients.wake import Wake
from heksher.exceptions import ClientStateError

logger: logging.Logger = logging.getLogger(__name__)

# Passes to the call that starts a client that declarations were answered, and in the end the outcome of the first
# update, or that the client was closed meanwhile.
FirstOutcome: TypeAlias = queue.SimpleQueue[Exception | Literal["progress"] | None]


class Updating(Protocol):
    """What a client does in the thread."""

    def _tend(self, wake: Wake, started: FirstOutcome | None) -> float | None:
        """Update if that is due; return the seconds until it is again, or ``None`` when there is nothing more to do."""


def start_thread(client: Updating, wake: Wake, started: FirstOutcome | None) -> threading.Thread:
    """Start the thread.

    Args:
        client: is updated.
        wake: has the thread look again whether that is due.
        started: is given that declarations were answered, and the outcome of the first update; ``None`` if nobody
            waits for it.

    Raises:
        ClientStateError: the process can have no more threads.
    """
    reference: weakref.ref[Any] = weakref.ref(client)
    thread = threading.Thread(target=_update_periodically, args=(reference, wake, started), name="heksher", daemon=True)
    try:
        thread.start()
    except RuntimeError as error:
        raise ClientStateError(f"there can be no thread that updates the settings: {error}") from error
    return thread


def _update_periodically(reference: "weakref.ref[Updating]", wake: Wake, started: FirstOutcome | None) -> None:
    """Update until the client is closed, or gone: between updates the thread does not hold it."""
    while (client := reference()) is not None:
        # Cleared before looking at the schedule, so that no call for an update falls in between.
        wake.clear()
        try:
            delay_s = client._tend(wake, started)
        # Not even a callback that raises SystemExit is to end the updates.
        except BaseException:
            logger.exception("the background updates were interrupted; they go on")
            delay_s = RESUME_S
        started = None
        del client
        if delay_s is None:
            return
        wake.wait(delay_s)
