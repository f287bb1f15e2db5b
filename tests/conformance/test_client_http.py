"""What both clients do with the service's URL and with ``http_client_args``."""

import subprocess
import sys
from pathlib import Path

import httpx
import httpx2
import pytest

from heksher import ArgumentTypeError, Setting
from heksher.exceptions import ServiceError, TransportError
from tests.support.drivers import NO_INTERVAL, Driver
from tests.support.fake_service import QUERY, FakeService, Gate, fail, in_turn


class OwnAuth(httpx.Auth):
    """A program's own authentication."""

    def auth_flow(self, request):
        request.headers["Authorization"] = httpx.BasicAuth("u", "p")._auth_header
        yield request


def urls(service: FakeService) -> set[str]:
    """List what was asked, without queries."""
    return {str(request.url.copy_with(query=None)) for _, request in service.calls}


def headers(service: FakeService, name: str) -> set[str | None]:
    """List the values of a header in all requests."""
    return {request.headers.get(name) for _, request in service.calls}


@pytest.mark.parametrize("url", ["http://heksher.test", "http://heksher.test/", "http://heksher.test:80"])
def test_the_url_of_the_service(driver: Driver, service: FakeService, url: str):
    """A slash at the end, and the port that is the usual one, make no difference."""
    driver.start(service, url=url)
    assert {"http://heksher.test/api/v1/context_features", "http://heksher.test/api/v1/query"} == urls(service)


@pytest.mark.parametrize("url", ["http://proxy.test:8080/heksher", "http://proxy.test:8080/heksher/"])
def test_a_service_below_a_path(driver: Driver, service: FakeService, url: str):
    """A path in the URL comes before each path of the API."""
    setting = Setting("s", int, ["a"], 0)
    seen = []

    def strip_prefix(request: httpx2.Request) -> httpx2.Response:
        seen.append(str(request.url.copy_with(query=None)))
        path = request.url.path.removeprefix("/heksher")
        return service.handle(
            httpx2.Request(
                request.method, request.url.copy_with(path=path), headers=request.headers, content=request.content
            )
        )

    client = driver.start(service, url=url, http_client_args={"transport": httpx2.MockTransport(strip_prefix)})
    client.ping()
    prefix = "http://proxy.test:8080/heksher/api"
    paths = ["v1/context_features", "v1/settings/declare", "v1/query", "health"]
    assert ([f"{prefix}/{path}" for path in paths], 0) == (seen, setting.get())


@pytest.mark.trap(28)
@pytest.mark.parametrize(
    ("credentials", "expected"),
    [
        ("user:p%40ss", ("user", "p@ss")),
        ("user", ("user", "")),
        ("us%3Aer:%2F%3F%23", ("us:er", "/?#")),
        ("%C3%BC:%C3%9F", ("ü", "ß")),
    ],
)
def test_credentials_in_the_url(driver: Driver, service: FakeService, credentials: str, expected: tuple[str, str]):
    """They are sent as basic authentication, decoded, and not as a part of the URL."""
    driver.start(service, url=f"http://{credentials}@heksher.test")
    assert {httpx2.BasicAuth(*expected)._auth_header} == headers(service, "Authorization")
    assert {b""} == {request.url.userinfo for _, request in service.calls}


def test_explicit_credentials_win(driver: Driver, service: FakeService):
    """``auth`` in ``http_client_args`` is used in place of what the URL says, unless it is ``None``."""
    for auth, expected in ((("me", "mine"), ("me", "mine")), (None, ("user", "pass"))):
        service.calls.clear()
        args = {**service.client_args, "auth": auth}
        client = driver.start(service, url="http://user:pass@heksher.test", http_client_args=args)
        client.close()
        assert {httpx2.BasicAuth(*expected)._auth_header} == headers(service, "Authorization")


@pytest.mark.parametrize(
    "url",
    [
        "",
        "heksher",
        "heksher:80",
        "//heksher",
        "ftp://heksher",
        "http://",
        "http://:80",
        "http://heksher:port",
        "http://[::1",
        "http://heksher/?x=1",
        "http://heksher/#x",
        5,
    ],
)
def test_impossible_urls_are_refused(driver: Driver, service: FakeService, url: object):
    """A client can be created with any; each use is an error of the HTTP library, which names the option."""
    client = driver.create(service, url=url)
    for use in (client.ping, client.get_settings):
        with pytest.raises(httpx2.HTTPError, match="service_url"):
            use()
    assert [] == service.calls


