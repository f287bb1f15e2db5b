"""The end of a connection whose client may still be sending.

If it was closed at once, what the client sends then would have it reset, and what it has not read of its answer would
be lost: RFC 9112, section 9.6.
"""

import asyncio
from collections.abc import Callable
from typing import Final

# How long a client may go on sending after its answer was written out.
_LINGER_S: Final = 2.0


class Linger:
    """Drops what still comes, until the client has closed its side, or for a moment after its answer was written out.

    Args:
        transport: of the connection.
        loop: the event loop.
        abort: closes the connection.
        most_bytes: how much is dropped before reading stops.
    """

    __slots__ = ("_abort", "_left_bytes", "_loop", "_timer", "_transport")

    def __init__(
        self,
        transport: asyncio.Transport,
        loop: asyncio.AbstractEventLoop,
        abort: Callable[[], object],
        most_bytes: int,
    ) -> None:
        self._transport = transport
        self._loop = loop
        self._abort = abort
        self._left_bytes = most_bytes
        # None before all was written out.
        self._timer: asyncio.TimerHandle | None = None
        if transport.can_write_eof():
            transport.write_eof()

    def count_down(self) -> bool:
        """Begin the last moment if all was written out; return whether it has begun."""
        if self._timer is None and not self._transport.get_write_buffer_size():
            self._timer = self._loop.call_later(_LINGER_S, self._abort)
        return self._timer is not None

    def drop(self, size: int) -> None:
        """Note that so much has come and was dropped."""
        self._left_bytes -= size
        if self._left_bytes < 0:
            self._transport.pause_reading()

    def cancel(self) -> None:
        """Forget the connection, which is closed."""
        if self._timer is not None:
            self._timer.cancel()
