"""Whether the database can be reached, as far as this process knows."""

import logging
import time

from heksher.server.storage.storage_errors import StorageUnavailableError

logger: logging.Logger = logging.getLogger(__name__)


class Availability:
    """What was found out last. Told by one thread, and asked by any.

    Attributes:
        problem: why the database cannot be reached; ``None`` while it can.
        since_s: since when that is so, by ``time.monotonic()``.
    """

    def __init__(self) -> None:
        self.problem: str | None = None
        self.since_s: float = time.monotonic()

    def require(self) -> None:
        """Do nothing while the database can be reached.

        Raises:
            StorageUnavailableError: it cannot.
        """
        if self.problem is not None:
            raise StorageUnavailableError(self.problem)

    def note(self, problem: str | None) -> None:
        """Note what was found out: a problem, or ``None``."""
        was_down, self.problem = self.problem is not None, problem
        if was_down == (problem is not None):
            return
        duration_s = time.monotonic() - self.since_s
        self.since_s = time.monotonic()
        if problem is None:
            logger.info("the database can be reached again, after %.1f seconds", duration_s)
        else:
            logger.error("the database cannot be reached: reads go on from memory, writes are refused: %s", problem)
