"""Whether a body comes quickly enough."""

from heksher.server.http.http_limits import HttpLimits


class BodyPace:
    """Compares what has arrived of a body with what must have, once in each span of time."""

    __slots__ = ("_bytes", "_since_s")

    def __init__(self) -> None:
        # When the present span began, and what had arrived by then.
        self._since_s = 0.0
        self._bytes = 0

    def mark(self, now_s: float, size: int) -> None:
        """Begin a span; ``size`` is what has arrived so far."""
        self._since_s = now_s
        self._bytes = size

    def is_kept(self, now_s: float, size: int, limits: HttpLimits) -> bool:
        """Return whether enough has arrived in the span; begin the next one if it is over."""
        if now_s - self._since_s < limits.rate_s:
            return True
        is_enough = size - self._bytes >= limits.least_body_bytes
        self.mark(now_s, size)
        return is_enough
