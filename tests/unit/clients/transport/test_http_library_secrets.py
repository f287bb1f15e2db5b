"""No credentials in logs or errors, whichever way they are given and however a request ends; and redirects.

Everything goes over real sockets, so that all that the HTTP libraries log of it, down to DEBUG, is seen.
"""

import base64
import logging
import ssl
from collections.abc import Iterator
from typing import Any

import httpx
import httpx2
import pytest

from heksher.clients.conversation.exchange import Flow, Outcome, Request, Response
from heksher.clients.conversation.response_reader import expect
from heksher.clients.transport.async_transport import AsyncTransport
from heksher.clients.transport.http_errors import as_http_error
from heksher.clients.transport.identity import Identity
from heksher.clients.transport.sender import DEFAULT_LIMITS, Limits
from heksher.clients.transport.thread_transport import ThreadTransport
from heksher.exceptions import ServiceError, StatusError, TransportError
from tests.support.drivers import AsyncDriver, Driver, ThreadDriver
from tests.support.raw_service import Handler, RawConnection, RawService, always, answer_with

REQUEST = Request("GET", "/api/health")
SECRET = "s3cret"  # noqa: S105 - it is to be found, or rather not
SECRETS = (SECRET, base64.b64encode(f"me:{SECRET}".encode()).decode())
SHORT = Limits(request_timeout_s=0.2)
OK = always(answer_with(body=b"{}"))

# Making one takes longer than most of these tests.
TLS = ssl.create_default_context()


def ask() -> Flow[Outcome]:
    return (yield (REQUEST,))[0]


@pytest.fixture(params=["async", "thread"])
def driver(request: pytest.FixtureRequest) -> Iterator[Driver]:
    driver = {"async": AsyncDriver, "thread": ThreadDriver}[request.param]()
    yield driver
    driver.stop()


class Send:
    """Sends one request with a transport of its own.

    Attributes:
        library: the HTTP library that it is sent with.
    """

    def __init__(self, driver: Driver, library: Any) -> None:
        self.library = library
        self._driver = driver

    def __call__(self, url: str, limits: Limits = DEFAULT_LIMITS, **client_args: Any) -> Outcome:
        kind = AsyncTransport if isinstance(self._driver, AsyncDriver) else ThreadTransport
        identity = Identity(client_args.pop("token", None))
        args = {"timeout": self.library.Timeout(None), "trust_env": False, "verify": TLS, **client_args}
        transport: Any = self._driver.run(kind, url, args, limits, identity)
        try:
            outcome: Outcome = self._driver.run(transport.run, ask())
        finally:
            self._driver.run(transport.close)
        return outcome


@pytest.fixture(params=[httpx2, httpx], ids=["httpx2", "httpx"])
def send(request: pytest.FixtureRequest, driver: Driver, caplog: pytest.LogCaptureFixture) -> Send:
    """What sends requests, with all that is logged written down."""
    caplog.set_level(logging.DEBUG)
    return Send(driver, request.param)


def tell(error: BaseException | None) -> Iterator[str]:
    """Return the texts of an error, and of all that it comes from."""
    if error is not None:
        yield f"{error} {error!r}"
        yield from tell(error.__cause__)
        yield from tell(error.__context__)


def as_error(outcome: Outcome) -> ServiceError:
    """Return the error that a program gets of an outcome that is none of its wishes."""
    with pytest.raises(ServiceError) as raised:
        expect(REQUEST, outcome, 299)
    return as_http_error(raised.value)


def expect_no_secrets(caplog: pytest.LogCaptureFixture, outcome: Outcome) -> None:
    """Nothing that was logged, and no error that comes of an outcome, shows a secret."""
    native = outcome.native
    native_texts = tell(native) if isinstance(native, BaseException) else iter([repr(native)])
    texts = [*tell(as_error(outcome)), *native_texts, *(record.getMessage() for record in caplog.records)]
    # The libraries do log, at least that they connect.
    assert len(texts) > 4
    assert [] == [text for text in texts if any(secret in text for secret in SECRETS)]


