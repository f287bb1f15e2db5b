"""The errors of both clients, as existing programs catch them: by the classes of httpx."""

import copy
import pickle
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import httpx2
import pytest

from heksher import Setting
from heksher.exceptions import (
    HeksherError,
    InvalidOptionError,
    InvalidResponseError,
    ServiceError,
    StatusError,
    TransportError,
)
from tests.support.drivers import Driver
from tests.support.fake_service import (
    FEATURES,
    HEALTH,
    QUERY,
    SETTINGS,
    Behaviour,
    FakeService,
    answer,
    fail,
)

# How a request may fail: (behaviour, our class, the class of httpx).
FAILURES = {
    "status": (answer(500, "oops"), StatusError, "HTTPStatusError"),
    "redirect": (answer(302), StatusError, "HTTPStatusError"),
    "not JSON": (answer(200, "<html>"), InvalidResponseError, "DecodingError"),
    "another shape": (answer(200, []), InvalidResponseError, "DecodingError"),
    "refused": (fail(httpx2.ConnectError("no")), TransportError, "ConnectError"),
    "connect timeout": (fail(httpx2.ConnectTimeout("no")), TransportError, "ConnectTimeout"),
    "read timeout": (fail(httpx2.ReadTimeout("no")), TransportError, "ReadTimeout"),
    "broken off": (fail(httpx2.RemoteProtocolError("no")), TransportError, "RemoteProtocolError"),
    "redirects": (fail(httpx2.TooManyRedirects("no")), TransportError, "TooManyRedirects"),
    "unforeseen": (fail(OSError("no")), TransportError, "TransportError"),
    "timeout of a transport": (fail(TimeoutError("no")), TransportError, "TimeoutException"),
}
failures = pytest.mark.parametrize(("behaviour", "kind", "name"), FAILURES.values(), ids=FAILURES.keys())

# Which call meets which path.
CALLS = {"set_as_main": QUERY, "reload": QUERY, "ping": HEALTH, "get_settings": SETTINGS}


def provoke(driver: Driver, service: FakeService, method: str, behaviour: Behaviour) -> ServiceError:
    """Have a call fail, and return its error."""
    client = driver.create(service, on_start_failure="raise")
    if method == "reload":
        client.start()
    with service.behaving(CALLS[method], behaviour), pytest.raises(ServiceError) as caught:
        client.call(method)
    return caught.value


@failures
@pytest.mark.parametrize("method", CALLS)
def test_errors_are_of_httpx_and_of_httpx2(
    driver: Driver, service: FakeService, method: str, behaviour: Behaviour, kind: type[Exception], name: str
):
    """Each call raises an error that is ours, and of the same class in either HTTP library."""
    error = provoke(driver, service, method, behaviour)
    assert isinstance(error, kind)
    assert isinstance(error, HeksherError)
    assert isinstance(error, getattr(httpx2, name))
    assert isinstance(error, getattr(httpx, name))


@pytest.mark.parametrize("method", CALLS)
def test_a_status_error_has_request_and_response(driver: Driver, service: FakeService, method: str):
    """``error.response`` and ``error.request`` are those of the failed request."""
    error = provoke(driver, service, method, answer(503, "oops"))
    assert (503, "oops") == (error.response.status_code, error.response.text)
    assert CALLS[method].partition(" ")[2] == error.request.url.path
    assert CALLS[method] in str(error)
    assert "503: oops" in str(error)


def test_a_transport_error_has_a_request(driver: Driver, service: FakeService):
    """``error.request`` is the request that got no answer, and the cause is the library's own error."""
    native = httpx2.ConnectError("refused")
    error = provoke(driver, service, "ping", fail(native))
    assert ("/api/health", native, native) == (error.request.url.path, error.native, error.__cause__)
    assert "GET /api/health got no answer from http://heksher.test: ConnectError: refused" == str(error)


# ---- whose fault it is


@pytest.fixture
def closed_port() -> Iterator[int]:
    """A port of this machine that refuses connections, and that nobody else gets meanwhile."""
    with socket.socket() as unheard:
        unheard.bind(("127.0.0.1", 0))
        yield unheard.getsockname()[1]


def ping(driver: Driver, url: str, http_client_args: dict[str, Any]) -> TransportError:
    client = driver.create(FakeService("a"), url=url, http_client_args=http_client_args)
    with pytest.raises(TransportError) as caught:
        client.ping()
    return caught.value


@pytest.mark.parametrize("url", ["http://heksher.test", "https://heksher.test:8443/path"])
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_proxy_that_is_down(driver: Driver, closed_port: int, url: str, host: str):
    """It is named, as the service may be well."""
    error = ping(driver, url, {"proxy": f"http://{host}:{closed_port}"})
    text = f"GET /api/health got no answer from {url}: the proxy {host}:{closed_port} cannot be reached: ConnectError: "
    assert text in str(error)
    assert isinstance(error, httpx2.ConnectError)