@pytest.mark.trap(28)
@pytest.mark.parametrize(
    "url",
    [
        "ftp://user:s3cret@heksher",
        "http://user:s3cret@heksher/?x=1",
        "http://user:s3cret@",
        "http://user:s3cret@heksher:port",
        "http://user:s3cret@[::1",
        "http://user:s3cret@he\u2100ksher",
        "http://user:s3cret\n@heksher",
    ],
)
def test_errors_about_urls_keep_credentials_secret(driver: Driver, service: FakeService, url: str):
    """An impossible URL is shown without its password."""
    client = driver.create(service, url=url)
    with pytest.raises(ServiceError) as caught:
        client.ping()
    error: BaseException | None = caught.value
    while error is not None:
        assert "s3cret" not in f"{error} {error!r}"
        error = error.__cause__ or error.__context__


def test_headers_go_with_every_request(driver: Driver, service: FakeService):
    """As in the published example: ``http_client_args={'headers': {'api_token': ...}}``."""
    setting = Setting("s", int, ["a"], 0)
    args = {**service.client_args, "headers": {"api_token": "token"}}
    client = driver.start(service, http_client_args=args)
    client.ping()
    client.get_settings()
    assert ({"token"}, 0, 5) == (headers(service, "api_token"), setting.get(), len(service.calls))


def test_params_go_with_every_request(driver: Driver, service: FakeService):
    """Query parameters of the program's own are added to those of the API."""
    setting = Setting("s", int, ["a"], 0)
    client = driver.start(service, http_client_args={**service.client_args, "params": {"tenant": "x"}})
    client.ping()
    assert ({"x"}, 0) == ({request.url.params.get("tenant") for _, request in service.calls}, setting.get())
    assert {"tenant", "settings", "context_filters", "include_metadata"} == service.queries()[0].keys()


def test_arguments_are_left_alone(driver: Driver, service: FakeService):
    """The program's dictionary stays as it was, and later changes to it do not matter."""
    args = service.client_args
    before = dict(args)
    client = driver.create(service, url="http://user:pass@heksher.test", http_client_args=args)
    assert before == args
    args.clear()
    client.start()
    assert service.calls


def test_unknown_arguments_are_the_constructors_error(driver: Driver, service: FakeService):
    """What the HTTP client does not take is an error at once, not at the first request; it says whose arguments."""
    with pytest.raises(ArgumentTypeError, match=r"http_client_args are not what httpx2 takes: .*nonsense"):
        driver.create(service, http_client_args={"nonsense": 1})


@pytest.mark.parametrize("args", [5, ["headers"], "headers"])
def test_arguments_that_are_no_mapping(driver: Driver, service: FakeService, args: object):
    """They are the constructor's error, too."""
    with pytest.raises(ArgumentTypeError, match="http_client_args must be a mapping of keyword arguments, not a "):
        driver.client_class(service.url, 60, ["a"], http_client_args=args)


# ---- objects of httpx


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"auth": httpx.BasicAuth("user", "pass")},
        {"limits": httpx.Limits(max_connections=3), "timeout": httpx.Timeout(3.0)},
        {"headers": httpx.Headers({"x": "y"}), "cookies": httpx.Cookies({"c": "d"})},
    ],
    ids=["transport", "auth", "limits and timeout", "headers and cookies"],
)
def test_objects_of_httpx(driver: Driver, service: FakeService, more: dict):
    """A program that gives objects of httpx gets a client on httpx, and its errors."""
    setting = Setting("s", int, ["a"], 0)
    service.add_rule("s", 1, 10, a="x")
    client = driver.start(service, http_client_args={**service.httpx_client_args, **more})
    assert 10 == setting.get(a="x")
    client.reload()
    client.ping()
    if "auth" in more:
        assert {httpx.BasicAuth("user", "pass")._auth_header} == headers(service, "Authorization")
    service.behaviours["GET /api/health"] = lambda _request: httpx2.Response(500)
    with pytest.raises(httpx.HTTPStatusError) as caught:
        client.ping()
    assert isinstance(caught.value.response, httpx.Response)
    assert isinstance(caught.value.request, httpx.Request)


