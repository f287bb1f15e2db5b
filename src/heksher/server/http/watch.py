"""Looks at connections each second: ends those that take too long, gives memory back, and reports."""

import asyncio
from email.utils import formatdate
from typing import Final

from heksher.server.http.connection import Connection
from heksher.server.http.places import Phase, Places
from heksher.server.http.spare_memory import give_back

_INTERVAL_S: Final = 1.0
# When requests have taken so much, and take little of it now, it is given back.
_MUCH_BYTES: Final = 8 * 1024 * 1024
_LITTLE_SHARE: Final = 0.25


class Watch:
    """Watches the time that connections take.

    Args:
        places: the connections.
        loop: the event loop.
    """

    def __init__(self, places: Places[Connection], loop: asyncio.AbstractEventLoop) -> None:
        self._places = places
        self._loop = loop
        # The next look; None before the first.
        self._timer: asyncio.TimerHandle | None = None

    def look(self) -> None:
        """Look now, and each second from now on."""
        self._timer = self._loop.call_later(_INTERVAL_S, self.look)
        places, now_s = self._places, self._loop.time()
        places.date_line = f"date: {formatdate(usegmt=True)}\r\n".encode("ascii")
        for connection in places.list_in(Phase.HEAD):
            connection.check_time(now_s)
        for connection in places.list_in(Phase.IDLE):
            if now_s - connection.since_s < places.limits.keep_alive_s:
                break
            connection.close()
        for connection in list(places.unread):
            connection.check_unread(now_s)
        if places.peak_bytes > _MUCH_BYTES and places.held_bytes < places.peak_bytes * _LITTLE_SHARE:
            places.peak_bytes = places.held_bytes
            give_back()
        places.ended.report(now_s, len(places), places.limits.max_connections, places.held_bytes)

    def end(self) -> None:
        """Look no more."""
        if self._timer is not None:
            self._timer.cancel()
