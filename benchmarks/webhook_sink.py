"""A receiver of webhooks that costs next to nothing, so that what is measured is the service."""

import asyncio
from typing import Self

_ANSWER = b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n"
_LENGTH = b"content-length: "


class WebhookSink:
    """Accepts whatever it is sent. An asynchronous context manager.

    Attributes:
        url: where it is, without a slash at its end.
        count: how many messages it has received.
    """

    def __init__(self) -> None:
        self.url = ""
        self.count = 0

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._receive, "127.0.0.1", 0, backlog=1000)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()

    async def _receive(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            await reader.readexactly(int(head.partition(_LENGTH)[2].partition(b"\r\n")[0]))
            self.count += 1
            writer.write(_ANSWER)
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # the service has ended, or the measurement
        finally:
            writer.close()
