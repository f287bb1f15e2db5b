"""How much of what was sent a client has not taken yet."""

import asyncio
import sys
from contextlib import suppress
from typing import Final

if sys.platform == "linux":
    import fcntl
    import termios

_INT_BYTES: Final = 4


def count_untaken(transport: asyncio.Transport) -> int:
    """Return how many bytes of what was sent have not reached the client's system, as far as this system tells.

    The end of what is sent counts as a byte.
    """
    waiting_bytes = transport.get_write_buffer_size()
    if sys.platform == "linux":
        # A connection that is closed has no descriptor.
        with suppress(OSError, ValueError):
            # For a socket this is SIOCOUTQ: what its other side has not acknowledged.
            sent = fcntl.ioctl(transport.get_extra_info("socket").fileno(), termios.TIOCOUTQ, bytes(_INT_BYTES))
            waiting_bytes += int.from_bytes(sent, sys.byteorder)
    return waiting_bytes
