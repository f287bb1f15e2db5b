"""A Heksher service inside the test process: what a client may expect of one, and every way to break that.

It stands behind the HTTP library's own interface for transports, so a test decides exactly what is answered, and sees
exactly what was asked, without a socket. Each path has one *behaviour*, a function from request to response, that a
test can replace; ``calls`` lists what was asked so far. A behaviour may block: it runs on a thread of its own for the
asynchronous client, and on the client's for the thread client.
"""

import asyncio
import json
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qs

import httpx
import httpx2

Behaviour = Callable[[httpx2.Request], httpx2.Response]

HEALTH = "GET /api/health"
FEATURES = "GET /api/v1/context_features"
SETTINGS = "GET /api/v1/settings"
QUERY = "GET /api/v1/query"
POST_QUERY = "POST /api/v1/query"
DECLARE = "POST /api/v1/settings/declare"
DECLARE_MANY = "POST /api/v1/settings/declare-many"

# Long enough for a busy machine; only a test that fails waits this long.
DEADLINE_S = 10.0


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

    def follow_next(request: httpx2.Request) -> httpx2.Response:
        return (left.pop(0) if len(left) > 1 else left[0])(request)

    return follow_next


def for_setting(name: str, behaviour: Behaviour, otherwise: Behaviour) -> Behaviour:
    """Make a behaviour of the declare path that is particular for one setting."""
    return lambda request: (behaviour if json.loads(request.content)["name"] == name else otherwise)(request)


class Gate:
    """Holds requests in flight: their answers are made when they arrive, and delivered once the gate is open.

    Attributes:
        most_waiting: how many requests were held at the same time at most.
    """

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._is_open = False
        self._waiting = 0
        self.most_waiting = 0

    def hold(self, behaviour: Behaviour) -> Behaviour:
        """Make a behaviour whose answers wait for the gate."""

        def wait(request: httpx2.Request) -> httpx2.Response:
            response = behaviour(request)
            with self._condition:
                self._waiting += 1
                self.most_waiting = max(self.most_waiting, self._waiting)
                self._condition.notify_all()
                self._condition.wait_for(lambda: self._is_open)
                self._waiting -= 1
            return response

        return wait

    def await_requests(self, number: int = 1) -> None:
        """Wait until so many requests are held at the same time."""
        with self._condition:
            assert self._condition.wait_for(lambda: self._waiting >= number, DEADLINE_S), (
                f"{self._waiting} requests are in flight, not {number}"
            )

    def open(self) -> None:
        """Deliver the answers, and do not hold requests any longer."""
        with self._condition:
            self._is_open = True
            self._condition.notify_all()


