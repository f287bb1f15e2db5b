"""The thread that applies proposals when their time has come.

Each process has one, and looks each second, so that nothing waits for longer while any process lives. Of several that
look at once, one applies a proposal, in a transaction, and the others find that it is not open any more: no process
has to be told whose turn it is. What a request has approved, or proposed for no time at all, is applied by the request.
"""

import logging
import random
from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Final, NamedTuple, Protocol, TypeVar

from heksher.server.operations.applying import APPLIED, Applier
from heksher.server.recurring_work import RecurringWork
from heksher.server.storage.base import Reader
from heksher.server.storage.proposal_records import ProposalRecord
from heksher.server.storage.storage_errors import StorageUnavailableError

logger: logging.Logger = logging.getLogger(__name__)

T = TypeVar("T")

_TICK_S: Final = 1.0
# How many a look takes at most. The fewer, the less often another process has applied one meanwhile.
_MAX_DUE: Final = 10


class ProposalMetrics(Protocol):
    """Who is told of proposals: see ``Metrics``."""

    def set_proposals(self, open_: int, overdue_s: float) -> None:
        """Record how many proposals are open, and for how long the first one that is due has been that."""

    def count_ended_proposal(self, state: str) -> None:
        """Count a proposal that this process has applied, or has found to be stale."""


class _Look(NamedTuple):
    """What a look at the proposals finds.

    Attributes:
        due: those that are to be applied.
        overdue_s: for how long the first one of them has been due; 0 if there is none.
        next_at: when the next one becomes due; ``None`` if none does.
        open_: how many are open.
    """

    due: list[ProposalRecord]
    overdue_s: float
    next_at: datetime | None
    open_: int


class ProposalClock(RecurringWork):
    """Applies proposals when their time has come, as long as the service runs.

    Args:
        applier: applies them.
        metrics: is told of them.
        wait: waits for so many seconds, and returns whether it is to end; ``None`` to wait until ``close``.
    """

    def __init__(self, applier: Applier, metrics: ProposalMetrics, wait: Callable[[float], bool] | None = None) -> None:
        super().__init__("heksher-proposals", 0.0, wait)
        self._applier = applier
        self._metrics = metrics
        # The last faults that were logged, as long as they persist, by the proposal's id; None for the look itself.
        self._faults: dict[int | None, str] = {}

    def _work(self) -> float:
        """Apply what is due; return in how many seconds to look again."""
        found = self._guard(None, lambda: self._applier.storage.read(self._read))
        if found is None:
            return _TICK_S
        self._metrics.set_proposals(found.open_, found.overdue_s)
        ended = 0
        # Processes that look at once begin with different ones, rather than wait for each other.
        for due in random.sample(found.due, len(found.due)):
            if self._closed.is_set():
                break
            for record in self._guard(due.proposal_id, partial(self._applier.apply_known, due)) or ():
                self._tell(record)
                ended += 1
        if ended and len(found.due) >= _MAX_DUE:
            return 0.0
        if found.next_at is None:
            return _TICK_S
        return min(max((found.next_at - self._applier.find_now()).total_seconds(), 0.0), _TICK_S)

    def _read(self, reader: Reader) -> _Look:
        now = self._applier.find_now()
        # Those that fail again and again keep no others from their turn.
        found = map(reader.find_proposal, reader.due_proposals(now, _MAX_DUE + len(self._faults)))
        due = [record for record in found if record is not None]
        overdue_s = (now - (due[0].at or due[0].created_at)).total_seconds() if due else 0.0
        return _Look(due, overdue_s, reader.next_proposal_time(now), reader.count_open_proposals())

    def _guard(self, source: int | None, work: Callable[[], T]) -> T | None:
        """Return what some work returns; ``None`` if it fails, whatever it raises: it is tried again."""
        try:
            result = work()
        except StorageUnavailableError as error:
            # Whoever follows the database tells of it.
            logger.debug("proposals are not applied for the moment: %s", error)
            return None
        # Any error at all: if the thread ended, nothing would be applied any more.
        except Exception as error:
            # Repeating the same error would bury everything else in the log.
            if repr(error) != self._faults.get(source):
                logger.exception("applying %s failed; it is tried again", _name(source))
            self._faults[source] = repr(error)
            return None
        self._faults.pop(source, None)
        return result

    def _tell(self, record: ProposalRecord) -> None:
        self._metrics.count_ended_proposal(record.state)
        ending = record.end
        if ending is None:
            return
        author = repr(record.author) if record.author else "nobody known"
        if record.state == APPLIED:
            logger.info("applied proposal %d of %s as revision %s", record.proposal_id, author, ending.revision)
        else:
            logger.warning("proposal %d of %s is stale: %s", record.proposal_id, author, ending.reason)


def _name(source: int | None) -> str:
    return "proposals" if source is None else f"proposal {source}"