WAYS: dict[str, dict[str, Any]] = {
    "in the URL": {"headers": {"api_token": SECRET}, "cookies": {"session": SECRET}},
    "auth": {"auth": ("me", SECRET), "headers": {"Proxy-Authorization": f"Bearer {SECRET}"}},
    "token": {"token": SECRET},
    "callable": {"token": lambda: SECRET},
}
ways = pytest.mark.parametrize("way", WAYS)


def cut(connection: RawConnection) -> None:
    connection.receive()


def speak_another_language(connection: RawConnection) -> None:
    connection.receive()
    connection.send(b"220 mail.test ESMTP\r\n")


def challenge(connection: RawConnection) -> None:
    while connection.receive():
        connection.send(answer_with(b'WWW-Authenticate: Basic realm="x"\r\n', b"who?", "401 Unauthorized"))


ENDS: dict[str, Handler] = {
    "success": OK,
    "status": challenge,
    "no HTTP": speak_another_language,
    "cut": cut,
    "silence": RawConnection.hang,
}


def add_credentials(url: str, way: str) -> str:
    return url.replace("://", f"://me:{SECRET}@") if way == "in the URL" else url


@pytest.mark.trap(28)
@ways
@pytest.mark.parametrize("handle", ENDS.values(), ids=ENDS)
def test_credentials(send: Send, caplog: pytest.LogCaptureFixture, way: str, handle: Handler) -> None:
    """However credentials are given, and however a request ends, they are sent to the service and shown nowhere."""
    requests = []

    def note(connection: RawConnection) -> None:
        receive = connection.receive
        connection.receive = lambda: requests.append(request := receive()) or request  # type: ignore[method-assign]
        handle(connection)

    is_silent = handle is RawConnection.hang
    with RawService(handle if is_silent else note) as service:
        limits = SHORT if is_silent else DEFAULT_LIMITS
        outcome = send(add_credentials(service.url, way), limits, **WAYS[way])
    assert not requests or any(secret in requests[0].decode() for secret in SECRETS)
    expect_no_secrets(caplog, outcome)


@pytest.mark.trap(28)
@ways
def test_credentials_for_nobody(send: Send, caplog: pytest.LogCaptureFixture, way: str) -> None:
    """Nor are they shown where there is no service."""
    with RawService(OK) as service:
        url = add_credentials(service.url, way)
    outcome = send(url, **WAYS[way])
    assert "ConnectError" in str(outcome)
    expect_no_secrets(caplog, outcome)


@pytest.mark.trap(28)
@pytest.mark.parametrize("status", ["200 OK", "407 Proxy Authentication Required"])
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_proxy(send: Send, caplog: pytest.LogCaptureFixture, scheme: str, status: str) -> None:
    """The password of a proxy is shown nowhere either."""
    requests = []

    def note(connection: RawConnection) -> None:
        requests.append(connection.receive())
        connection.send(answer_with(status=status))

    with RawService(note) as proxy:
        outcome = send(f"{scheme}://heksher.test", proxy=f"http://me:{SECRET}@127.0.0.1:{proxy.port}")
    assert SECRETS[1].encode() in requests[0]
    expect_no_secrets(caplog, outcome)


@pytest.mark.trap(28)
@pytest.mark.parametrize(
    "proxy", ["ftp://me:s3cret@h", "http://me:s3cret@h:port", "http://me:s3cret\n@h", "me:s3cret@h:80"]
)
def test_impossible_proxy(send: Send, proxy: str) -> None:
    """A proxy that cannot be one is the constructor's error, which does not show its password."""
    with pytest.raises((ValueError, httpx.InvalidURL, httpx2.InvalidURL)) as raised:
        send("http://heksher.test", proxy=proxy)
    assert [] == [text for text in tell(raised.value) if SECRET in text]


