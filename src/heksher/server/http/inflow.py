"""What has arrived on a connection and waits to be used, and whether more is read meanwhile."""

import asyncio
from typing import Final

from heksher.server.http.body_pace import BodyPace
from heksher.server.http.http_limits import HttpLimits

# So much waits before reading stops: of a body for the application, or of what follows a request for its answer.
_MAX_WAITING_BYTES: Final = 64 * 1024


class Inflow:
    """What waits on one connection.

    Attributes:
        rest: what has arrived and is not parsed, because a request is being answered, or because that takes long.
        rest_start: where in it parsing goes on.
        waiting_bytes: what waits of a body until the application takes it.
        is_reading: whether more is read.
        is_deferred: whether the rest is parsed in one of the next turns of the loop, for it takes long.
    """

    __slots__ = ("_pace", "is_deferred", "is_reading", "rest", "rest_start", "waiting_bytes")

    def __init__(self) -> None:
        self.rest: bytes = b""
        self.rest_start: int = 0
        self.waiting_bytes: int = 0
        self.is_reading: bool = True
        self.is_deferred: bool = False
        self._pace = BodyPace()

    def keep(self, data: bytes, start: int) -> None:
        """Keep what has arrived from a place on."""
        self.rest, self.rest_start = data, start

    def take(self) -> tuple[bytes, int]:
        """Return what was kept, and where in it parsing goes on."""
        data, self.rest = self.rest, b""
        return data, self.rest_start

    def defer(self) -> bool:
        """Note that the rest is parsed later; return whether that was not noted before."""
        was_deferred, self.is_deferred = self.is_deferred, True
        return not was_deferred

    def mark(self, now_s: float, body_bytes: int) -> None:
        """Measure anew from now on how quickly a body comes, of which so much has come."""
        self._pace.mark(now_s, body_bytes)

    def is_steady(self, now_s: float, body_bytes: int, limits: HttpLimits) -> bool:
        """Return whether a body comes quickly enough, of which so much has come; one that is not read does."""
        return not self.is_reading or self._pace.is_kept(now_s, body_bytes, limits)

    def adjust(self, transport: asyncio.Transport, now_s: float, body_bytes: int) -> None:
        """Stop reading, or go on with it, as much or little waits.

        Args:
            transport: of the connection.
            now_s: the loop's time.
            body_bytes: what has come of a body.
        """
        is_reading = max(len(self.rest) - self.rest_start, self.waiting_bytes) <= _MAX_WAITING_BYTES
        if is_reading is self.is_reading:
            return
        self.is_reading = is_reading
        if is_reading:
            # Only the time counts in which the client could send.
            self.mark(now_s, body_bytes)
            transport.resume_reading()
        else:
            transport.pause_reading()
