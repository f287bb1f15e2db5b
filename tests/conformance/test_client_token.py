"""Both clients with a token: it goes with every request, is renewed, and is seen by nobody else."""

import json
import logging
import os
import pickle
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx2
import pytest

from heksher import Setting
from heksher.exceptions import ArgumentTypeError, InvalidOptionError, ServiceError, StatusError, TransportError
from heksher.version import __version__
from tests.support.drivers import SHORT_S, Driver
from tests.support.event_streams import STREAM, StreamingService
from tests.support.fake_service import DECLARE, DECLARE_MANY, QUERY, FakeService, answer, fail, for_setting
from tests.support.waiting import wait_until

SECRET = "hks_s3cret-s3cret"  # noqa: S105 - it is to be found, or rather not
WANTED = {"detail": "this service wants a token"}


class Gatekeeper:
    """Lets those pass who show a token that is accepted, and notes what it is shown.

    Attributes:
        accepted: the tokens.
        shown: the credentials that came with requests, each as often as it followed upon another one.
        refused: how many requests were refused.
    """

    def __init__(self, service: FakeService) -> None:
        self.accepted = {SECRET}
        self.shown: list[str | None] = []
        self.refused = 0
        self._handle = service.handle

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        # At once, as a client uses a request again with another token.
        credential = request.headers.get("Authorization")
        if [credential] != self.shown[-1:]:
            self.shown.append(credential)
        if (credential or "").removeprefix("Bearer ") in self.accepted:
            return self._handle(request)
        self.refused += 1
        return answer(401, WANTED)(request)


@pytest.fixture
def gatekeeper(service: FakeService, monkeypatch: pytest.MonkeyPatch) -> Gatekeeper:
    """What has the service answer no request without a token, from now on."""
    gatekeeper = Gatekeeper(service)
    monkeypatch.setattr(service, "handle", gatekeeper)
    return gatekeeper


@pytest.fixture
def streams(service: FakeService, monkeypatch: pytest.MonkeyPatch) -> Iterator[StreamingService]:
    monkeypatch.setattr("heksher.clients.conversation.stream_policy.FIRST_DELAYS_S", (0.0, 0.0))
    with StreamingService(service) as streams:
        yield streams


def make_source(driver: Driver, *tokens: Any) -> Callable[[], Any]:
    """Make what returns, or raises, one after the other, the last one for good: for the asynchronous client awaited."""
    left = list(tokens)

    def find() -> Any:
        found = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(found, Exception):
            raise found
        return found

    async def find_in_loop() -> Any:
        return find()

    return find if driver.kind == "thread" else find_in_loop


# ---- with every request


def test_a_token_goes_with_every_request(driver: Driver, service: FakeService, gatekeeper: Gatekeeper):
    """From the first question to the health check."""
    service.capabilities = ["declare-many", "aliases", "post-query"]
    settings = [Setting(f"s{number}", int, ["a"], 0) for number in range(3)]
    client = driver.start(service, token=SECRET)
    client.reload()
    client.ping()
    client.get_settings()
    assert ([f"Bearer {SECRET}"], 3) == (gatekeeper.shown, len(settings))
    assert {"POST", "GET"} == {request.method for _, request in service.calls}
    assert client.native.status.settings["s2"].is_declared


def test_a_plain_callable(driver: Driver, service: FakeService, gatekeeper: Gatekeeper):
    """Either client takes a callable that returns text."""
    driver.start(service, token=lambda: SECRET)
    assert [f"Bearer {SECRET}"] == gatekeeper.shown


def test_the_token_of_a_stream(driver: Driver, service: FakeService, gatekeeper: Gatekeeper, streams: StreamingService):
    """A stream has the credential, too."""
    client = driver.start(service, url=streams.url, http_client_args={"trust_env": False}, token=SECRET)
    assert wait_until(lambda: client.native.status.is_streaming)
    assert [f"Bearer {SECRET}"] == [request.headers["Authorization"] for request in streams.asked]


def test_the_refused_token_of_a_stream(
    driver: Driver, service: FakeService, gatekeeper: Gatekeeper, streams: StreamingService
):
    """A stream whose token is refused is opened with another one at once."""
    seen = []

    def refuse_first(connection: Any) -> None:
        seen.append(connection.request.headers["Authorization"])
        gatekeeper.accepted.add("second")
        if len(seen) == 1:
            body = json.dumps(WANTED).encode()
            head = b"HTTP/1.1 401 Unauthorized\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(body)
            connection.send(head, body)
        else:
            streams.open(connection)

    streams.particular[STREAM] = refuse_first
    source = make_source(driver, SECRET, "second")
    client = driver.start(service, url=streams.url, http_client_args={"trust_env": False}, token=source)
    assert wait_until(lambda: client.native.status.is_streaming)
    client.reload()
    assert [f"Bearer {SECRET}", "Bearer second"] == seen
    assert "Bearer second" == service.calls[-1][1].headers["Authorization"]


