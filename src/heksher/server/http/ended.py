"""What is said of connections that the service has ended: a metric for each, and one line in the log each minute.

An answer with which a request is refused here, without the application, is recorded as those of the application are.
"""

import logging
from collections import Counter
from contextvars import Context
from typing import Final, Literal, Protocol

logger: logging.Logger = logging.getLogger(__name__)

_LOG_INTERVAL_S: Final = 60.0

Reason = Literal["slow_head", "slow_body", "unread", "large_head", "malformed", "memory", "room", "full"]

_WORDING: Final[dict[Reason, str]] = {
    "slow_head": "sent no complete head in time",
    "slow_body": "sent their bodies too slowly",
    "unread": "did not read their answers",
    "large_head": "sent a head that is too large",
    "malformed": "sent what is no HTTP/1.1",
    "memory": "sent large requests while too many were waiting",
    "room": "made room for others",
    "full": "were refused, as all others were busy",
}


class ConnectionMetrics(Protocol):
    """Is told of connections."""

    def set_connections(self, count: int, limit: int, held_bytes: int) -> None:
        """Record how many are open, how many may be, and what they hold of requests that are not answered."""

    def count_ended_connection(self, reason: str) -> None:
        """Count one that the service has ended."""


class RefusalRecorder(Protocol):
    """Records requests that were refused before an application had them."""

    def record_refusal(self, client: tuple[str, int] | None, status: int, seconds: float, size_bytes: int) -> None:
        """Record a request of which neither method nor path are known."""


class Ended:
    """Counts connections that were ended.

    Args:
        metrics: counts them too; ``None`` for nobody.
        recorder: records the requests that were refused; ``None`` for nobody.
    """

    def __init__(self, metrics: ConnectionMetrics | None, recorder: RefusalRecorder | None = None) -> None:
        self._metrics = metrics
        self._recorder = recorder
        self._counts: Counter[Reason] = Counter()
        # When the last line was logged, by the loop's clock; None before the first.
        self._logged_at_s: float | None = None

    def note(self, reason: Reason) -> None:
        """Count a connection."""
        self._counts[reason] += 1
        if self._metrics is not None:
            self._metrics.count_ended_connection(reason)

    def record_refusal(self, client: tuple[str, int] | None, status: int, seconds: float, size_bytes: int) -> None:
        """Record an answer that no application has given.

        Args:
            client: where the connection came from; ``None`` if unknown.
            status: the status of the answer.
            seconds: how long the request was waited for.
            size_bytes: the size of the answer's body.
        """
        if self._recorder is not None:
            # Not as a part of the request that is answered meanwhile: its line would have that one's id.
            Context().run(self._recorder.record_refusal, client, status, seconds, size_bytes)

    def report(self, now_s: float, count: int, limit: int, held_bytes: int) -> None:
        """Report the connections that are open, and log those that were ended if it is time for that."""
        if self._metrics is not None:
            self._metrics.set_connections(count, limit, held_bytes)
        if not self._counts or (self._logged_at_s is not None and now_s - self._logged_at_s < _LOG_INTERVAL_S):
            return
        self._logged_at_s = now_s
        ended = ", ".join(f"{number} {_WORDING[reason]}" for reason, number in sorted(self._counts.items()))
        self._counts.clear()
        logger.warning("ended connections: %s; %d are open, at most %d can be", ended, count, limit)