@pytest.mark.trap(28)
def test_header_that_cannot_be_sent(send: Send, caplog: pytest.LogCaptureFixture) -> None:
    """A token that was read with the line's end is not sent, and not shown."""
    with RawService(OK) as service:
        outcome = send(service.url, headers={"api_token": f"{SECRET}\n"})
    assert str(outcome).endswith(
        "RefusedRequestError: the value of the header 'api_token' has space around it, or line breaks"
    )
    assert not any(SECRET in text for text in (caplog.text, *tell(as_error(outcome))))


# ---- redirects


def redirect(location: str) -> bytes:
    head = f"Location: {location}\r\n".encode()
    return answer_with(head, f"it is at {location}".encode(), "307 Temporary Redirect")


@pytest.mark.trap(28)
def test_redirect_is_refused(send: Send, caplog: pytest.LogCaptureFixture) -> None:
    """Without having been asked to, nobody is followed; the error says where to, without credentials and query."""
    location = f"http://me:{SECRET}@other.test:81/path?token={SECRET}#{SECRET}"
    with RawService(always(redirect(location))) as service:
        outcome = send(service.url)
    error = as_error(outcome)
    assert isinstance(error, StatusError)
    assert (307, "'http://other.test:81/path'") == (error.status, str(error).split("a redirect to ")[1].split(",")[0])
    # The query is not masked in the library's log: there it is one of all the headers.
    assert f"{SECRET}@" not in caplog.text
    assert [] == [text for text in tell(error) if SECRET in text]


@pytest.mark.trap(28)
def test_redirect_is_followed(send: Send, caplog: pytest.LogCaptureFixture) -> None:
    """Who asks for it is taken to where a redirect goes: credentials only within one origin, and never in the log."""
    requests: list[bytes] = []

    def note(connection: RawConnection) -> None:
        while request := connection.receive():
            requests.append(request)
            is_first = request.startswith(b"GET /api")
            connection.send(redirect("/other") if is_first else redirect(elsewhere))

    def note_elsewhere(connection: RawConnection) -> None:
        requests.append(connection.receive())
        connection.send(answer_with(body=b"{}"))

    with RawService(note) as service, RawService(note_elsewhere) as other:
        elsewhere = f"http://you:{SECRET}@127.0.0.1:{other.port}/"
        outcome = send(service.url.replace("://", f"://me:{SECRET}@"), follow_redirects=True)
    assert isinstance(outcome, Response)
    assert [True, True, False] == [b"authorization: basic " in request.lower() for request in requests]
    expect_no_secrets(caplog, outcome)


def test_body_of_a_redirect(send: Send) -> None:
    """The answers on the way are subject to the same limits."""

    def handle(connection: RawConnection) -> None:
        connection.receive()
        connection.send(b"HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 1000000000000\r\n\r\n")
        connection.hang()

    with RawService(handle) as service:
        outcome = send(service.url, follow_redirects=True)
    assert "max_response_bytes" in str(outcome)


def test_redirect_for_ever(send: Send) -> None:
    """A circle of redirects comes to an end."""
    with RawService(always(redirect("/"))) as service:
        outcome = send(service.url, follow_redirects=True)
    assert "TooManyRedirects" in str(outcome)


@pytest.mark.trap(28)
def test_redirect_to_plain_text(send: Send, caplog: pytest.LogCaptureFixture) -> None:
    """From https nobody is followed to http."""
    asked = []

    def answer(request: Any) -> Any:
        asked.append(str(request.url))
        return send.library.Response(302, headers={"Location": f"http://me:{SECRET}@other.test/?{SECRET}"})

    transport = send.library.MockTransport(answer)
    outcome = send("https://heksher.test", transport=transport, follow_redirects=True)
    assert isinstance(outcome, TransportError)
    assert "it is redirected to http://other.test/, which is not encrypted" in str(outcome)
    assert ["https://heksher.test/api/health"] == asked
    assert not any(SECRET in text for text in (caplog.text, *tell(as_error(outcome))))
