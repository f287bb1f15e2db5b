"""A Heksher service inside the test process: what a client may expect of one, and every way to break that.

It stands behind the HTTP library's ``MockTransport``, so a test decides exactly what is answered, and sees exactly what
was asked, without a socket. Each path has one *behaviour*, a function from request to response, that a test can replace;
``calls`` lists what was asked so far.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qs

import httpx2

Behaviour = Callable[[httpx2.Request], httpx2.Response]


def answer(status: int, body: object = None, **headers: str) -> Behaviour:
    """Make a behaviour that always answers the same; a ``str`` body is sent as it is, anything else as JSON."""
    text = body if isinstance(body, str) else json.dumps(body)
    return lambda _request: httpx2.Response(status, text=text, headers=headers)


def fail(error: Exception) -> Behaviour:
    """Make a behaviour that never answers."""

    def raise_error(_request: httpx2.Request) -> httpx2.Response:
        raise error

    return raise_error


def in_turn(*behaviours: Behaviour) -> Behaviour:
    """Make a behaviour that follows each of the given ones once, then the last one for good."""
    left = list(behaviours)
    return lambda request: (left.pop(0) if len(left) > 1 else left[0])(request)


class FakeService:
    """Settings and rules in plain dictionaries, answered as http-api.md says.

    Attributes:
        features: the context features in their order.
        settings: what a query answers for each canonical name: ``{"default_value": ..., "rules": [...]}``.
        aliases: canonical names by alias.
        announces_features: whether the query's answer has the header with the feature order, as our service does and the
            existing one does not.
        behaviours: by ``METHOD path``; what is missing is answered as usual.
        calls: what was asked: ``(METHOD path, request)``.
    """

    url = "http://heksher.test"

    def __init__(self, *features: str) -> None:
        self.features = list(features)
        self.settings: dict[str, Any] = {}
        self.aliases: dict[str, str] = {}
        self.announces_features = True
        self.behaviours: dict[str, Behaviour] = {}
        self.calls: list[tuple[str, httpx2.Request]] = []

    @property
    def client_args(self) -> dict[str, Any]:
        """The ``http_client_args`` that make a client talk to this service."""
        return {"transport": httpx2.MockTransport(self.handle)}

    def handle(self, request: httpx2.Request) -> httpx2.Response:
        """Answer a request."""
        route = f"{request.method} {request.url.path}"
        self.calls.append((route, request))
        usual: dict[str, Behaviour] = {
            "GET /api/health": answer(200, {"version": "1"}),
            "GET /api/v1/context_features": lambda _: answer(200, {"context_features": self.features})(_),
            "GET /api/v1/settings": self._list,
            "GET /api/v1/query": self._query,
            "POST /api/v1/settings/declare": self._declare,
        }
        return self.behaviours.get(route, usual.get(route, self._show))(request)

    def add_rule(self, setting: str, rule_id: int, value: object, **conditions: str) -> None:
        """Add a rule to a setting, which is created without a default if need be."""
        rules = self.settings.setdefault(setting, {"rules": []})["rules"]
        pairs = sorted(conditions.items(), key=lambda pair: self.features.index(pair[0]))
        rules.append({"rule_id": rule_id, "value": value, "context_features": [list(pair) for pair in pairs]})

    def asked(self, route: str) -> list[httpx2.Request]:
        """List the requests for ``METHOD path``."""
        return [request for asked, request in self.calls if asked == route]

    def queries(self) -> list[dict[str, str]]:
        """List the parameters of the queries."""
        return [dict(request.url.params) for request in self.asked("GET /api/v1/query")]

    @contextmanager
    def behaving(self, route: str, behaviour: Behaviour) -> Iterator[None]:
        """Replace the behaviour of a path for the time of a ``with`` block."""
        self.behaviours[route] = behaviour
        try:
            yield
        finally:
            del self.behaviours[route]

    def _declare(self, request: httpx2.Request) -> httpx2.Response:
        body = json.loads(request.content)
        known = self.aliases.get(body["name"], body["name"])
        if known in self.settings:
            return answer(200, {"outcome": "uptodate"})(request)
        self.settings[known] = {"default_value": body["default_value"], "rules": []}
        return answer(200, {"outcome": "created"})(request)

    def _query(self, request: httpx2.Request) -> httpx2.Response:
        params = parse_qs(request.url.query.decode(), keep_blank_values=True)
        names = [name for name in params["settings"][0].split(",") if name]
        unknown = [name for name in names if self.aliases.get(name, name) not in self.settings]
        if unknown:
            return answer(404, f"unknown settings: {unknown}")(request)
        content = {self.aliases.get(name, name): self.settings[self.aliases.get(name, name)] for name in names}
        body = json.dumps({"settings": content})
        headers = {"ETag": f'"{hash((body, tuple(self.features) if self.announces_features else ()))}"'}
        if self.announces_features:
            headers["Heksher-Context-Features"] = ",".join(self.features)
        if request.headers.get("If-None-Match") == headers["ETag"]:
            return httpx2.Response(304, headers=headers)
        return httpx2.Response(200, text=body, headers=headers)

    def _list(self, request: httpx2.Request) -> httpx2.Response:
        return answer(200, {"settings": [self._data(name) for name in sorted(self.settings)]})(request)

    def _show(self, request: httpx2.Request) -> httpx2.Response:
        name = request.url.path.rpartition("/")[2]
        canonical = self.aliases.get(name, name)
        if canonical not in self.settings:
            return answer(404, "not found")(request)
        return answer(200, self._data(canonical))(request)

    def _data(self, name: str) -> dict[str, Any]:
        return {
            "name": name,
            "configurable_features": self.features,
            "type": "int",
            "default_value": self.settings[name].get("default_value"),
            "metadata": {},
            "aliases": sorted(alias for alias, canonical in self.aliases.items() if canonical == name),
            "version": "1.0",
        }
