"""HTTP connections that the application can abort.

This relies on an undocumented class of the server. What it needs of that class is checked on first use; if that is
missing, the service works on and logs what it has lost.
"""

import asyncio
import logging
from functools import cache
from typing import Literal

from heksher.server.queries.stream import ABORT_EXTENSION

logger: logging.Logger = logging.getLogger(__name__)


@cache
def find_protocol() -> type[asyncio.Protocol] | Literal["auto"]:
    """Return the server's connection class: ours, or ``"auto"`` for the server's own if ours is impossible."""
    try:
        return _make_protocol()
    except (ImportError, AttributeError):
        _report_loss()
        return "auto"


def _make_protocol() -> type[asyncio.Protocol]:
    """Return our subclass of the server's connection class.

    Raises:
        ImportError: the server has no such class.
        AttributeError: the class lacks the method that is called when a request begins.
    """
    from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol  # noqa: PLC0415 - it may be missing

    class HttpProtocol(HttpToolsProtocol):
        """The server's side of one connection.

        When a client does not read, the buffers towards it fill up, and then closing the connection blocks just as
        sending does. A stream, which sends without end, needs another way out: it aborts the connection.
        """

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as in the base
            super().connection_made(transport)
            # Shared by all requests of the connection.
            self._extensions = {ABORT_EXTENSION: transport.abort}

        def on_message_begin(self) -> None:
            super().on_message_begin()
            try:
                self.scope["extensions"] = self._extensions  # type: ignore[typeddict-item]  # ASGI's own are dictionaries
            except (AttributeError, TypeError):
                _report_loss()

    _ = HttpToolsProtocol.on_message_begin  # fails here if the base class lacks the method: it would not call ours
    return HttpProtocol


@cache
def _report_loss() -> None:
    logger.warning(
        "this version of uvicorn does not let the service cut off a connection: a stream whose client does not read is"
        " ended, but its connection stays until the client closes it"
    )
