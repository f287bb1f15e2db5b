"""A connection to the service that costs next to nothing, so that what is measured is the service.

It knows as much of HTTP as the service says: answers have a ``Content-Length``, or no body.
"""

import asyncio
import json
import time
from typing import NamedTuple, Self
from urllib.parse import urlsplit

from heksher.wire import REVISION_HEADER

_REVISION = REVISION_HEADER.lower()
# The service closes connections that are not used for five seconds.
_MAX_IDLE_S = 2.0


class HttpAnswer(NamedTuple):
    """An answer; the names of its header fields are in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def revision(self) -> int:
        """The revision that it says it has."""
        return int(self.headers[_REVISION])


class HttpConnection:
    """A connection that is kept open, and opened again after an error; for one request at a time.

    Args:
        url: of the service.
    """

    def __init__(self, url: str) -> None:
        place = urlsplit(url)
        self._host, self._port = str(place.hostname), int(place.port or 80)
        # None while there is no connection.
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self._used_s = 0.0

    async def request(
        self, method: str, path: str, body: object = None, headers: dict[str, str] | None = None
    ) -> HttpAnswer:
        """Send a request; return the answer.

        Args:
            method: such as ``GET``.
            path: with the query.
            body: anything that JSON can say; ``None`` for no body.
            headers: header fields.

        Raises:
            OSError: the service is not there, or the connection broke off.
        """
        content = b"" if body is None else json.dumps(body).encode()
        fields = {"Host": self._host, "Content-Length": str(len(content)), **(headers or {})}
        head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        try:
            reader, writer = await self._connect()
            writer.write(f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode() + content)
            answer = await _read_answer(reader)
        except (OSError, asyncio.IncompleteReadError) as error:
            self.close()
            raise ConnectionError(str(error)) from error
        self._used_s = time.monotonic()
        return answer

    def close(self) -> None:
        """Close the connection."""
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if time.monotonic() - self._used_s > _MAX_IDLE_S:
            self.close()
        if self._streams is None:
            self._streams = await asyncio.open_connection(self._host, self._port)
        return self._streams


async def _read_answer(reader: asyncio.StreamReader) -> HttpAnswer:
    lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
    fields = (line.partition(": ") for line in lines[1:-2])
    headers = {name.lower(): value for name, _, value in fields}
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    return HttpAnswer(int(lines[0].split()[1]), headers, body)
