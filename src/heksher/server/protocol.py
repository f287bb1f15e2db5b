"""HTTP connections that the application can cut off."""

import asyncio

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from heksher.server.queries.stream import ABORT_EXTENSION


class HttpProtocol(HttpToolsProtocol):
    """The server's side of one connection.

    A client that does not read fills the buffers up to it, and then closing its connection waits for it as sending
    does. So whoever sends to it without an end needs a way out.
    """

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as in the base class
        super().connection_made(transport)
        # One for all requests of the connection.
        self._extensions = {ABORT_EXTENSION: transport.abort}

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["extensions"] = self._extensions  # type: ignore[typeddict-item]  # ASGI's own are dictionaries
