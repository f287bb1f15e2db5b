"""Whether the database can be reached, as far as this process knows."""

import logging
import time
from copy import copy

from heksher.server.storage.storage_errors import StorageError

logger: logging.Logger = logging.getLogger(__name__)


class Availability:
    """The latest finding. One thread writes it, any thread may read it.

    Attributes:
        problem: why the database cannot be read; ``None`` while it can.
        since_s: since when that has been the case, by ``time.monotonic()``.
    """

    def __init__(self) -> None:
        self.problem: StorageError | None = None
        self.since_s: float = time.monotonic()

    def require(self) -> None:
        """Raise an error while the database cannot be read.

        Raises:
            StorageError: the database cannot be read.
        """
        if (problem := self.problem) is not None:
            # A copy, because an error that is raised again and again would keep all its tracebacks.
            raise copy(problem)

    def note(self, problem: StorageError | None) -> None:
        """Record a problem, or ``None`` if the database can be read."""
        # A copy, because the traceback would keep what the failed call had, such as a connection.
        was_down, self.problem = self.problem is not None, copy(problem)
        if was_down == (problem is not None):
            return
        duration_s = time.monotonic() - self.since_s
        self.since_s = time.monotonic()
        if problem is None:
            logger.info("the database can be reached again, after %.1f seconds", duration_s)
        else:
            logger.error("the database cannot be reached: reads go on from memory, writes are refused: %s", problem)
