"""The thread that removes what the change log has had for longer than it is to be kept."""

import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final

from heksher.backoff import draw
from heksher.server.recurring_work import RecurringWork
from heksher.server.storage.base import Storage
from heksher.server.storage.storage_errors import StorageError

logger: logging.Logger = logging.getLogger(__name__)

_INTERVAL_S: Final = 24 * 3600.0
# Random, so that workers and replicas that start together take turns: who is first leaves nothing to the others.
_MAX_FIRST_DELAY_S: Final = 60.0
_RETRY_S: Final = 600.0


def read_deadline(keep_days: int, now: datetime) -> datetime:
    """Return the time before which entries are too old."""
    try:
        return now - timedelta(days=keep_days)
    except OverflowError:
        # Longer ago than there are dates.
        return datetime.min.replace(tzinfo=UTC)


class HistoryPruner(RecurringWork):
    """Prunes the change log of a storage soon after the start, and then daily.

    Args:
        storage: the open storage.
        keep_days: for how many days entries stay.
        wait: waits for so many seconds, and returns whether it is to end; ``None`` to wait until ``close``.
    """

    def __init__(self, storage: Storage, keep_days: int, wait: Callable[[float], bool] | None = None) -> None:
        super().__init__("heksher-pruner", draw(0, _MAX_FIRST_DELAY_S), wait)
        self._storage = storage
        self._keep_days = keep_days

    def _work(self) -> float:
        return _INTERVAL_S if self._prune() else _RETRY_S

    def _prune(self) -> bool:
        """Prune the log; return whether that was done."""
        try:
            removed = self._storage.prune(read_deadline(self._keep_days, datetime.now(UTC)))
        except StorageError as error:
            logger.warning("the change log was not pruned, which is tried again: %s", error)
            return False
        # Any error at all: if the thread ended, the log would grow for ever.
        except Exception:
            logger.exception("pruning the change log failed; it is tried again")
            return False
        if removed:
            logger.info("pruned the change log: removed %d entries older than %d days", removed, self._keep_days)
        return True