def test_a_stream_without_a_token(driver: Driver, service: FakeService, streams: StreamingService):
    """The status says why there is no stream."""
    streams.particular[STREAM] = lambda connection: connection.send(
        b"HTTP/1.1 401 Unauthorized\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
    )
    client = driver.start(service, url=streams.url, http_client_args={"trust_env": False})
    assert wait_until(lambda: client.native.status.stream_problem is not None)
    assert "status 401: (no text); the service does not accept" in client.native.status.stream_problem


def test_the_credentials_of_existing_programs(driver: Driver, service: FakeService):
    """The headers of a program are sent as they are, and nothing beside them."""
    for name in ("api_token", "Authorization", "X-API-Key"):
        service.calls.clear()
        driver.start(service, http_client_args={**service.client_args, "headers": {name: SECRET}}).close()
        names = ("api_token", "Authorization", "X-API-Key")
        sent = [{one: request.headers[one] for one in names if one in request.headers} for _, request in service.calls]
        assert [{name: SECRET}] * len(sent) == sent


def test_nobody(driver: Driver, service: FakeService, gatekeeper: Gatekeeper):
    """Without a token there is no such header."""
    driver.create(service, on_start_failure="continue").start()
    assert [None] == gatekeeper.shown


# ---- renewed


def test_a_token_is_renewed(driver: Driver, service: FakeService, gatekeeper: Gatekeeper):
    """The first request that the service refuses brings the next token, and no update fails for it."""
    client = driver.start(service, token=make_source(driver, SECRET, "second"))
    gatekeeper.accepted.clear()
    gatekeeper.accepted.add("second")
    client.reload()
    client.reload()
    assert [f"Bearer {SECRET}", "Bearer second"] == gatekeeper.shown
    assert (1, "current", None) == (
        gatekeeper.refused,
        client.native.status.state,
        client.native.status.last_error,
    )


def test_a_token_that_stays_wrong(driver: Driver, service: FakeService, gatekeeper: Gatekeeper):
    """Two tries, then the update has failed; the next update asks for the token anew."""
    source = make_source(driver, "first", "second", SECRET)
    client = driver.create(service, on_start_failure="raise", token=source)
    with pytest.raises(httpx2.HTTPStatusError, match="401"):
        client.start()
    assert ["Bearer first", "Bearer second"] == gatekeeper.shown
    client.start()
    assert ["Bearer first", "Bearer second", f"Bearer {SECRET}"] == gatekeeper.shown


def test_a_callable_that_raises(driver: Driver, service: FakeService, gatekeeper: Gatekeeper):
    """It fails the update and is named by that; updates go on, and it is asked again."""
    setting = Setting("s", int, ["a"], 0)
    service.set_default("s", 5)
    source = make_source(driver, OSError("no such file"), OSError("no such file"), SECRET)
    client = driver.create(service, interval_s=SHORT_S, on_start_failure="continue", token=source)
    client.start()
    error = client.await_outcome()
    assert isinstance(error, TransportError)
    assert "failed in the program's own code: the callable token (" in str(error)
    assert "raised OSError: no such file" in str(error)
    client.await_success()
    assert 5 == setting.get()


def test_a_callable_that_returns_no_token(driver: Driver, service: FakeService, gatekeeper: Gatekeeper):
    """It fails the update, which shows nothing of it."""
    client = driver.create(service, on_start_failure="continue", token=make_source(driver, f"{SECRET}\n"))
    client.start()
    error = client.native.status.last_error
    assert ([], True) == (service.calls, "returned what cannot be sent: it has spaces or control characters" in error)
    assert SECRET not in error


# ---- options


@pytest.mark.parametrize(
    ("options", "kind"),
    [
        ({"token": ""}, InvalidOptionError),
        ({"token": f"{SECRET}\n"}, InvalidOptionError),
        ({"token": f"Bearer {SECRET}"}, InvalidOptionError),
        ({"token": SECRET.encode()}, ArgumentTypeError),
        ({"token": SECRET, "http_client_args": {"headers": {"Authorization": "x"}}}, InvalidOptionError),
        ({"token": SECRET, "url": "http://me:pass@heksher.test"}, InvalidOptionError),
        ({"client_name": "two words"}, InvalidOptionError),
        ({"client_name": 5}, ArgumentTypeError),
    ],
)
def test_options_that_cannot_work(driver: Driver, service: FakeService, options: dict[str, Any], kind: type[Exception]):
    """They are the constructor's error, which does not show the token."""
    with pytest.raises(kind) as caught:
        driver.create(service, **options)
    assert SECRET not in repr(caught.value)


def test_the_name_of_the_program(driver: Driver, service: FakeService):
    """It stands before the client's own in each request, which also says which process it is."""
    driver.start(service, client_name="checkout/2.3")
    assert {f"checkout/2.3 heksher/{__version__}"} == {request.headers["User-Agent"] for _, request in service.calls}
    (sent,) = {request.headers["Heksher-Client"] for _, request in service.calls}
    assert re.fullmatch(rf"name=checkout; instance=[\w.-]+:{os.getpid()}", sent)


# ---- refused


