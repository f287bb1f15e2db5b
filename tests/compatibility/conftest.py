"""Fixtures for tests that hold for the published client 0.2.2 as well.

They use nothing of this project: on the published package they run in an environment that has nothing of it.
"""

import asyncio
import inspect
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

import heksher
from heksher import main_client

IS_OURS = heksher.__version__ != "0.2.2"


class OldService:
    """A service with the context features ``a`` and ``b``, as far as a client asks it.

    Attributes:
        calls: what was asked: method and path.
        declared: the bodies of declarations.
        default_value: the default of every setting.
        rules: the rules of every setting.
    """

    def __init__(self) -> None:
        self.calls: list[tuple[str, str]] = []
        self.declared: list[dict[str, Any]] = []
        self.default_value: Any = 1
        self.rules: list[dict[str, Any]] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        """Answer, as the transport of a client."""
        path = request.url.path.removeprefix("/api/v1/")
        self.calls.append((request.method, path))
        return getattr(self, f"_answer_{path.replace('/', '_')}")(request)

    def _answer_context_features(self, _request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, json={"context_features": ["a", "b"]})

    def _answer_settings_declare(self, request: httpx.Request) -> httpx.Response:
        self.declared.append(httpx.Response(200, content=request.content).json())
        return httpx.Response(200, json={"outcome": "created"})

    def _answer_settings(self, _request: httpx.Request) -> httpx.Response:
        setting = {
            "name": "size",
            "configurable_features": ["a", "b"],
            "type": "int",
            "default_value": 1,
            "metadata": {"owner": "me"},
            "aliases": ["width"],
            "version": "1.0",
        }
        return httpx.Response(200, json={"settings": [setting]})

    def _answer_query(self, request: httpx.Request) -> httpx.Response:
        answer = {"default_value": self.default_value, "rules": self.rules}
        names = request.url.params["settings"].split(",")
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
        arguments = {"transport": httpx.MockTransport(service)} if url.startswith("http") else {}
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
