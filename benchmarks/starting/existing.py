"""An existing Heksher service, as far as a start meets it: with a pool of connections that is soon empty.

``python -m benchmarks.starting.existing PORT``. Each declaration takes a connection to the database, and a second one
before it gives back the first; a setting that another request has created between its two steps is a 500 (known
fault 39). A request that waits for a connection for too long is a 500, too. What each step takes is the same for all.

It announces nothing, knows one context feature, and tells at ``/writes`` how many requests have written.
"""

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final, NamedTuple
from urllib.parse import parse_qs

import uvicorn
from starlette.types import Receive, Scope, Send

from benchmarks.starting.program import FEATURE

# As its database library has it unless it is told otherwise.
CONNECTIONS: Final = 15
PATIENCE_S: Final = 30.0
# What one step on the database takes.
STEP_S: Final = 0.002


class Answer(NamedTuple):
    """What a request is answered."""

    status: int
    content: object = None
    etag: str = ""


class PooledService:
    """What the service holds, and how it answers."""

    def __init__(self) -> None:
        self._settings: dict[str, dict[str, Any]] = {}
        # By their ids, which count from one.
        self._rules: list[dict[str, Any]] = []
        self._connections = asyncio.Semaphore(CONNECTIONS)
        self._writes = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request (ASGI)."""
        try:
            answer = await self._answer(scope, await _read_body(receive))
        except TimeoutError:
            answer = Answer(500, "Internal Server Error")
        body = b"" if answer.status in {204, 304} else json.dumps(answer.content).encode()
        headers = [(b"content-length", str(len(body)).encode())] if body else []
        headers += [(b"etag", answer.etag.encode())] if answer.etag else []
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def _answer(self, scope: Scope, body: Any) -> Answer:
        method, path = scope["method"], scope["path"].removeprefix("/api/v1")
        match method, path.split("/")[1:]:
            case "GET", ["context_features"]:
                answer = await self._read({"context_features": [FEATURE]})
            case "POST", ["settings", "declare"]:
                answer = await self._declare(body)
            case "GET", ["settings", name]:
                answer = await self._read({"name": name} if name in self._settings else None)
            case "GET", ["query"]:
                answer = await self._query(parse_qs(scope["query_string"].decode()), dict(scope["headers"]))
            case "POST", ["rules"]:
                answer = await self._add_rule(body)
            case "PUT", ["rules", rule_id, "value"]:
                answer = await self._change_rule(int(rule_id), body["value"])
            case "GET", ["writes"]:
                answer = Answer(200, self._writes)
            case _:
                answer = Answer(404, "Not Found")
        return answer

    async def _read(self, content: object) -> Answer:
        async with self._connected():
            return Answer(404, "not found") if content is None else Answer(200, content)

    async def _declare(self, declaration: Mapping[str, Any]) -> Answer:
        name = declaration["name"]
        async with self._connected():
            is_known = name in self._settings
            if unknown := set(declaration["configurable_features"]).difference([FEATURE]):
                return Answer(404, f"{sorted(unknown)} are not acceptable context features")
            async with self._connected():
                if is_known:
                    return Answer(200, {"outcome": "uptodate"})
                if name in self._settings:
                    return Answer(500, "Internal Server Error")
                self._settings[name] = {"default_value": declaration["default_value"], "rules": []}
                self._writes += 1
                return Answer(200, {"outcome": "created"})

    async def _query(self, params: Mapping[str, list[str]], headers: Mapping[bytes, bytes]) -> Answer:
        # Without the parameter: all of them.
        names = params["settings"][0].split(",") if "settings" in params else list(self._settings)
        async with self._connected():
            if unknown := set(names).difference(self._settings):
                return Answer(404, f"the following are not setting names: {sorted(unknown)}")
            content = {"settings": {name: self._settings[name] for name in names}}
            etag = f'"{hash(json.dumps(content))}"'
            if headers.get(b"if-none-match") == etag.encode():
                return Answer(304, etag=etag)
            return Answer(200, content, etag)

    async def _add_rule(self, request: Mapping[str, Any]) -> Answer:
        conditions = [list(pair) for pair in request["feature_values"].items()]
        async with self._connected():
            rule = {"rule_id": len(self._rules) + 1, "value": request["value"], "context_features": conditions}
            self._rules.append(rule)
            self._settings[request["setting"]]["rules"].append(rule)
            return Answer(201, {"rule_id": rule["rule_id"]})

    async def _change_rule(self, rule_id: int, value: object) -> Answer:
        async with self._connected():
            self._rules[rule_id - 1]["value"] = value
            return Answer(204)

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[None]:
        """Take a connection of the pool for one step, and keep it until the block ends.

        Raises:
            TimeoutError: there was none for too long.
        """
        async with asyncio.timeout(PATIENCE_S):
            await self._connections.acquire()
        try:
            await asyncio.sleep(STEP_S)
            yield
        finally:
            self._connections.release()


async def _read_body(receive: Receive) -> Any:
    body, is_over = b"", False
    while not is_over:
        message = await receive()
        body += message.get("body", b"")
        is_over = not message.get("more_body", False)
    return json.loads(body) if body else None


if __name__ == "__main__":
    options: dict[str, Any] = {"http": "httptools", "ws": "none", "lifespan": "off", "access_log": False}
    uvicorn.run(PooledService(), port=int(sys.argv[1]), log_config=None, **options)
