"""Whether writes can succeed, as far as this process knows.

A database that can be read may refuse every write: its disk is full, its role may only read, its file was replaced. Two
things tell: a check at intervals, which writes nothing, and the writes themselves, which meet what no check foresees (a
quota, a trigger, the disk of a database server).
"""

import logging
import threading
import time
from copy import copy
from typing import Final

from heksher.server.storage.storage_errors import Reason, StorageError, StorageUnavailableError

logger: logging.Logger = logging.getLogger(__name__)

# A refused write counts until a later one succeeds, or for so long: without writes, nothing else would say that all is
# well again.
REFUSAL_LASTS_S: Final = 60.0
# For errors that have no reason.
_UNKNOWN: Final[Reason] = "database failed"


class Writability:
    """The latest findings. Thread-safe.

    Attributes:
        problem: why no write can succeed; ``None`` while writes can. What concerns reads too is not in here: see
            ``Availability``.
    """

    def __init__(self) -> None:
        self.problem: Reason | None = None
        # Guards what follows, and the changes of ``problem``.
        self._lock = threading.Lock()
        # What the latest check found; None if it found nothing wrong. Copies, because tracebacks keep what calls had.
        self._found: StorageError | None = None
        # The latest write that was refused, and until when it counts, by ``time.monotonic()``; None if it does not.
        self._refused: tuple[StorageError, float] | None = None

    def note_check(self, error: StorageError | None) -> None:
        """Record what a check found; ``None`` if a write seems possible."""
        with self._lock:
            self._found = copy(error)
            self._conclude()

    def note_refusal(self, error: StorageError) -> None:
        """Record that a write was refused."""
        # Writes that wait for each other are no sickness, and an outage is somebody else's to tell of.
        if find_reason(error) in {"busy", "database down"}:
            return
        with self._lock:
            self._refused = copy(error), time.monotonic() + REFUSAL_LASTS_S
            self._conclude()

    def note_success(self) -> None:
        """Record that a write was stored."""
        # Without the lock: this runs for each write, and there is nearly always nothing to change.
        if self._refused is not None:
            with self._lock:
                self._refused = None
                self._conclude()

    def _conclude(self) -> None:
        if self._refused is not None and self._refused[1] < time.monotonic():
            self._refused = None
        error = self._found or (self._refused and self._refused[0])
        former, self.problem = self.problem, find_reason(error) if error else None
        if self.problem == former:
            return
        if error is None:
            logger.info("writes are possible again")
        else:
            logger.warning("no write is possible (%s), reads go on: %s", self.problem, error)


def find_reason(error: StorageError) -> Reason:
    """Return the reason of an error in a few words."""
    return error.reason if isinstance(error, StorageUnavailableError) else _UNKNOWN
