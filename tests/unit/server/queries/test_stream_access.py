"""Streams of those who may not follow any more."""

import asyncio
from collections.abc import Callable
from datetime import timedelta

import pytest

from heksher.server.app import Application
from heksher.server.queries import stream
from heksher.server.storage.memory import MemoryStorage
from tests.support.access import CONFIG, give_token, take_token
from tests.support.asgi_call import Call
from tests.support.waiting import wait_until

PATH = "/api/v1/stream"


@pytest.fixture
def storage() -> MemoryStorage:
    """A storage with tokens."""
    storage = MemoryStorage()
    storage.open()
    give_token(storage, "read")
    give_token(storage, "read", name="other")
    give_token(storage, "read", name="short", expires_in=timedelta(seconds=1))
    return storage


@pytest.fixture
def app(storage: MemoryStorage, monkeypatch: pytest.MonkeyPatch) -> Application:
    """A service that checks who may do what, and looks at its streams often."""
    monkeypatch.setattr(stream, "_TICK_S", 0.01)
    app = Application(CONFIG, storage)
    app.services.catalog.refresh()
    return app


def follow(app: Application, token: str, act: Callable[[], object]) -> tuple[bytes, bool]:
    """Open a stream, do something, and return what the stream says until it ends, and whether another one goes on."""

    async def run() -> tuple[bytes, bool]:
        ended, other = (Call(app, "GET", PATH, [(b"api_token", name)]) for name in (token.encode(), b"hks_other"))
        await ended.wait()
        await other.wait()
        await asyncio.to_thread(act)
        assert await asyncio.to_thread(wait_until, lambda: b"event: end" in ended.body)
        is_going_on = b"event: end" not in other.body
        await ended.leave()
        await other.leave()
        return ended.body, is_going_on

    return asyncio.run(run())


def test_a_stream_ends_when_its_token_is_taken_back(app: Application, storage: MemoryStorage):
    """Also if another process took it: with the next look at the log. No other stream ends."""

    def take() -> None:
        take_token(storage, "with read")
        app.services.catalog.refresh()

    body, is_going_on = follow(app, "hks_with read", take)
    assert body.endswith(b"data: {}\n\n")
    assert is_going_on


def test_a_stream_ends_when_its_token_may_not_read_any_more(app: Application, storage: MemoryStorage):
    """A token can be given other grants."""

    def narrow() -> None:
        give_token(storage, "evaluate", name="with read")
        app.services.catalog.refresh()

    assert follow(app, "hks_with read", narrow)[1]


def test_a_stream_ends_with_its_token(app: Application):
    """At its time, although nothing is stored then."""
    assert follow(app, "hks_short", lambda: None)[1]
