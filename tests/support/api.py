"""The API without a network: the application on a storage in memory, called directly."""

import asyncio
import atexit
import json
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from importlib.util import find_spec
from typing import Self

import httpx2

from heksher.server.app import Application
from heksher.server.config import Config
from heksher.server.storage.base import LogEntry, Storage
from tests.support.asgi_call import Call
from tests.support.leased import TOKEN, fill, is_guarded, lease

FEATURES = ("environment", "user", "theme")

# The client looks for it anew with each request.
if find_spec("sniffio") is None:
    sys.modules["sniffio"] = None  # type: ignore[assignment]

# One loop for all calls of a process: Starlette's test client starts a loop on a thread for each.
_LOOP = asyncio.new_event_loop()
atexit.register(_LOOP.close)


class Api:
    """A client of a service of its own.

    Args:
        storage: an open storage; ``None`` for an empty one of the kind that the test is run on.
        config: of the application.

    Attributes:
        app: the application, which does not follow its storage unless it is run.
        headers: of each request.
    """

    def __init__(self, storage: Storage | None = None, config: Config | None = None) -> None:
        self.storage = storage or lease()
        config = config or Config(database="unused")
        self.app = Application(replace(config, has_access=True) if is_guarded() else config, self.storage)
        self._client = httpx2.AsyncClient(
            transport=httpx2.ASGITransport(app=self.app, raise_app_exceptions=False), base_url="http://heksher.test"
        )
        self.headers: httpx2.Headers = self._client.headers
        if is_guarded():
            # As existing programs send it, in the way of the published example.
            self.headers["api_token"] = TOKEN
            self.app.services.catalog.refresh()

    def begin_with(self, steps: Callable[[Self], object]) -> Self:
        """Take steps that many tests begin with; only the first of them really takes them, see ``fill``.

        Args:
            steps: what is done; the same function each time, on services with the same content.
        """
        fill(self.storage, steps, partial(steps, self))
        self.app.services.catalog.refresh()
        return self

    def request(self, method: str, path: str, **arguments: object) -> httpx2.Response:
        return _LOOP.run_until_complete(self._client.request(method, path, **arguments))

    def get(self, path: str, **arguments: object) -> httpx2.Response:
        return self.request("GET", path, **arguments)

    def post(self, path: str, **arguments: object) -> httpx2.Response:
        return self.request("POST", path, **arguments)

    def put(self, path: str, **arguments: object) -> httpx2.Response:
        return self.request("PUT", path, **arguments)

    def patch(self, path: str, **arguments: object) -> httpx2.Response:
        return self.request("PATCH", path, **arguments)

    def delete(self, path: str, **arguments: object) -> httpx2.Response:
        return self.request("DELETE", path, **arguments)

    def add_features(self, *features: str) -> None:
        for feature in features:
            assert 204 == self.post("/api/v1/context_features", json={"context_feature": feature}).status_code

    def try_declare(self, name: object, **attributes: object) -> httpx2.Response:
        """Declare a setting, of type ``int`` with default 60 on environment and user unless told otherwise."""
        defaults = {"configurable_features": ["environment", "user"], "type": "int", "default_value": 60}
        return self.post("/api/v1/settings/declare", json={"name": name, **defaults, **attributes})

    def declare(self, name: str, **attributes: object) -> dict:
        response = self.try_declare(name, **attributes)
        assert 200 == response.status_code, response.text
        return response.json()

    def try_add_rule(self, setting: object, conditions: object, value: object, **more: object) -> httpx2.Response:
        body = {"setting": setting, "feature_values": conditions, "value": value, **more}
        return self.post("/api/v1/rules", json=body)

    def add_rule(self, setting: str, conditions: dict[str, str], value: object, **more: object) -> int:
        response = self.try_add_rule(setting, conditions, value, **more)
        assert 201 == response.status_code, response.text
        return response.json()["rule_id"]

    def get_setting(self, name: str) -> dict:
        response = self.get(f"/api/v1/settings/{name}")
        assert 200 == response.status_code, response.text
        return response.json()

    def query(self, **parameters: str) -> dict:
        response = self.get("/api/v1/query", params=parameters)
        assert 200 == response.status_code, response.text
        return response.json()["settings"]

    def read_stream(self, query: str | dict, last_revision: int) -> bytes:
        """Open a stream for what is in a query string, or posted; return what it says at once."""

        async def call() -> bytes:
            headers = [(b"last-event-id", str(last_revision).encode())]
            if isinstance(query, str):
                made = Call(self.app, "GET", f"/api/v1/stream?{query}", headers)
            else:
                made = Call(self.app, "POST", "/api/v1/stream", headers, json.dumps(query).encode())
            await made.leave()
            assert 200 == made.status, made.body
            return made.body

        return _LOOP.run_until_complete(call())

    def open_stream(self, method: str, path: str, body: object, headers: dict[str, str]) -> httpx2.Response:
        """Open a stream, and go as soon as it has begun; return its answer as far as it came."""

        async def call() -> httpx2.Response:
            fields = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
            made = Call(self.app, method, path, fields, b"" if body is None else json.dumps(body).encode())
            await made.leave()
            return httpx2.Response(made.status, headers=list(made.headers.items()), content=made.body)

        return _LOOP.run_until_complete(call())

    def read_log(self) -> list[LogEntry]:
        return self.storage.read(lambda reader: reader.log())

    def revision(self) -> int:
        return self.storage.read(lambda reader: reader.revision())


def locations(response: httpx2.Response) -> list[list[str | int]]:
    """Return the places that a 422 complains about, after checking its shape."""
    assert 422 == response.status_code, response.text
    detail = response.json()["detail"]
    assert detail
    assert all({"loc", "msg", "type"} == set(part) for part in detail)
    return [part["loc"] for part in detail]


def minor(attribute: str, latest: object) -> dict[str, object]:
    """Write a minor difference as the declare route answers it."""
    return {"level": "minor", "attribute": attribute, "latest_value": latest}


def major(attribute: str, latest: object) -> dict[str, object]:
    """Write a major difference as the declare route answers it."""
    return {"level": "major", "attribute": attribute, "latest_value": latest}


def removal(features: str) -> dict[str, object]:
    """Write the difference that features were removed."""
    return {"level": "minor", "message": f"removal of configurable features {features}"}
