"""Serves an application on a socket until it is stopped."""

import asyncio
import logging
import socket
from contextlib import suppress
from typing import Final

from starlette.types import ASGIApp

from heksher.server.http.acceptor import Acceptor
from heksher.server.http.connection import Connection
from heksher.server.http.ended import ConnectionMetrics, Ended, RefusalRecorder
from heksher.server.http.http_limits import HttpLimits
from heksher.server.http.places import Places
from heksher.server.http.watch import Watch

logger: logging.Logger = logging.getLogger(__name__)

# How often the end of requests is looked for, while the server stops.
_STEP_S: Final = 0.05
# How long connections without a request stay open then.
_LAST_CALL_S: Final = 0.2


class HttpServer:
    """Serves an application on one event loop, from the call of ``start`` to that of ``stop``.

    Args:
        app: the ASGI application; its lifespan is not run.
        limits: what connections may take.
        metrics: is told of connections; ``None`` for nobody.
        recorder: is told of requests that are refused without the application; ``None`` for nobody.
    """

    def __init__(
        self, app: ASGIApp, limits: HttpLimits, metrics: ConnectionMetrics | None, recorder: RefusalRecorder | None
    ) -> None:
        loop = self._loop = asyncio.get_running_loop()
        places: Places[Connection] = Places(limits, Ended(metrics, recorder))
        self._places = places
        self._app = app
        self._watch = Watch(places, loop)
        self._acceptors: list[Acceptor] = []

    def start(self, listeners: list[socket.socket]) -> None:
        """Accept connections from now on."""
        self._watch.look()
        for listener in listeners:
            acceptor = Acceptor(listener, self._places, self._make_connection, self._loop)
            self._acceptors.append(acceptor)
            acceptor.start()

    async def stop(self, grace_s: float, is_forced: asyncio.Event) -> None:
        """Accept no more connections, and close those that are open.

        Args:
            grace_s: how long answers that are under way may take.
            is_forced: set when they are not to be waited for any longer.
        """
        for acceptor in self._acceptors:
            acceptor.stop()
        # A request may be on its way already, whose client could not know: it is answered.
        for connection in self._places.list_all():
            connection.announce_end()
        if self._places.list_all():
            with suppress(TimeoutError):
                await asyncio.wait_for(is_forced.wait(), _LAST_CALL_S)
        for connection in self._places.list_all():
            connection.shut_down()
        deadline_s = self._loop.time() + grace_s
        while self._is_serving() and not is_forced.is_set() and self._loop.time() < deadline_s:
            with suppress(TimeoutError):
                await asyncio.wait_for(is_forced.wait(), _STEP_S)
        self._watch.end()
        if self._places.running:
            logger.error(
                "%d requests are cut off: they took longer than the end of the service", len(self._places.running)
            )
        for request in list(self._places.running):
            if request.task is not None:
                request.task.cancel()
        for connection in self._places.list_all():
            connection.abort()
        # Transports are closed, and tasks cancelled, in the next turns of the loop.
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    def _is_serving(self) -> bool:
        return bool(self._places.running or len(self._places))

    def _make_connection(self, address: object) -> Connection:
        return Connection(self._app, self._places, self._loop, address)
