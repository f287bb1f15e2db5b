"""Whether writes can succeed, as far as this process knows.

A database that can be read may refuse every write: its disk is full, its role may only read, its file was replaced. Two
things tell: a check at intervals, which writes nothing, and the writes themselves, which meet what no check foresees (a
quota, a trigger, the disk of a database server).
"""

import logging
import math
import threading
import time
from copy import copy
from typing import Final

from heksher.server.storage.storage_errors import Reason, StorageError, StorageUnavailableError

logger: logging.Logger = logging.getLogger(__name__)

# A refused write counts until a later one succeeds, or for so long: without writes, nothing else would say that all is
# well again.
REFUSAL_LASTS_S: Final = 60.0
# What the check finds by itself, so that it can tell of the end, too.
_FORESEEN: Final = frozenset[Reason]({"file gone", "file replaced", "read-only", "schema missing"})
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
        # The latest write that was refused, and when, by ``time.monotonic()``; None if it does not count any more.
        self._refused: tuple[StorageError, float] | None = None
        # The reason of the latest refusal that a check has ended, and when; None after a write that was stored.
        self._ended: tuple[Reason, float] | None = None

    def note_check(self, error: StorageError | None, began_s: float = math.inf) -> None:
        """Record what a check found.

        Args:
            error: what is wrong; ``None`` if a write seems possible.
            began_s: when the check began, by ``time.monotonic()``; by default after all that was recorded before.
        """
        with self._lock:
            self._found = copy(error)
            self._end_refusal(began_s)
            self._conclude()

    def note_refusal(self, error: StorageError) -> None:
        """Record that a write was refused."""
        # Writes that wait for each other are no sickness, and an outage is somebody else's to tell of.
        if find_reason(error) in {"busy", "database down"}:
            return
        with self._lock:
            self._refused = copy(error), time.monotonic()
            self._conclude()

    def note_success(self) -> None:
        """Record that a write was stored."""
        # Without the lock: this runs for each write, and there is nearly always nothing to change.
        if self._refused is not None or self._ended is not None:
            with self._lock:
                self._refused = self._ended = None
                self._conclude()

    def _end_refusal(self, began_s: float) -> None:
        """End a refusal by what a check that began then has found: the same, so that it tells of it, or its end."""
        if self._refused is None or began_s < self._refused[1]:
            return
        reason = find_reason(self._refused[0])
        if self._found is not None:
            if find_reason(self._found) == reason and reason in _FORESEEN:
                self._refused = None
        # What comes again at once is none that the check finds: a right that is lacking in one table only.
        elif reason in _FORESEEN and not (self._ended and self._ended[0] == reason and _is_recent(self._ended[1])):
            self._refused, self._ended = None, (reason, time.monotonic())

    def _conclude(self) -> None:
        if self._refused is not None and not _is_recent(self._refused[1]):
            self._refused = None
        error = self._found or (self._refused and self._refused[0])
        former, self.problem = self.problem, find_reason(error) if error else None
        if self.problem == former:
            return
        if error is None:
            logger.info("writes are possible again")
        else:
            logger.warning("no write is possible (%s), reads go on: %s", self.problem, error)


def _is_recent(time_s: float) -> bool:
    return time.monotonic() <= time_s + REFUSAL_LASTS_S


def find_reason(error: StorageError) -> Reason:
    """Return the reason of an error in a few words."""
    return error.reason if isinstance(error, StorageUnavailableError) else _UNKNOWN