def test_a_proxy_of_the_environment_that_is_down(driver: Driver, closed_port: int, monkeypatch: pytest.MonkeyPatch):
    """The same holds for one that only the environment names."""
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{closed_port}")
    assert f"the proxy 127.0.0.1:{closed_port} cannot be reached" in str(ping(driver, "http://heksher.test", {}))


@pytest.mark.trap(28)
@pytest.mark.parametrize("proxy", ["ftp://u:secret@host", "http://u:secret@[::1", "http://u:sec/ret@host"])
@pytest.mark.parametrize("is_argument", [True, False])
def test_a_proxy_that_cannot_be_used(driver: Driver, monkeypatch: pytest.MonkeyPatch, proxy: str, *, is_argument: bool):
    """The error names where it may come from, and nothing of it."""
    if not is_argument:
        monkeypatch.setenv("HTTP_PROXY", proxy)
    with pytest.raises(InvalidOptionError, match="http_client_args\\['proxy'\\]") as caught:
        driver.create(FakeService("a"), http_client_args={"proxy": proxy} if is_argument else {})
    assert (False, False) == ("secret" in str(caught.value), "ret@" in str(caught.value))
    assert caught.value.__cause__ is None


def test_a_proxy_of_the_environment_that_needs_another_package(driver: Driver, monkeypatch: pytest.MonkeyPatch):
    """The error says which."""
    monkeypatch.setenv("ALL_PROXY", "socks5://host")
    with pytest.raises(InvalidOptionError, match="socksio"):
        driver.create(FakeService("a"), http_client_args={})


def test_a_service_that_is_down_is_no_proxy(driver: Driver, closed_port: int):
    """Without a proxy, nothing is said of one."""
    error = ping(driver, f"http://127.0.0.1:{closed_port}", {})
    assert "proxy" not in str(error)
    assert f"got no answer from http://127.0.0.1:{closed_port}: ConnectError: " in str(error)


class FailingAuth(httpx2.Auth):
    """An authentication that fails for every request."""

    def auth_flow(self, request: httpx2.Request) -> Iterator[httpx2.Request]:
        raise KeyError("TOKEN")
        yield request


class FailingAnswerAuth(httpx2.Auth):
    """An authentication that fails once it has an answer, as one does that reads a challenge."""

    def auth_flow(self, request: httpx2.Request) -> Iterator[httpx2.Request]:
        yield request
        raise KeyError("TOKEN")


def fail_auth(_request: httpx2.Request) -> httpx2.Request:
    raise KeyError("TOKEN")


@pytest.mark.parametrize("auth", [fail_auth, FailingAuth(), FailingAnswerAuth()], ids=["function", "flow", "answer"])
def test_authentication_that_fails(driver: Driver, service: FakeService, auth: Any):
    """An error of ``auth`` is the program's, and named as such; its cause is what was raised."""
    error = ping(driver, service.url, {**service.client_args, "auth": auth})
    text = "GET /api/health failed in the program's own code: http_client_args['auth'] raised KeyError: 'TOKEN'"
    assert (text, KeyError) == (str(error), type(error.__cause__))


def test_authentication_that_cannot_reach_its_own_service(driver: Driver, service: FakeService):
    """An error of an HTTP library keeps its class, and is told as that of ``auth`` all the same."""

    def ask_for_token(request: httpx2.Request) -> httpx2.Request:
        raise httpx2.ConnectError("no tokens today", request=request)

    error = ping(driver, service.url, {**service.client_args, "auth": ask_for_token})
    assert isinstance(error, httpx2.ConnectError)
    assert str(error).endswith("http_client_args['auth'] raised ConnectError: no tokens today")


class CountingAuth(httpx2.Auth):
    """An authentication in two steps, as that of a digest is."""

    requires_response_body = True

    def auth_flow(self, request: httpx2.Request) -> Iterator[httpx2.Request]:
        response = yield request
        request.headers["Authorization"] = response.json()["challenge"]
        yield request


def test_authentication_in_several_steps(driver: Driver, service: FakeService):
    """It sees the answer, and sends the request once more."""
    seen: list[str | None] = []

    def challenge(request: httpx2.Request) -> httpx2.Response:
        seen.append(request.headers.get("Authorization"))
        return httpx2.Response(200 if seen[-1] else 401, json={"challenge": "x"})

    with service.behaving(HEALTH, challenge):
        driver.create(service, http_client_args={**service.client_args, "auth": CountingAuth()}).ping()
    assert [None, "x"] == seen


@pytest.mark.parametrize("event", ["request", "response"])
def test_hooks_that_fail(driver: Driver, service: FakeService, event: str):
    """An error of a hook is the program's, too."""

    def fail_hook(_subject: object) -> None:
        raise RuntimeError("no room")

    async def fail_async_hook(_subject: object) -> None:
        raise RuntimeError("no room")

    hook = fail_async_hook if driver.kind == "async" else fail_hook
    error = ping(driver, service.url, {**service.client_args, "event_hooks": {event: [hook]}})
    text = "failed in the program's own code: http_client_args['event_hooks'] raised RuntimeError: no room"
    assert f"GET /api/health {text}" == str(error)