@pytest.mark.parametrize("make_auth", [lambda: httpx.BasicAuth("u", "p"), OwnAuth], ids=["basic", "own"])
def test_auth_objects_of_httpx_alone(driver: Driver, service: FakeService, make_auth):
    """Also where nothing else is of httpx: the transport is chosen to fit."""
    args = {"mounts": {"all://": service.httpx_client_args["transport"]}, "auth": make_auth()}
    driver.start(service, http_client_args=args)
    assert {httpx.BasicAuth("u", "p")._auth_header} == headers(service, "Authorization")


def test_credentials_in_the_url_with_httpx(driver: Driver, service: FakeService):
    """The URL's credentials are sent with httpx, too."""
    driver.start(service, url="http://user:p%40ss@heksher.test", http_client_args=service.httpx_client_args)
    assert {httpx.BasicAuth("user", "p@ss")._auth_header} == headers(service, "Authorization")


# ---- a service that does not answer

PROGRAM = """
import socket, sys, threading, heksher
silent = socket.create_server(("127.0.0.1", 0), backlog=100)
settings = [heksher.Setting(f"s{number}", int, ["a"], 0) for number in range(40)]
client = heksher.ThreadHeksherClient(
    f"http://127.0.0.1:{silent.getsockname()[1]}", 60, ["a"], http_client_args={"timeout": None}, start_timeout=0.2
)
features = b'{"context_features": ["a"]}'
head = b"HTTP/1.1 200 OK\\r\\nHeksher-Capabilities: aliases\\r\\nContent-Length: %d\\r\\n\\r\\n"

def answer_first():
    connection, _ = silent.accept()
    connection.recv(100_000)
    connection.sendall(head % len(features) + features)
    kept.append(connection)

kept = []
threading.Thread(target=answer_first, daemon=True).start()
client.set_as_main()
assert [0] * 40 == [setting.get() for setting in settings]
assert any(thread.name.startswith("heksher-request") for thread in threading.enumerate())
print("fine")
"""


@pytest.mark.trap(26)
def test_a_silent_service_does_not_keep_a_program_from_ending(tmp_path: Path):
    """A program can end while many declarations wait for a service without any time limit."""
    script = tmp_path / "program.py"
    script.write_text(PROGRAM, encoding="utf-8")
    result = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=60, check=False)
    assert ("fine\n", 0) == (result.stdout, result.returncode), result.stderr


def test_requests_of_one_flow_keep_their_order(driver: Driver, service: FakeService):
    """Answers that come in any order are taken for what they answer."""
    service.capabilities = ["aliases"]
    settings = [Setting(f"s{number}", int, ["a"], 0) for number in range(16)]
    usual = service.usual("POST /api/v1/settings/declare")
    first = Gate()

    def hold_first(request: httpx2.Request) -> httpx2.Response:
        if b'"s0"' in request.content:
            return first.hold(lambda _request: httpx2.Response(422, text="only this one"))(request)
        response = usual(request)
        if b'"s15"' in request.content:
            first.open()
        return response

    with service.behaving("POST /api/v1/settings/declare", hold_first):
        client = driver.start(service)
    refused = {name for name, status in client.native.status.settings.items() if not status.is_declared}
    assert {"s0"} == refused
    assert {setting.name for setting in settings[1:]} == service.settings.keys()


def test_a_query_whose_connection_was_closed_is_sent_once_more(driver: Driver, service: FakeService):
    """As happens to a connection that was kept, when the service or a proxy is restarted: no update fails by that."""
    closed = fail(httpx2.RemoteProtocolError("Server disconnected without sending a response."))
    client = driver.start(service, interval_s=NO_INTERVAL)
    before = len(service.asked(QUERY))
    with service.behaving(QUERY, in_turn(closed, service.usual(QUERY))):
        client.reload()
    assert 2 == len(service.asked(QUERY)) - before
    with service.behaving(QUERY, closed), pytest.raises(TransportError):
        client.reload()
    assert 4 == len(service.asked(QUERY)) - before
