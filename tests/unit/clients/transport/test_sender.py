"""Sending with an HTTP library: where to and how, and what comes back."""

import gc
import json
import weakref
from collections.abc import Generator
from typing import Any

import httpx
import httpx2
import pytest

from heksher.clients.conversation.exchange import Flow, Outcome, Request, Response
from heksher.clients.transport.async_transport import AsyncTransport
from heksher.clients.transport.thread_transport import ThreadTransport
from heksher.exceptions import TransportError
from tests.support.transports import HEALTH, URL, Runner, ask, echo, run_in_loop, run_in_thread


@pytest.fixture(params=[run_in_loop, run_in_thread])
def run(request: pytest.FixtureRequest) -> Runner:
    runner: Runner = request.param
    return runner


def send(run: Runner, request: Request, url: str = URL, **client_args: Any) -> dict[str, Any]:
    """Send a request to a service that answers what was asked."""
    [outcome] = run(ask(request), url, {"transport": httpx2.MockTransport(echo), **client_args})
    answer: dict[str, Any] = json.loads(outcome.body)
    return answer


def refuse(request: httpx2.Request) -> httpx2.Response:
    raise httpx2.ConnectError("connection refused", request=request)


# ---- flows


def test_flow_runs_to_its_end(run: Runner) -> None:
    """A flow is sent the outcomes of each of its steps, in the order of the requests, and its result is given."""

    def flow() -> Flow[list[str]]:
        first = yield Request("GET", "/1"), Request("GET", "/2")
        second = yield (Request("GET", "/3"),)
        return [json.loads(outcome.body)["url"] for outcome in first + second if isinstance(outcome, Response)]

    assert [f"{URL}/{n}" for n in "123"] == run(flow(), URL, {"transport": httpx2.MockTransport(echo)})


def test_flow_without_requests(run: Runner) -> None:
    """A flow that asks for nothing just gives its result."""

    def flow() -> Generator[tuple[Request, ...], tuple[Outcome, ...], str]:
        yield from ()
        return "done"

    assert run(flow(), URL, {}) == "done"


def test_response(run: Runner) -> None:
    """A response has the status, headers in lower case, the decompressed body, and the library's own response."""
    answer = httpx2.Response(404, headers={"ETag": '"1"'}, content=b"none")
    [outcome] = run(ask(HEALTH), URL, {"transport": httpx2.MockTransport(lambda _: answer)})
    assert (outcome.status, outcome.headers["etag"], outcome.body) == (404, '"1"', b"none")
    assert outcome.native is answer


def test_error_of_a_flow(run: Runner) -> None:
    """An error of the service that a flow raises is one of the HTTP library, too; any other comes out as it is."""

    def flow(error: Exception) -> Flow[None]:
        yield from ()
        raise error

    with pytest.raises(httpx2.ConnectError, match=r"^m$") as raised:
        run(flow(TransportError("m", httpx2.ConnectError("n"))), URL, {})
    assert isinstance(raised.value, TransportError)
    mistake = KeyError("a mistake in the flow")
    with pytest.raises(KeyError) as other:
        run(flow(mistake), URL, {})
    assert mistake is other.value


def test_failure_costs_one_request_only(run: Runner) -> None:
    """Of several requests that go side by side, one that fails does not take the others with it."""

    def answer(request: httpx2.Request) -> httpx2.Response:
        return refuse(request) if request.url.path == "/1" else echo(request)

    outcomes = run(ask(Request("GET", "/1"), Request("GET", "/2")), URL, {"transport": httpx2.MockTransport(answer)})
    assert [TransportError, Response] == [type(outcome) for outcome in outcomes]


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        (httpx2.ConnectError("connection refused"), "ConnectError: connection refused"),
        (httpx2.ReadTimeout(""), "ReadTimeout"),
        (ValueError("a transport of the program's own"), "ValueError: a transport of the program's own"),
    ],
)
def test_failure_is_told(run: Runner, error: Exception, cause: str) -> None:
    """The error says what was asked, where, and what happened, and brings the library's error."""

    def fail(_request: httpx2.Request) -> httpx2.Response:
        raise error

    [outcome] = run(ask(HEALTH), "http://me:secret@heksher.test", {"transport": httpx2.MockTransport(fail)})
    assert str(outcome) == f"GET /api/health got no answer from {URL}: {cause}"
    assert outcome.native is error