def test_a_service_that_wants_a_token(driver: Driver, service: FakeService, gatekeeper: Gatekeeper):
    """A start without one fails, and the error says what to pass."""
    client = driver.create(service, on_start_failure="raise")
    with pytest.raises(StatusError) as caught:
        client.start()
    text = (
        "GET /api/v1/context_features was answered with status 401: this service wants a token; the service does not"
        " accept the credential of this client, or wants one: pass token="
    )
    assert (text, text, 401) == (str(caught.value), client.native.status.last_error, caught.value.status)


def test_a_token_that_does_not_suffice(driver: Driver, service: FakeService):
    """The error has the detail that the service gives."""
    client = driver.start(service, token=SECRET)
    service.behaviours[QUERY] = answer(403, {"detail": "this needs the grant read", "title": "Forbidden"})
    with pytest.raises(StatusError) as caught:
        client.reload()
    text = "GET /api/v1/query was answered with status 403: this needs the grant read"
    assert (text, text, "stale") == (
        str(caught.value),
        client.native.status.last_error,
        client.native.status.state,
    )


@pytest.mark.parametrize("capabilities", [[], ["declare-many"]], ids=["one by one", "together"])
def test_a_declaration_that_is_not_permitted(driver: Driver, service: FakeService, capabilities: list[str]):
    """It costs its own setting only, which is followed where the service has it; others are declared."""
    service.capabilities = capabilities
    settings = [Setting(f"s{number}", int, ["a"], number) for number in range(3)]
    service.set_default("s1", 7)
    detail = "this needs the grant declare:s1."
    refusal = answer(403, {"type": "about:blank", "status": 403, "detail": detail})
    service.behaviours[DECLARE] = for_setting("s1", refusal, service.usual(DECLARE))
    client = driver.start(service, token=SECRET)
    status = client.native.status
    assert ("current", [0, 7, 2]) == (status.state, [setting.get() for setting in settings])
    assert [True, False, True] == [status.settings[setting.name].is_declared for setting in settings]
    said = f"POST {DECLARE[5:]} was answered with status 403: {detail}; let this client declare settings, or have"
    assert [True] == [said in text for text in status.settings["s1"].rejected]
    assert (1 if capabilities else 0) == len(service.asked(DECLARE_MANY))


# ---- that ends soon


def test_a_token_that_ends_soon(driver: Driver, service: FakeService, caplog: pytest.LogCaptureFixture):
    """One warning says when, though each answer tells of it; so does the status. Another token is another warning."""
    usual = service.usual(QUERY)

    def tell(moment: str) -> Callable[[httpx2.Request], httpx2.Response]:
        def answer_with_moment(request: httpx2.Request) -> httpx2.Response:
            response = usual(request)
            response.headers["Heksher-Token-Expires"] = moment
            return response

        return answer_with_moment

    service.behaviours[QUERY] = tell("2026-12-24T18:00:00Z")
    client = driver.start(service, token=SECRET)
    client.reload()
    status = client.native.status
    assert datetime(2026, 12, 24, 18, tzinfo=UTC) == status.token_expires_at
    assert "2026-12-24T18:00:00+00:00" == status.as_dict()["token_expires_at"]
    service.behaviours[QUERY] = tell("2027-01-01T00:00:00Z")
    client.reload()
    warned = [record for record in caplog.records if "the token of this client expires at" in record.message]
    assert [logging.WARNING] * 2 == [record.levelno for record in warned]
    moments = ["2026-12-24T18:00:00+00:00", "2027-01-01T00:00:00+00:00"]
    assert moments == [vars(record)["token_expires_at"] for record in warned]
    service.behaviours[QUERY] = usual
    client.reload()
    assert client.native.status.token_expires_at is None


# ---- seen by nobody else


def test_the_token_is_shown_nowhere(
    driver: Driver, service: FakeService, gatekeeper: Gatekeeper, caplog: pytest.LogCaptureFixture, tmp_path: Path
):
    """Not in a log line, an error, a text of the client, its status, a snapshot, the saved file, or a pickle."""
    caplog.set_level(logging.DEBUG)
    setting = Setting("s", int, ["a"], 0)
    file = tmp_path / "last-known"
    client = driver.start(service, token=make_source(driver, SECRET), last_known_file=file)

    def echo(request: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(401, text=f"you sent {request.headers.raw}")

    errors = []
    for behaviour in (echo, answer(500), answer(200, "no JSON"), fail(httpx2.ConnectError("refused"))):
        with service.behaving(QUERY, behaviour), pytest.raises(ServiceError) as caught:
            client.reload()
        errors.append(caught.value)
    client.reload()
    with pytest.raises(TypeError):
        pickle.dumps(client.native)
    native = client.native
    texts = [native.status, native.status.as_dict(), native.snapshot(), native.settings, native, setting.explain()]
    texts += [*errors, *(error.__cause__ for error in errors), *(pickle.dumps(error) for error in errors)]
    texts += [file.read_text(encoding="utf-8"), caplog.text, *(vars(record) for record in caplog.records)]
    assert len(caplog.records) > 5
    assert [] == [text for text in map(repr, texts) if "s3cret" in text]
    assert [] == [str(text) for text in texts if "s3cret" in str(text)]
    assert [f"Bearer {SECRET}"] == gatekeeper.shown