@failures
def test_errors_can_be_pickled_and_copied(
    driver: Driver, service: FakeService, behaviour: Behaviour, kind: type[Exception], name: str
):
    """As multiprocessing and task queues do; the message and our class survive."""
    error = provoke(driver, service, "ping", behaviour)
    pickled = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own bytes
    for same in (pickled, copy.copy(error), copy.deepcopy(error)):
        assert (kind, str(error)) == (type(same), str(same))


def test_long_answers_are_shortened(driver: Driver, service: FakeService):
    """An error page of megabytes does not become a message of megabytes."""
    error = provoke(driver, service, "ping", answer(500, "x" * 1_000_000))
    assert len(str(error)) < 1000


def test_answers_that_are_no_text(driver: Driver, service: FakeService):
    """Bytes that are not UTF-8 are shown as far as possible."""
    error = provoke(driver, service, "ping", lambda _request: httpx2.Response(200, content=b"\xff\xfe{"))
    assert isinstance(error, InvalidResponseError)


@pytest.mark.trap(25)
def test_get_settings(driver: Driver, service: FakeService):
    """All settings of the service come by name, with all their attributes; no start is needed."""
    service.set_default("one", 1)
    service.set_default("old", {"k": [1]})
    service.rename("old", "new")
    settings = driver.create(service).get_settings()
    assert ["new", "one"] == sorted(settings)
    new = settings["new"]
    assert ("new", ("a", "b", "c"), "int", {"k": [1]}, {}, ("old",), "1.0") == (
        new.name,
        tuple(new.configurable_features),
        new.type,
        new.default_value,
        new.metadata,
        tuple(new.aliases),
        new.version,
    )
    assert ["true"] == [request.url.params["include_additional_data"] for request in service.asked(SETTINGS)]


@pytest.mark.trap(25)
@pytest.mark.parametrize(
    "listed",
    [None, {}, [None], [{}], [{"name": "s"}], [{"name": 1, "type": "int"}]],
)
def test_get_settings_of_another_shape(driver: Driver, service: FakeService, listed: object):
    """A list that is not what the API promises is an ``httpx.HTTPError``."""
    error = provoke(driver, service, "get_settings", answer(200, {"settings": listed}))
    assert isinstance(error, InvalidResponseError)


# A program that never imports httpx itself; what it catches is found in sys.modules when the error is raised.
PROGRAM = """
import asyncio, sys, heksher
assert "httpx" not in sys.modules and "httpx2" not in sys.modules, "the HTTP library loads with the first client"

async def use_async():
    client = heksher.AsyncHeksherClient("http://127.0.0.1:9", 60, ["a"])
    try:
        await client.set_as_main()
    except Exception as error:
        return error

def use_thread():
    client = heksher.ThreadHeksherClient("http://127.0.0.1:9", 60, ["a"])
    try:
        client.ping()
    except Exception as error:
        return error

for use in (lambda: asyncio.run(use_async()), use_thread):
    error = use()
    import httpx2
    assert isinstance(error, httpx2.ConnectError), type(error).__mro__
    assert isinstance(error, heksher.exceptions.TransportError)
    assert "httpx" not in sys.modules

import httpx
for use in (lambda: asyncio.run(use_async()), use_thread):
    error = use()
    assert isinstance(error, httpx.ConnectError) and isinstance(error, httpx2.ConnectError)
print("fine")
"""


def test_a_program_without_httpx(tmp_path: Path):
    """Errors are httpx2's where httpx is not imported, httpx is never imported for them, and both where it is."""
    script = tmp_path / "program.py"
    script.write_text(PROGRAM, encoding="utf-8")
    result = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=60, check=False)
    assert ("fine\n", 0) == (result.stdout, result.returncode), result.stderr


def test_a_program_that_catches_httpx(driver: Driver, service: FakeService):
    """The ``except`` clauses of existing programs work."""
    client = driver.create(service, on_start_failure="raise")
    caught = []
    for behaviour in (answer(500), fail(httpx2.ConnectError("no")), fail(httpx2.PoolTimeout("no"))):
        with service.behaving(FEATURES, behaviour):
            try:
                client.start()
            except httpx.HTTPStatusError as error:
                caught.append(error.response.status_code)
            except httpx.TimeoutException as error:
                caught.append(error.request.method)
            except httpx.ConnectError as error:
                caught.append(str(error.request.url))
    assert [500, "http://heksher.test/api/v1/context_features", "GET"] == caught


def test_errors_of_values_are_not_wrapped(driver: Driver, service: FakeService):
    """An error inside one setting is no error of the update."""
    setting = Setting("s", int, ["a"], 0)
    service.set_default("s", "wrong")
    driver.start(service).reload()
    assert 0 == setting.get()
