"""What tests of the transports share: flows, how they are run, and what they leave."""

import asyncio
import ssl
import zlib
from collections.abc import Callable
from typing import Any

import httpx
import httpx2

from heksher.clients.conversation.exchange import Flow, Outcome, Request
from heksher.clients.transport.async_transport import AsyncTransport
from heksher.clients.transport.thread_transport import ThreadTransport
from tests.support.raw_service import answer_with

URL = "http://heksher.test"
HEALTH = Request("GET", "/api/health")
MANY = (HEALTH,) * 3
LIBRARIES: dict[str, Any] = {"httpx2": httpx2, "httpx": httpx}
# Making one takes longer than most tests.
TLS = ssl.create_default_context()

Runner = Callable[[Flow[Any], str, dict[str, Any]], Any]


def run_in_loop(flow: Flow[Any], url: str, client_args: dict[str, Any]) -> object:
    async def run() -> object:
        transport = AsyncTransport(url, client_args)
        try:
            return await transport.run(flow)
        finally:
            await transport.close()

    return asyncio.run(run())


def run_in_thread(flow: Flow[Any], url: str, client_args: dict[str, Any]) -> object:
    transport = ThreadTransport(url, client_args)
    try:
        return transport.run(flow)
    finally:
        transport.close()


def ask(*requests: Request) -> Flow[tuple[Outcome, ...]]:
    """Send requests side by side, and return what became of them."""
    return (yield requests)


def echo(request: httpx2.Request) -> httpx2.Response:
    """Answer what was asked."""
    asked = {
        "method": request.method,
        "url": str(request.url),
        "headers": dict(request.headers),
        "content": request.content.decode(),
    }
    return httpx2.Response(200, json=asked)


def compress(data: bytes, window_bits: int) -> bytes:
    compressor = zlib.compressobj(wbits=window_bits)
    return compressor.compress(data) + compressor.flush()


def encoded(encoding: str, body: bytes, **options: str) -> bytes:
    return answer_with(b"Content-Encoding: %s\r\n" % encoding.encode(), body, **options)