class Busy:
    """Watches how many requests are answered at the same time.

    Attributes:
        count: how many requests there were.
        most: how many of them were answered at the same time at most.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._now = 0
        self.count = 0
        self.most = 0

    def watch(self, behaviour: Behaviour) -> Behaviour:
        """Make a behaviour whose requests are counted."""

        def answer_counted(request: httpx2.Request) -> httpx2.Response:
            with self._lock:
                self._now += 1
                self.count += 1
                self.most = max(self.most, self._now)
            try:
                # Others, if there are any, arrive meanwhile.
                threading.Event().wait(0.001)
                return behaviour(request)
            finally:
                with self._lock:
                    self._now -= 1

        return answer_counted


class FakeService:
    """Settings and rules in plain dictionaries, answered as http-api.md says.

    Attributes:
        features: the context features in their order.
        settings: what a query answers for each canonical name: ``{"default_value": ..., "rules": [...]}``.
        aliases: canonical names by alias.
        announces_features: whether the query's answer has the header with the feature order, as our service does and
            the existing one does not.
        capabilities: what the service announces that it can do beyond the contract, and can do then.
        revision: what is told of the revision, which each write raises; ``None`` for a service that does not tell.
        stamp: what is told as the stamp of each revision; ``None`` for a service that has no stamps.
        behaviours: by ``METHOD path``; what is missing is answered as usual.
        calls: what was asked: ``(METHOD path, request)``.
    """

    url = "http://heksher.test"

    def __init__(self, *features: str) -> None:
        self.features = list(features)
        self.settings: dict[str, Any] = {}
        self.aliases: dict[str, str] = {}
        self.announces_features = True
        self.capabilities: list[str] = []
        self.revision: int | None = None
        self.stamp: str | None = None
        self.behaviours: dict[str, Behaviour] = {}
        self.calls: list[tuple[str, httpx2.Request]] = []
        self._called = threading.Condition()

    @property
    def client_args(self) -> dict[str, Any]:
        """The ``http_client_args`` that make a client talk to this service."""
        return {"transport": _Transport(self.handle)}

    @property
    def httpx_client_args(self) -> dict[str, Any]:
        """The same for a program that uses httpx."""
        return {"transport": httpx.MockTransport(self._handle_httpx)}

    def handle(self, request: httpx2.Request) -> httpx2.Response:
        """Answer a request."""
        route = f"{request.method} {request.url.path}"
        with self._called:
            self.calls.append((route, request))
            self._called.notify_all()
        return (self.behaviours.get(route) or self.usual(route))(request)

    def usual(self, route: str) -> Behaviour:
        """Return the behaviour that a path has at this moment, unless a test replaces it."""
        usual: dict[str, Behaviour] = {
            HEALTH: answer(200, {"version": "1"}),
            FEATURES: answer(200, {"context_features": self.features}, **self._announcement()),
            SETTINGS: self._list,
            QUERY: self._query,
            POST_QUERY: self._query if "post-query" in self.capabilities else answer(405),
            DECLARE: self._declare,
            DECLARE_MANY: self._declare_many if "declare-many" in self.capabilities else answer(405),
        }
        return usual.get(route, self._show)

    # ---- what the service has

    def set_default(self, setting: str, value: object) -> None:
        """Create a setting, or give it another default."""
        self._move_on()
        self.settings.setdefault(setting, {"rules": []})["default_value"] = value

    def add_rule(self, setting: str, rule_id: int, value: object, **conditions: str) -> None:
        """Add a rule to a setting, which is created without a default if need be; or give the rule another value."""
        self._move_on()
        rules = self.settings.setdefault(setting, {"rules": []})["rules"]
        pairs = sorted(conditions.items(), key=lambda pair: self.features.index(pair[0]))
        rules[:] = [rule for rule in rules if rule["rule_id"] != rule_id]
        rules.append({"rule_id": rule_id, "value": value, "context_features": [list(pair) for pair in pairs]})

    def rename(self, old: str, new: str) -> None:
        """Rename a setting; the old name becomes an alias."""
        self._move_on()
        self.settings[new] = self.settings.pop(old)
        self.aliases.pop(new, None)
        self.aliases = {alias: new if name == old else name for alias, name in self.aliases.items()} | {old: new}

    # ---- what the service was asked

    def asked(self, route: str) -> list[httpx2.Request]:
        """List the requests for ``METHOD path``."""
        return [request for asked, request in self.calls if asked == route]

    def queries(self) -> list[dict[str, str]]:
        """List the parameters of the queries."""
        return [dict(request.url.params) for request in self.asked(QUERY)]

    def sent_etags(self) -> list[str | None]:
        """List the ETags that came with the queries."""
        return [request.headers.get("If-None-Match") for request in self.asked(QUERY)]

    def declared(self) -> list[str]:
        """List the names of the settings that were declared, in the order in which they arrived."""
        bodies = [json.loads(request.content) for route, request in self.calls if route in {DECLARE, DECLARE_MANY}]
        return [one["name"] for body in bodies for one in (body if isinstance(body, list) else [body])]

    def await_calls(self, route: str, number: int = 1) -> None:
        """Wait until ``METHOD path`` was asked for so many times."""
        with self._called:
            assert self._called.wait_for(lambda: len(self.asked(route)) >= number, DEADLINE_S), (
                f"{route} was asked {len(self.asked(route))} times, not {number}"
            )

    # ---- how the service behaves

    @contextmanager
    def behaving(self, route: str, behaviour: Behaviour) -> Iterator[None]:
        """Replace the behaviour of a path for the time of a ``with`` block."""
        before = self.behaviours.get(route)
        self.behaviours[route] = behaviour
        try:
            yield
        finally:
            del self.behaviours[route]
            if before is not None:
                self.behaviours[route] = before

    @contextmanager
    def holding(self, route: str) -> Iterator[Gate]:
        """Hold the requests for a path in flight, until the gate is opened or the ``with`` block ends."""
        gate = Gate()
        with self.behaving(route, gate.hold(self.behaviours.get(route, self.usual(route)))):
            try:
                yield gate
            finally:
                gate.open()

    def _declare(self, request: httpx2.Request) -> httpx2.Response:
        body = json.loads(request.content)
        known = self.aliases.get(body["name"], body["name"])
        if known in self.settings:
            return answer(200, {"outcome": "uptodate"}, **self._tell_revision())(request)
        self._move_on()
        self.settings[known] = {"default_value": body["default_value"], "rules": []}
        return answer(200, {"outcome": "created"}, **self._tell_revision())(request)

    def _declare_many(self, request: httpx2.Request) -> httpx2.Response:
        declare = self.behaviours.get(DECLARE, self._declare)
        answers = []
        for body in json.loads(request.content):
            one = declare(httpx2.Request("POST", request.url, content=json.dumps(body)))
            is_json = one.text[:1] in {"{", "["}
            answers.append({"status": one.status_code, "body": one.json() if is_json else one.text})
        return answer(200, answers, **self._tell_revision())(request)

    def _query(self, request: httpx2.Request) -> httpx2.Response:
        names, has_aliases = _read_question(request)
        content = self.settings if names is None else {}
        names = names or []
        unknown = [name for name in names if self.aliases.get(name, name) not in self.settings]
        if unknown:
            return answer(404, f"unknown settings: {unknown}")(request)
        content = content or {
            self.aliases.get(name, name): self.settings[self.aliases.get(name, name)] for name in names
        }
        parts: dict[str, Any] = {"settings": content}
        if has_aliases and "aliases" in self.capabilities:
            parts["aliases"] = {name: self.aliases[name] for name in names if name in self.aliases}
        body = json.dumps(parts)
        headers = {"ETag": f'"{hash((body, tuple(self.features) if self.announces_features else ()))}"'}
        headers |= self._announcement() | self._tell_revision()
        if self.announces_features:
            headers["Heksher-Context-Features"] = ",".join(self.features)
        if request.headers.get("If-None-Match") == headers["ETag"]:
            return httpx2.Response(304, headers=headers)
        return httpx2.Response(200, text=body, headers=headers)

    def _announcement(self) -> dict[str, str]:
        return {"Heksher-Capabilities": ", ".join(self.capabilities)} if self.capabilities else {}

    @property
    def revision_id(self) -> str:
        """The revision with its stamp, as far as the service tells them."""
        return str(self.revision) if self.stamp is None else f"{self.revision}-{self.stamp}"

    def _tell_revision(self) -> dict[str, str]:
        stamp = {} if self.stamp is None else {"Heksher-Revision-Id": self.revision_id}
        return {} if self.revision is None else {"Heksher-Revision": str(self.revision), **stamp}

    def _move_on(self) -> None:
        if self.revision is not None:
            self.revision += 1

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

    def _handle_httpx(self, request: httpx.Request) -> httpx.Response:
        same = httpx2.Request(request.method, str(request.url), headers=request.headers.raw, content=request.content)
        response = self.handle(same)
        return httpx.Response(response.status_code, headers=response.headers.raw, content=response.content)


def _read_question(request: httpx2.Request) -> tuple[list[str] | None, bool]:
    """Read which settings a query names, of which ``None`` are all, and whether it asks for aliases."""
    if request.method == "POST":
        body = json.loads(request.content)
        return body.get("settings"), body.get("include_aliases", False)
    params = parse_qs(request.url.query.decode(), keep_blank_values=True)
    named = params.get("settings")
    names = None if named is None else [name for name in named[0].split(",") if name]
    return names, params.get("include_aliases") == ["true"]


class _Transport(httpx2.BaseTransport, httpx2.AsyncBaseTransport):
    """Like httpx2's MockTransport, but a handler that blocks does not block the event loop.

    Cancelling a request takes effect at once, though its handler goes on.
    """

    def __init__(self, handler: Behaviour) -> None:
        self._handler = handler
        # With the process that they belong to: a forked one has none of them.
        self._threads = (os.getpid(), ThreadPoolExecutor(64, "fake-service"))

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        request.read()
        return self._handler(request)

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        await request.aread()
        if self._threads[0] != os.getpid():
            self._threads = (os.getpid(), ThreadPoolExecutor(64, "fake-service"))
        return await asyncio.get_running_loop().run_in_executor(self._threads[1], self._handler, request)
