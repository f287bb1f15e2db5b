"""What a server tells of its connections."""

from collections import Counter


class ConnectionMetrics:
    """Notes what it is told.

    Attributes:
        connections: how many are open, as was told last; likewise the others.
        ended: how many were ended, by the reason.
    """

    def __init__(self) -> None:
        self.connections = self.limit = self.held_bytes = 0
        self.ended: Counter[str] = Counter()

    def set_connections(self, count: int, limit: int, held_bytes: int) -> None:
        self.connections, self.limit, self.held_bytes = count, limit, held_bytes

    def count_ended_connection(self, reason: str) -> None:
        self.ended[reason] += 1
