"""HTTP connections that the application can cut off.

This reaches into the server: its class for connections is not among what it documents. What is used of it is checked
when it is first used; without it the service works on, and the log says what it has lost.
"""

import asyncio
import logging
from functools import cache
from typing import Literal

from heksher.server.queries.stream import ABORT_EXTENSION

logger: logging.Logger = logging.getLogger(__name__)


@cache
def find_protocol() -> type[asyncio.Protocol] | Literal["auto"]:
    """Return what the server is to make of a connection: a class of ours, or its own if that is not possible."""
    try:
        return _make_protocol()
    except (ImportError, AttributeError):
        _report_loss()
        return "auto"


def _make_protocol() -> type[asyncio.Protocol]:
    """Extend the server's class for connections.

    Raises:
        ImportError: there is none.
        AttributeError: it does not say when a request begins.
    """
    from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol  # noqa: PLC0415 - it may be missing

    class HttpProtocol(HttpToolsProtocol):
        """The server's side of one connection.

        A client that does not read fills the buffers up to it, and then closing its connection waits for it as sending
        does. So whoever sends to it without an end needs a way out.
        """

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as in the base
            super().connection_made(transport)
            # One for all requests of the connection.
            self._extensions = {ABORT_EXTENSION: transport.abort}

        def on_message_begin(self) -> None:
            super().on_message_begin()
            try:
                self.scope["extensions"] = self._extensions  # type: ignore[typeddict-item]  # ASGI's own are dictionaries
            except (AttributeError, TypeError):
                _report_loss()

    _ = HttpToolsProtocol.on_message_begin  # what calls it would call nothing
    return HttpProtocol


@cache
def _report_loss() -> None:
    logger.warning(
        "this version of uvicorn does not let the service cut off a connection: a stream whose client does not read is"
        " ended, but its connection stays until the client closes it"
    )
