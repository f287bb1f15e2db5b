"""Lets connections in, a few at a time, and only as many as there is room for."""

import asyncio
import socket
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from heksher.server.http.answer_text import write_refusal
from heksher.server.http.base_scope import read_socket_address
from heksher.server.http.connection import Connection
from heksher.server.http.places import Places

# Between two turns all connections are read from that have sent something. If a whole queue were let in at once, each
# would have to make room for the next before anything of it was read.
_MAX_AT_ONCE: Final = 16
# How long none is let in, when there is no room for one but soon will be, and when the system has none.
_SOON_S: Final = 0.02
_SHORT_S: Final = 1.0
# How long new connections wait when all others are busy, before they are refused. Most answers take no longer, and
# another process may let them in meanwhile.
_FULL_S: Final = 0.5
# What is read of a request that is refused: a connection that is closed with something unread loses its answer.
_MAX_UNREAD_BYTES: Final = 64 * 1024


class Acceptor:
    """Accepts connections on a socket, which other processes may share.

    Args:
        listener: the socket.
        places: all connections.
        make: makes the object for a new one, given its address.
        loop: the event loop.
    """

    def __init__(
        self,
        listener: socket.socket,
        places: Places[Connection],
        make: Callable[[object], Connection],
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self._listener = listener
        self._places = places
        self._make = make
        self._loop = loop
        # The connections that are being made.
        self._tasks: set[asyncio.Task[None]] = set()
        # Goes on after a pause; None without one.
        self._pause: asyncio.TimerHandle | None = None
        # Since when all connections are busy; None while they are not.
        self._full_since_s: float | None = None
        listener.setblocking(False)

    def start(self) -> None:
        """Accept connections from now on."""
        self._pause = None
        self._loop.add_reader(self._listener.fileno(), self._accept)

    def stop(self) -> None:
        """Accept no more connections, and close the socket in this process."""
        self._loop.remove_reader(self._listener.fileno())
        if self._pause is not None:
            self._pause.cancel()
        self._listener.close()

    def _accept(self) -> None:
        self._places.turn += 1
        for _ in range(_MAX_AT_ONCE):
            room = self._places.find_room(self._loop.time())
            if room == "soon" or (room == "none" and self._may_change()):
                self._wait(_SOON_S)
                return
            try:
                accepted, address = self._listener.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                self._full_since_s = None
                return
            except OSError:
                # Most likely the system has no more descriptors.
                self._places.ended.note("full")
                self._wait(_SHORT_S)
                return
            accepted.setblocking(False)
            if room == "none":
                self._refuse(accepted, address)
            else:
                self._full_since_s = None
                self._let_in(accepted, address)

    def _may_change(self) -> bool:
        """Return whether new connections should wait a little longer, as all others are busy."""
        if self._full_since_s is None:
            self._full_since_s = self._loop.time()
        return self._loop.time() - self._full_since_s < _FULL_S

    def _wait(self, pause_s: float) -> None:
        self._loop.remove_reader(self._listener.fileno())
        self._pause = self._loop.call_later(pause_s, self.start)

    def _let_in(self, accepted: socket.socket, address: object) -> None:
        self._places.make_room(self._loop.time())
        connection = self._make(address)
        task = self._loop.create_task(self._connect(connection, accepted))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _connect(self, connection: Connection, accepted: socket.socket) -> None:
        try:
            await self._loop.connect_accepted_socket(lambda: connection, accepted)
        except OSError:
            # The client is gone already.
            connection.connection_lost(None)
            accepted.close()

    def _refuse(self, accepted: socket.socket, address: object) -> None:
        ended = self._places.ended
        ended.note("full")
        detail = (
            "all connections that this service may have are busy: try again, or allow more (HEKSHER_MAX_CONNECTIONS)"
        )
        answer, size = write_refusal(503, self._places.date_line, detail)
        ended.record_refusal(read_socket_address(address), 503, 0.0, size)
        with accepted, suppress(OSError):
            with suppress(BlockingIOError):
                accepted.recv(_MAX_UNREAD_BYTES)
            accepted.send(answer)
            accepted.shutdown(socket.SHUT_WR)
