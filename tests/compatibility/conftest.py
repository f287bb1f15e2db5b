"""Fixtures for tests that hold for the published client 0.2.2 as well.

They use nothing of this project: on the published package they run in an environment that has nothing of it.
"""

import asyncio
import inspect
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest

import heksher
from heksher import main_client

IS_OURS = heksher.__version__ != "0.2.2"

# What the service has, in the words of ``GET /settings``.
SETTING: dict[str, Any] = {
    "name": "size",
    "configurable_features": ["a", "b"],
    "type": "int",
    "default_value": 1,
    "metadata": {"owner": "me"},
    "aliases": ["width"],
    "version": "1.0",
}


class OldService:
    """A service with the context features ``a`` and ``b``, as far as a client asks it.

    Attributes:
        calls: what was asked: method and path.
        declared: the bodies of declarations.
        default_value: the default of every setting.
        rules: the rules of every setting.
        outcomes: the status and body of answers to declarations, by setting, where it is not created.
        failures: the status of answers, by path, where it is not 200.
        features: the context features.
        is_empty: whether answers to queries have no setting.
        most_at_once: how many declarations there were at a time, at most.
    """

    def __init__(self) -> None:
        self.calls: list[tuple[str, str]] = []
        self.declared: list[dict[str, Any]] = []
        self.default_value: Any = 1
        self.rules: list[dict[str, Any]] = []
        self.outcomes: dict[str, tuple[int, Any]] = {}
        self.failures: dict[str, int] = {}
        self.features = ["a", "b"]
        self.is_empty = False
        self.most_at_once = self._at_once = 0

    def __call__(self, request: httpx.Request) -> httpx.Response:
        """Answer, as the transport of a client."""
        path = request.url.path.removeprefix("/api/v1/")
        self.calls.append((request.method, path))
        if path in self.failures:
            return httpx.Response(self.failures[path], text="oops")
        return getattr(self, f"_answer_{path.replace('/', '_')}")(request)

    def answer_slowly(self, request: httpx.Request) -> httpx.Response:
        """Do so as a transport whose requests may be under way at once, which takes that each lasts a moment."""
        with self._noting(request):
            time.sleep(0.002)
            return self(request)

    async def answer_slowly_on_a_loop(self, request: httpx.Request) -> httpx.Response:
        """Do so for an asynchronous client."""
        with self._noting(request):
            await asyncio.sleep(0.002)
            return self(request)

    @contextmanager
    def _noting(self, request: httpx.Request) -> Iterator[None]:
        is_declaration = request.url.path.endswith("/declare")
        self._at_once += is_declaration
        self.most_at_once = max(self.most_at_once, self._at_once)
        yield
        self._at_once -= is_declaration

    def _answer_context_features(self, _request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, json={"context_features": self.features})

    def _answer_settings_declare(self, request: httpx.Request) -> httpx.Response:
        self.declared.append(httpx.Response(200, content=request.content).json())
        status, body = self.outcomes.get(self.declared[-1]["name"], (200, {"outcome": "created"}))
        return httpx.Response(status, json=body)

    def _answer_settings(self, request: httpx.Request) -> httpx.Response:
        if request.url.params.get("include_additional_data", "").lower() != "true":
            return httpx.Response(200, json={"settings": [{"name": "size"}]})
        return httpx.Response(200, json={"settings": [SETTING]})

    def _answer_query(self, request: httpx.Request) -> httpx.Response:
        answer = {"default_value": self.default_value, "rules": self.rules}
        names = [] if self.is_empty else request.url.params["settings"].split(",")
        return httpx.Response(200, json={"settings": {name: answer for name in names if name}})


class Client:
    """A client of either kind, whose methods that wait are called by ``call``."""

    def __init__(self, native: Any, loop: asyncio.AbstractEventLoop) -> None:
        self.native = native
        self._loop = loop
        self._is_started = False

    def call(self, method: str) -> Any:
        """Call a method, and wait for its end."""
        self._is_started |= method == "set_as_main"
        result = getattr(self.native, method)()
        return self._loop.run_until_complete(result) if inspect.isawaitable(result) else result

    def wait(self, seconds: float) -> None:
        """Let time pass, in which the client goes on."""
        self._loop.run_until_complete(asyncio.sleep(seconds))

    def close(self) -> None:
        """Close the client, if it can be: the published thread client cannot before its start."""
        if self._is_started or IS_OURS:
            self.call("aclose" if isinstance(self.native, heksher.AsyncHeksherClient) else "close")


MakeClient = Callable[..., Client]


@pytest.fixture
def service() -> OldService:
    """A service."""
    return OldService()


@pytest.fixture(params=["AsyncHeksherClient", "ThreadHeksherClient"])
def make_client(request: pytest.FixtureRequest, service: OldService) -> Iterator[MakeClient]:
    """What makes clients of one kind; they talk to ``service``, and are closed in the end."""
    clients: list[Client] = []
    loop = asyncio.new_event_loop()

    def make(url: str = "http://heksher.test", interval: Any = 3600) -> Client:
        is_async = request.param == "AsyncHeksherClient"
        handle = service.answer_slowly_on_a_loop if is_async else service.answer_slowly
        arguments = {"transport": httpx.MockTransport(handle)} if url.startswith("http") else {}
        native = getattr(heksher, request.param)(url, interval, ["a", "b"], http_client_args=arguments)
        clients.append(Client(native, loop))
        return clients[-1]

    yield make
    for client in clients:
        client.close()
    loop.close()


@pytest.fixture(autouse=True)
def own_main_client(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Each test begins without a main client and the settings of other tests, and leaves none."""
    if IS_OURS:
        monkeypatch.setattr(main_client, "_settings", {})
    reset_main_client()
    yield
    reset_main_client()


def reset_main_client() -> None:
    """Do what tests of programs do between their cases."""
    if IS_OURS:
        main_client.reset()
    else:
        from heksher.heksher_client import TemporaryClient  # noqa: PLC0415 - ours has no such module

        main_client.Main = TemporaryClient()
