"""The end of a connection whose client may still be sending.

If it was closed at once, what the client sends then would have it reset, and what it has not read of its answer would
be lost: RFC 9112, section 9.6. The same if it was closed when the system has the answer: that can be 256 KiB, which a
slow client reads for a minute.
"""

import asyncio
from collections.abc import Callable
from typing import Final

from heksher.server.http.http_limits import HttpLimits
from heksher.server.http.untaken import count_untaken

# How long a client may go on sending after it has taken its answer. If it sends as quickly as the rest of a body has
# to come, it may for as long again, and so on: many programs read their answer only when they have sent everything.
_LINGER_S: Final = 2.0
# How soon it is looked whether the client has taken its answer; then after twice that, and so on, up to the other.
_FIRST_LOOK_S: Final = 0.02
_MAX_LOOK_S: Final = 1.0


class Linger:
    """Drops what still comes, until the client has closed its side, or for a moment after it has taken its answer.

    Nothing takes longer than the rest of a body may, once the system has all of the answer. Until then, and as long as
    the client takes nothing of it, that is watched by others.

    Args:
        transport: of the connection.
        loop: the event loop.
        limits: how much is dropped before reading stops, and how long and how quickly it may come.
        note_taken: called once the client has taken its answer.
        abort: closes the connection.
    """

    __slots__ = (
        "_abort", "_deadline_s", "_dropped_bytes", "_left_bytes", "_limits", "_loop", "_note_taken", "_timer",
        "_transport",
    )  # fmt: skip

    def __init__(
        self,
        transport: asyncio.Transport,
        loop: asyncio.AbstractEventLoop,
        limits: HttpLimits,
        note_taken: Callable[[], object],
        abort: Callable[[], object],
    ) -> None:
        self._transport = transport
        self._loop = loop
        self._limits = limits
        self._note_taken = note_taken
        self._abort = abort
        self._left_bytes = limits.max_pending_bytes
        # What has come since the client has taken its answer, or since that was looked at.
        self._dropped_bytes = 0
        self._deadline_s = loop.time() + limits.body_s
        if transport.can_write_eof():
            transport.write_eof()
        self._timer = loop.call_later(_FIRST_LOOK_S, self._await_taking, _FIRST_LOOK_S)

    def drop(self, size: int) -> None:
        """Note that so much has come and was dropped."""
        self._dropped_bytes += size
        self._left_bytes -= size
        if self._left_bytes < 0:
            self._transport.pause_reading()

    def cancel(self) -> None:
        """Forget the connection, which is closed."""
        self._timer.cancel()

    def _await_taking(self, pause_s: float) -> None:
        now_s = self._loop.time()
        if self._transport.get_write_buffer_size():
            self._deadline_s = now_s + self._limits.body_s
        elif not count_untaken(self._transport):
            self._note_taken()
            self._await_end()
            return
        elif now_s >= self._deadline_s:
            self._abort()
            return
        pause_s = min(2 * pause_s, _MAX_LOOK_S)
        self._timer = self._loop.call_later(pause_s, self._await_taking, pause_s)

    def _await_end(self) -> None:
        self._dropped_bytes = 0
        self._timer = self._loop.call_later(_LINGER_S, self._end_or_go_on)

    def _end_or_go_on(self) -> None:
        least_bytes = self._limits.least_body_bytes * _LINGER_S / self._limits.rate_s
        if self._dropped_bytes >= least_bytes and self._loop.time() < self._deadline_s:
            self._await_end()
        else:
            self._abort()
