"""Whether who has begun to send a body may still do what it asks for once it has come."""

import asyncio
import json
from collections.abc import Callable

import pytest

from heksher.server.app import Application
from heksher.server.config import Config
from tests.support.access import give_token, take_token
from tests.support.api import FEATURES, Api

DECLARATION = {"name": "a.b", "configurable_features": ["user"], "type": "int", "default_value": 1, "version": "1.0"}
DECLARE = "/api/v1/settings/declare"
QUERY = "/api/v1/query"


@pytest.fixture
def app() -> Application:
    """A service that checks who may do what, with a token ``hks_slow`` for declarations."""
    api = Api()
    api.add_features(*FEATURES)
    app = Application(Config("unused", has_access=True), api.storage)
    give_token(api.storage, "declare:a.", name="slow")
    app.services.catalog.refresh()
    return app


def post(app: Application, path: str, content: object, meanwhile: Callable[[], object]) -> list[dict]:
    """Send a request whose body comes in two parts, with something done between them; return the answer's messages."""
    body = json.dumps(content).encode()
    parts = [(body[:5], True), (body[5:], False)]
    answer: list[dict] = []
    scope = {
        "type": "http", "http_version": "1.1", "method": "POST", "scheme": "http", "path": path, "root_path": "",
        "raw_path": path.encode(), "query_string": b"", "headers": [(b"host", b""), (b"api_token", b"hks_slow")],
        "server": ("heksher", 80), "client": ("10.0.0.7", 1),
    }  # fmt: skip

    async def receive() -> dict:
        if not parts:
            return {"type": "http.disconnect"}
        part, is_more = parts.pop(0)
        if not is_more:
            meanwhile()
            app.services.catalog.refresh()
        return {"type": "http.request", "body": part, "more_body": is_more}

    async def send(message: dict) -> None:
        answer.append(message)

    asyncio.run(app(scope, receive, send))
    return answer


def test_a_token_that_is_taken_back_meanwhile_does_nothing_more(app: Application):
    """No declaration, and no query, not even one whose answer is in memory."""
    storage = app.services.storage
    query = {"settings": None}
    assert 200 == post(app, QUERY, query, lambda: None)[0]["status"]
    before = storage.read(_get_revision)
    for path, content in ((DECLARE, DECLARATION), (QUERY, query)):
        start, *rest = post(app, path, content, lambda: take_token(storage, "slow"))
        challenge = dict(start["headers"])[b"www-authenticate"]
        assert (401, b'Bearer error="invalid_token"') == (start["status"], challenge)
        assert b"does not know this token" in rest[0]["body"]
        give_token(storage, "declare:a.", name="slow")
        app.services.catalog.refresh()
    assert [0, 4] == [len(storage.read(lambda reader: reader.settings())), storage.read(_get_revision) - before]


def test_grants_that_are_taken_back_meanwhile_do_not_count(app: Application):
    """Those count that there are when the body has come: for the route, and for the setting."""
    storage = app.services.storage
    for grant, status in (("evaluate", 403), ("read", 403), ("declare:b.", 403), ("declare:a.", 200)):
        give_token(storage, "declare:a.", name="slow")
        app.services.catalog.refresh()
        changed = post(app, DECLARE, DECLARATION, lambda grant=grant: give_token(storage, grant, name="slow"))
        assert status == changed[0]["status"], grant


def _get_revision(reader) -> int:
    return reader.revision()
