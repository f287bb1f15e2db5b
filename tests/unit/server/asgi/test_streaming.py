"""Holding streams."""

import asyncio
import gc
import weakref

import pytest

from heksher.server.app import Application
from heksher.server.asgi import streaming
from heksher.server.asgi.streaming import OpenedStream, Streaming, send_stream
from heksher.server.catalog.query import CatalogQuery
from heksher.server.config import Config
from tests.support.asgi_call import Call, read_metrics
from tests.support.catalogs import open_fragile

STREAM = "/api/v1/stream"
CLIENT = (b"checkout/2.3", b"")


class Kept:
    """Something that an application puts into the scope of a request."""


class FakeStreams:
    """Notes which streams it is to serve."""

    def __init__(self) -> None:
        self.served: list[tuple] = []

    async def serve(self, receive, send, *stream) -> None:
        del receive, send
        gc.collect()
        self.served.append(stream)


def answer(app, path: str, extensions: dict | None = None) -> tuple[list[tuple], list[dict]]:
    """Have a request answered; return the streams that were served, and what was sent."""
    streams = FakeStreams()
    sent: list[dict] = []

    async def receive() -> dict:
        return {"type": "http.disconnect"}

    async def note(message: dict) -> None:
        sent.append(message)

    async def call() -> None:
        await Streaming(app, streams)({"type": "http", "path": path, "extensions": extensions or {}}, receive, note)

    asyncio.run(call())
    return streams.served, sent


OPENED = OpenedStream(b"key", CatalogQuery(), 7, CLIENT)


async def open_stream(scope, receive, send) -> None:
    del scope, receive
    await send_stream(send, OPENED)


async def refuse(scope, receive, send) -> None:
    del scope, receive
    await send({"type": "http.response.start", "status": 404, "headers": []})
    await send({"type": "http.response.body", "body": b"no"})


def test_a_stream_is_served_as_its_route_says():
    """With what cuts off the connection, where the server has that; the message that says so goes no further."""
    assert ([(b"key", CatalogQuery(), 7, None, None, CLIENT)], []) == answer(open_stream, STREAM)
    extensions = {streaming.ABORT_EXTENSION: print}
    assert ([(b"key", CatalogQuery(), 7, print, None, CLIENT)], []) == answer(open_stream, STREAM, extensions)


def test_another_answer_passes_at_once():
    """As it is."""
    served, sent = answer(refuse, STREAM)
    assert ([], [404, b"no"]) == (served, [sent[0]["status"], sent[1]["body"]])


def test_other_paths_pass():
    """Whatever is there to be opened."""
    served, sent = answer(open_stream, "/other")
    assert ([], 1) == (served, len(sent))


def test_an_open_stream_keeps_nothing_of_what_answered():
    """What was put into the scope is gone when the stream begins."""
    kept: list[weakref.ref] = []
    found: list[object] = []

    async def app(scope, receive, send) -> None:
        scope["kept"] = Kept()
        kept.append(weakref.ref(scope["kept"]))
        await open_stream(scope, receive, send)

    class Looking(FakeStreams):
        async def serve(self, receive, send, *stream) -> None:
            await super().serve(receive, send, *stream)
            found.append(kept[0]())

    async def call() -> None:
        await Streaming(app, Looking())({"type": "http", "path": STREAM}, None, None)

    asyncio.run(call())
    assert [None] == found


@pytest.mark.parametrize("body", [b"", b"{}"])
def test_a_stream_is_recorded_when_it_is_opened(body: bytes):
    """Not when it ends, which can be tomorrow."""
    app = Application(Config("unused"), open_fragile())

    async def look() -> set[str]:
        call = Call(app, "POST" if body else "GET", STREAM, body=body)
        await call.wait()
        seen = await asyncio.to_thread(read_metrics, app)
        await call.leave()
        return seen

    assert {'{route="/api/v1/stream",status="200"} 1.0'} == asyncio.run(look())
    assert '{route="/metrics",status="200"} 1.0' in read_metrics(app)
