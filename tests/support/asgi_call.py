"""Requests to an application, without a server or a client in between."""

import asyncio
import json
import re
from collections.abc import Iterable

from heksher.server.app import Application
from tests.support.fake_service import DEADLINE_S


class Call:
    """One request to an application, called directly; the connection is closed when it is told to.

    Attributes:
        messages: what was answered.
    """

    def __init__(
        self,
        app: Application,
        method: str,
        path: str,
        headers: Iterable[tuple[bytes, bytes]] = (),
        body: bytes = b"",
        **connection: object,
    ) -> None:
        path, _, query = path.partition("?")
        headers = list(headers)
        if all(name != b"host" for name, _ in headers):
            headers.insert(0, (b"host", b""))
        self.messages: list[dict] = []
        self._scope = {
            "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": method, "scheme": "http",
            "path": path, "raw_path": path.encode(), "query_string": query.encode(), "headers": headers,
            "server": ("heksher", 80), "client": ("10.0.0.7", 1), "root_path": "", **connection,
        }  # fmt: skip
        self._received = [{"type": "http.request", "body": body, "more_body": False}]
        self._is_gone = asyncio.Event()
        self._is_begun = asyncio.Event()
        self.task = asyncio.create_task(app(self._scope, self._receive, self._send))
        self.task.add_done_callback(lambda _: self._is_begun.set())

    async def _receive(self) -> dict:
        if self._received:
            return self._received.pop()
        await self._is_gone.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: dict) -> None:
        self.messages.append(message)
        if message["type"] == "http.response.body":
            self._is_begun.set()

    async def wait(self) -> None:
        """Wait until there is something of the answer."""
        async with asyncio.timeout(DEADLINE_S):
            await self._is_begun.wait()

    async def leave(self) -> None:
        """Wait until there is something of the answer, and go."""
        async with asyncio.timeout(DEADLINE_S):
            await self._is_begun.wait()
            self._is_gone.set()
            await self.task

    @property
    def status(self) -> int:
        return self.messages[0]["status"]

    @property
    def headers(self) -> dict[bytes, bytes]:
        return dict(self.messages[0]["headers"])

    @property
    def body(self) -> bytes:
        return b"".join(message["body"] for message in self.messages[1:])

    def json(self) -> dict:
        return json.loads(self.body)


def send(
    app: Application,
    method: str,
    path: str,
    headers: Iterable[tuple[bytes, bytes]] = (),
    body: bytes = b"",
    **connection: object,
) -> Call:
    """Send a request, wait for the first part of the answer, and go.

    Args:
        app: the application.
        method: the method of the request.
        path: its path, with its query.
        headers: its header fields.
        body: its body.
        connection: what its scope has besides, such as ``server``, the address that the connection arrived at.
    """

    async def call() -> Call:
        made = Call(app, method, path, headers, body, **connection)
        await made.leave()
        return made

    return asyncio.run(call())


def read_metrics(app: Application) -> set[str]:
    """Return the counters of requests."""
    text = send(app, "GET", "/metrics").body.decode()
    return set(re.findall(r"^heksher_requests_total(.+)$", text, re.MULTILINE))
