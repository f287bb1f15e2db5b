"""The thread in which a thread client updates. It holds the client weakly, so it ends with the client."""

import logging
import queue
import threading
import weakref
from typing import Literal, Protocol, TypeAlias

from heksher.clients.base_client import CLOSE_TIMEOUT_S, RESUME_S
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


class UpdateThread:
    """The thread of one client in one process, if there is one at present, and how others reach it.

    Attributes:
        native: the thread; ``None`` before the start, and once it is to end.
        wake: wakes the thread that is to update. One that finds another one's here is to end: it may be that of a start
            that failed, or of a client that is closed.
        started: where the call that starts the client waits for its first update.
    """

    def __init__(self) -> None:
        self.native: threading.Thread | None = None
        self.wake: Wake = Wake()
        self.started: FirstOutcome = queue.SimpleQueue()

    def start(self, client: Updating, *, is_first: bool) -> FirstOutcome:
        """Start a thread.

        Args:
            client: is updated.
            is_first: whether somebody waits for the first update.

        Returns:
            What is given, if so, that declarations were answered, and the outcome of the first update.

        Raises:
            ClientStateError: the process can have no more threads.
        """
        started: FirstOutcome = queue.SimpleQueue()
        self.started = started
        self.wake = Wake()
        arguments = (weakref.ref(client), self.wake, started if is_first else None)
        thread = threading.Thread(target=_update_periodically, args=arguments, name="heksher", daemon=True)
        try:
            thread.start()
        except RuntimeError as error:
            raise ClientStateError(f"there can be no thread that updates the settings: {error}") from error
        self.native = thread
        return started

    def dismiss(self) -> threading.Thread | None:
        """Have the thread end, without waiting, and return it; ``None`` if there is none."""
        thread, self.native = self.native, None
        wake, self.wake = self.wake, Wake()
        wake.set()
        return thread


def await_end(thread: threading.Thread | None) -> None:
    """Wait until a thread has ended, or for as long as closing a client may take."""
    # A callback may close the client in the very thread that updates; and a thread may have failed to start.
    if thread is not None and thread is not threading.current_thread() and thread.is_alive():
        thread.join(CLOSE_TIMEOUT_S)


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