@pytest.mark.parametrize("kind", [AsyncTransport, ThreadTransport])
def test_dropped_transport(kind: type[AsyncTransport | ThreadTransport]) -> None:
    """A transport is gone as soon as nobody has it any more."""
    transport: AsyncTransport | ThreadTransport | None = kind(URL, {"transport": httpx2.MockTransport(echo)})
    reference = weakref.ref(transport)
    gc.disable()
    try:
        transport = None
        assert reference() is None
    finally:
        gc.enable()


# ---- requests


def test_request(run: Runner) -> None:
    """Path and parameters are added to the service's URL, the body is JSON and says so."""
    asked = send(run, Request("POST", "/x", {"settings": "a,b", "f": "a:(b)"}, {"If-None-Match": '"1"'}, {"name": "é"}))
    assert asked["method"] == "POST"
    assert httpx2.URL(asked["url"]).params == httpx2.QueryParams({"settings": "a,b", "f": "a:(b)"})
    assert (asked["headers"]["if-none-match"], asked["headers"]["content-type"]) == ('"1"', "application/json")
    assert json.loads(asked["content"]) == {"name": "é"}


def test_request_without_body(run: Runner) -> None:
    """Without a body there is no content type either."""
    asked = send(run, HEALTH)
    assert (asked["content"], "content-type" in asked["headers"]) == ("", False)


@pytest.mark.parametrize("value", [False, 0, "", {}, []])
def test_falsy_body_is_a_body(run: Runner, value: Any) -> None:
    """Only None means that there is no body."""
    assert value == json.loads(send(run, Request("POST", "/x", body=value))["content"])


def test_body_that_is_no_json(run: Runner) -> None:
    """What JSON cannot carry is that request's failure, and is not sent."""
    [outcome] = run(ask(Request("POST", "/x", body=float("nan"))), URL, {"transport": httpx2.MockTransport(echo)})
    assert isinstance(outcome.native, ValueError)


@pytest.mark.parametrize("url", ["http://heksher.test/base", "http://heksher.test/base/"])
def test_service_below_a_path(run: Runner, url: str) -> None:
    """A service may be below a path, with or without a slash at its end."""
    assert send(run, HEALTH, url)["url"] == "http://heksher.test/base/api/health"


def test_arguments_of_the_program(run: Runner) -> None:
    """What the program gives for the HTTP client holds for every request."""
    asked = send(run, Request("GET", "/x", {"a": "1"}), headers={"api_token": "t"}, params={"tenant": "7"})
    assert (asked["headers"]["api_token"], asked["url"]) == ("t", f"{URL}/x?tenant=7&a=1")
    assert send(run, HEALTH, params={"tenant": "7"})["url"] == f"{URL}/api/health?tenant=7"


def test_arguments_are_not_changed() -> None:
    """The mapping of arguments stays the program's."""
    client_args: dict[str, Any] = {}
    ThreadTransport("http://me:secret@heksher.test", client_args).close()
    assert client_args == {}


def test_unknown_argument() -> None:
    """An argument that the HTTP client does not have is an error when the client is created."""
    for kind in (AsyncTransport, ThreadTransport):
        with pytest.raises(TypeError, match="time_out"):
            kind(URL, {"time_out": 3})


@pytest.mark.trap(28)
def test_credentials(run: Runner) -> None:
    """Credentials in the URL are sent as authorization, and stand in no URL that somebody might log."""
    asked = send(run, HEALTH, "https://me:p%40ss@heksher.test:8080")
    assert asked["url"] == "https://heksher.test:8080/api/health"
    assert asked["headers"]["authorization"] == httpx2.BasicAuth("me", "p@ss")._auth_header


def test_auth_argument_wins(run: Runner) -> None:
    """An explicit auth argument is used rather than the credentials of the URL, unless it is None."""
    for auth, used in ((("you", "word"), ("you", "word")), (None, ("me", "secret"))):
        asked = send(run, HEALTH, "http://me:secret@heksher.test", auth=auth)
        assert asked["headers"]["authorization"] == httpx2.BasicAuth(*used)._auth_header


def test_flow_with_the_old_library(run: Runner) -> None:
    """With httpx, requests and failures are what they are with httpx2."""

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/1":
            raise httpx.ConnectTimeout("too slow")
        return httpx.Response(200, json={"sent": request.headers["authorization"]})

    requests = Request("GET", "/1"), Request("GET", "/2")
    failure, response = run(ask(*requests), "http://me:secret@h", {"transport": httpx.MockTransport(answer)})
    assert str(failure) == "GET /1 got no answer from http://h: ConnectTimeout: too slow"
    assert json.loads(response.body) == {"sent": httpx.BasicAuth("me", "secret")._auth_header}
