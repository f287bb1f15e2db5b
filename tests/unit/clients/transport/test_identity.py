"""Who a client says it is: what can be a token and a name, when a token is asked for, and what it is not shown in."""

import asyncio
import gc
import logging
import os
import threading
import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

import httpx
import httpx2
import pytest

from heksher.clients.conversation.exchange import Outcome, Request, Response
from heksher.clients.transport.async_transport import AsyncTransport
from heksher.clients.transport.identity import Identity
from heksher.clients.transport.thread_transport import ThreadTransport
from heksher.exceptions import ArgumentTypeError, InvalidOptionError, TransportError
from heksher.server.usage.client_fields import identify
from heksher.version import __version__
from tests.support.transports import HEALTH, URL, ask

SECRET = "hks_s3cret"  # noqa: S105 - it is to be found, or rather not
LOOPBACK = "http://127.0.0.1:8000"

Answer = Callable[[Any], Any]


def send(identity: Identity, answer: Answer, *requests: Request, url: str = LOOPBACK, **args: Any) -> list[Outcome]:
    """Send requests side by side, from a thread."""
    transport = ThreadTransport(url, {"transport": httpx2.MockTransport(answer), **args}, identity=identity)
    try:
        return list(transport.run(ask(*(requests or (HEALTH,)))))
    finally:
        transport.close()


def send_in_loop(identity: Identity, answer: Answer, *requests: Request) -> list[Outcome]:
    """Do the same on an event loop."""

    async def run() -> list[Outcome]:
        transport = AsyncTransport(LOOPBACK, {"transport": httpx2.MockTransport(answer)}, identity=identity)
        try:
            return list(await transport.run(ask(*(requests or (HEALTH,)))))
        finally:
            await transport.close()

    return asyncio.run(run())


SENDERS = pytest.mark.parametrize("send_with", [send, send_in_loop], ids=["thread", "async"])


class Service:
    """Accepts one token, and notes what it is shown."""

    def __init__(self, accepted: str) -> None:
        self.accepted = accepted
        self.shown: list[str | None] = []

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        self.shown.append(request.headers.get("Authorization"))
        return httpx2.Response(200 if self.shown[-1] == f"Bearer {self.accepted}" else 401, json={})


class Source:
    """Returns one token after the other, the last one for good.

    Attributes:
        calls: how often it was asked.
        most: how often it was asked at the same time at most.
    """

    def __init__(self, *tokens: object) -> None:
        self.calls = 0
        self.most = 0
        self._tokens = list(tokens)
        self._now = 0
        self._lock = threading.Lock()

    def __call__(self) -> Any:
        with self._lock:
            self.calls += 1
            self._now += 1
            self.most = max(self.most, self._now)
        # Others that are not kept from it arrive meanwhile.
        threading.Event().wait(0.01)
        with self._lock:
            self._now -= 1
            return self._tokens.pop(0) if len(self._tokens) > 1 else self._tokens[0]


# ---- what can be a token


@pytest.mark.parametrize(
    ("token", "fault"),
    [
        ("", "it is empty"),
        ("hks_s3cret\n", "a line's end, perhaps"),
        ("hks_s3cret\0", "control characters"),
        ("Bearer hks_s3cret", "'Bearer' before the token itself"),
        (" hks_s3cret", "spaces"),
        ("hks_s3cr\xe9t", "not ASCII"),
        ("hks_s3cret\x7f", "control characters"),
    ],
)
def test_malformed_token(token: str, fault: str) -> None:
    """A text that cannot be sent is an error at once, which shows none of it."""
    with pytest.raises(InvalidOptionError, match=f"^token cannot be sent: .*{fault}") as raised:
        Identity(token)
    assert "s3c" not in repr(raised.value)


@pytest.mark.parametrize("token", [5, b"hks_s3cret", ["hks_s3cret"], object()])
def test_token_of_a_wrong_type(token: object) -> None:
    """So is what is neither a text nor a callable."""
    text = f"^token must be text, or a callable that returns text, not a value of type {type(token).__name__}$"
    with pytest.raises(ArgumentTypeError, match=text):
        Identity(token)


async def find_token() -> str:
    return SECRET


class Finder:
    """Is called like a coroutine function."""

    async def __call__(self) -> str:
        return SECRET


@pytest.mark.parametrize("source", [find_token, partial(find_token), Finder()], ids=["function", "partial", "object"])
def test_coroutine_function(source: Any) -> None:
    """Only a client on an event loop takes one."""
    with pytest.raises(ArgumentTypeError, match=r"^token is the coroutine function \S*[fF]ind\S*, which only an asy"):
        Identity(source)
    service = Service(SECRET)
    send_in_loop(Identity(source, takes_coroutines=True), service)
    assert [f"Bearer {SECRET}"] == service.shown


def test_coroutine_of_a_plain_function() -> None:
    """What returns a coroutine, though nothing shows it before, is an error that names it, and no warning."""

    def begin_to_find() -> Any:
        return find_token()

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        [outcome] = send(Identity(begin_to_find), Service(SECRET))
        gc.collect()
    assert "returned what cannot be sent: it is no text, but of the type coroutine" in str(outcome)


# ---- when it is asked for


@SENDERS
def test_text(send_with: Callable[..., list[Outcome]]) -> None:
    """A text goes with each request, and with no second one when it is refused."""
    service = Service("another")
    outcomes = send_with(Identity(SECRET), service, HEALTH, HEALTH)
    assert ([401, 401], [f"Bearer {SECRET}"] * 2) == ([outcome.status for outcome in outcomes], service.shown)


@SENDERS
def test_callable(send_with: Callable[..., list[Outcome]]) -> None:
    """What a callable returned is kept, and goes with each request, as long as the service accepts it."""
    source, service = Source("one", "two"), Service("one")
    identity = Identity(source)
    for _ in range(3):
        send_with(identity, service)
    assert (1, ["Bearer one"] * 3) == (source.calls, service.shown)


@SENDERS
def test_token_is_renewed(send_with: Callable[..., list[Outcome]]) -> None:
    """A callable is asked anew when its token is refused; the request is tried once more, and no more than that."""
    source, service = Source("one", "two", "three"), Service("two")
    identity = Identity(source)
    [outcome] = send_with(identity, service)
    assert (200, ["Bearer one", "Bearer two"]) == (outcome.status, service.shown)
    service.accepted = "four"
    service.shown.clear()
    [outcome] = send_with(identity, service)
    assert (401, ["Bearer two", "Bearer three"], 3) == (outcome.status, service.shown, source.calls)


@SENDERS
def test_body_is_sent_again(send_with: Callable[..., list[Outcome]]) -> None:
    """The second try of a request is the whole of it."""
    bodies = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        bodies.append(request.content)
        return httpx2.Response(401 if len(bodies) == 1 else 200)

    send_with(Identity(Source("one")), answer, Request("POST", "/x", body={"a": 1}))
    assert [b'{"a": 1}'] * 2 == bodies


@SENDERS
def test_refused_side_by_side(send_with: Callable[..., list[Outcome]]) -> None:
    """Requests whose token is refused at the same time ask for one other, one after the other."""
    source, service = Source("one", "two", "three"), Service("two")
    identity = Identity(source)
    # Without any token yet, too.
    outcomes = send_with(identity, service, *[HEALTH] * 8)
    assert ([200] * 8, 2, 1) == ([outcome.status for outcome in outcomes], source.calls, source.most)


@SENDERS
def test_callable_that_fails(send_with: Callable[..., list[Outcome]]) -> None:
    """What it raises costs the request, which names it; the next request asks again."""
    tokens: list[Any] = [OSError("no such file"), SECRET]

    def read_token() -> Any:
        token = tokens.pop(0)
        if isinstance(token, Exception):
            raise token
        return token

    service, identity = Service(SECRET), Identity(read_token)
    [outcome] = send_with(identity, service)
    assert isinstance(outcome, TransportError)
    began = f"GET /api/health failed in the program's own code: the callable token ({__name__}."
    assert str(outcome).startswith(began)
    assert str(outcome).endswith("read_token) raised OSError: no such file")
    assert isinstance(outcome.native, OSError)
    [outcome] = send_with(identity, service)
    assert (200, 1) == (outcome.status, len(service.shown))


@SENDERS
@pytest.mark.parametrize(
    ("token", "fault"),
    [(None, "type NoneType"), (b"s3cret", "type bytes"), ("", "is empty"), ("s3cret\n", "line's end"), ("é", "ASCII")],
)
def test_callable_that_returns_no_token(send_with: Callable[..., list[Outcome]], token: object, fault: str) -> None:
    """That costs the request, too: nothing is sent, and nothing of it is shown."""
    service = Service(SECRET)
    [outcome] = send_with(Identity(Source(token)), service)
    assert isinstance(outcome, TransportError)
    assert "test_identity.Source) returned what cannot be sent: it " in str(outcome)
    assert (True, False, []) == (fault in str(outcome), "s3cret" in str(outcome), service.shown)


def test_callable_that_uses_its_own_client() -> None:
    """It would wait for itself; the error says so."""
    transports: list[ThreadTransport] = []
    inner: list[Outcome] = []

    def find_it() -> str:
        inner.extend(transports[0].run(ask(HEALTH, HEALTH)))
        return SECRET

    args = {"transport": httpx2.MockTransport(Service(SECRET))}
    transports.append(ThreadTransport(LOOPBACK, args, identity=Identity(find_it)))
    [outcome] = transports[0].run(ask(HEALTH))
    transports[0].close()
    assert isinstance(outcome, Response)
    assert [True, True] == ["find_it) uses the client that it is the token of" in str(one) for one in inner]


def test_asynchronous_callable_that_uses_its_own_client() -> None:
    """The same on an event loop."""

    async def run() -> list[Outcome]:
        inner: list[Outcome] = []

        async def find_it() -> str:
            inner.extend(await transport.run(ask(HEALTH, HEALTH)))
            return SECRET

        args = {"transport": httpx2.MockTransport(Service(SECRET))}
        transport = AsyncTransport(LOOPBACK, args, identity=Identity(find_it, takes_coroutines=True))
        [outcome] = await transport.run(ask(HEALTH))
        await transport.close()
        assert isinstance(outcome, Response)
        return inner

    inner = asyncio.run(run())
    assert [True, True] == ["find_it) uses the client that it is the token of" in str(one) for one in inner]


# ---- beside other credentials


@pytest.mark.parametrize(
    ("url", "args"),
    [
        ("http://me:pass@127.0.0.1", {}),
        (LOOPBACK, {"auth": ("me", "pass")}),
        (LOOPBACK, {"auth": lambda request: request}),
        (LOOPBACK, {"headers": {"authorization": "Bearer x"}}),
        (LOOPBACK, {"headers": [(b"Authorization", b"Bearer x")]}),
        (LOOPBACK, {"headers": httpx2.Headers({"AUTHORIZATION": "x"})}),
    ],
)
def test_two_credentials(url: str, args: dict[str, Any]) -> None:
    """A token and something else that is sent as Authorization exclude one another: an error at once."""
    for identity in (Identity(SECRET), Identity(lambda: SECRET)):
        with pytest.raises(InvalidOptionError, match=r"^token and other credentials .* exclude one another") as raised:
            ThreadTransport(url, args, identity=identity)
        assert "pass" not in str(raised.value)
    ThreadTransport(url, args, identity=Identity()).close()


def test_a_header_for_somebody_else() -> None:
    """Another header, as for a gateway in between, goes with the token."""
    seen: list[httpx2.Request] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        seen.append(request)
        return httpx2.Response(200)

    send(Identity(SECRET), answer, headers={"api_token": "x"})
    assert (f"Bearer {SECRET}", "x") == (seen[0].headers["Authorization"], seen[0].headers["api_token"])


@pytest.mark.parametrize("library", [httpx, httpx2], ids=["httpx", "httpx2"])
def test_another_origin(library: Any) -> None:
    """Where the program has redirects followed, the token goes to the service's own origin only."""
    seen: list[tuple[str, str | None]] = []

    def answer(request: Any) -> Any:
        seen.append((request.url.host, request.headers.get("Authorization")))
        location = {1: "/again", 2: "http://other.test/"}.get(len(seen))
        return library.Response(200) if location is None else library.Response(307, headers={"Location": location})

    identity = Identity(SECRET)
    send(identity, answer, transport=library.MockTransport(answer), follow_redirects=True)
    assert [("127.0.0.1", f"Bearer {SECRET}")] * 2 + [("other.test", None)] == seen


# ---- what it is not shown in


@pytest.mark.parametrize(
    ("url", "is_warned_of"),
    [
        ("http://heksher.test", True),
        ("http://10.0.0.1:80/x", True),
        ("http://127.evil.test", True),
        ("http://localhost.evil.test", True),
        ("http://[2001:db8::1]", True),
        ("https://heksher.test", False),
        ("http://localhost:80", False),
        ("http://a.LOCALHOST", False),
        ("http://127.0.0.1", False),
        ("http://127.1.2.3:5", False),
        ("http://[::1]:80", False),
        ("no URL", False),
    ],
)
def test_token_in_plain_text(caplog: pytest.LogCaptureFixture, url: str, *, is_warned_of: bool) -> None:
    """Over http to another machine it is one warning, without any of the token; without a token it is none."""
    ThreadTransport(url, None, identity=Identity()).close()
    assert [] == caplog.messages
    ThreadTransport(url, None, identity=Identity(SECRET)).close()
    said = [(record.levelno, "without encryption (http)" in record.message) for record in caplog.records]
    assert ([(logging.WARNING, True)] if is_warned_of else []) == said
    assert SECRET not in caplog.text


def test_identity_shows_nothing() -> None:
    """The objects that have the token do not show it."""
    identity = Identity(SECRET)
    send(identity, Service(SECRET))
    assert identity.credential is not None
    shown = f"{identity!r}{identity.credential!r}{identity.credential._kept!r}{identity.credential.make_auth(httpx2)!r}"
    assert SECRET not in shown


@pytest.mark.parametrize("header", [{}, {"api_token": SECRET}, {"X-API-Key": SECRET}])
@pytest.mark.parametrize(("status", "is_json"), [(401, True), (404, False), (500, True), (200, False)])
def test_answer_of_a_stranger(header: dict[str, str], status: int, *, is_json: bool) -> None:
    """What answers with the headers that it was asked with, as some programs do, is shown with the token masked."""

    def answer(request: httpx2.Request) -> httpx2.Response:
        text = f"you sent {request.headers.raw}"
        return httpx2.Response(status, json={"detail": text}) if is_json else httpx2.Response(status, text=text)

    [outcome] = send(Identity(None if header else SECRET), answer, headers=header)
    assert isinstance(outcome, Response)
    assert (False, True) == (SECRET.encode() in outcome.body, b"[secure]" in outcome.body)


def test_answer_of_the_service() -> None:
    """What the service answers is left as it is."""
    [outcome] = send(Identity(SECRET), lambda _: httpx2.Response(200, json={"settings": SECRET}))
    assert isinstance(outcome, Response)
    assert SECRET.encode() in outcome.body


# ---- the name


def read_header(name: str, identity: Identity, **args: Any) -> str:
    seen: list[str] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        seen.append(request.headers[name])
        return httpx2.Response(200)

    send(identity, answer, url=URL, **args)
    return seen[0]


def read_user_agent(identity: Identity, **args: Any) -> str:
    return read_header("User-Agent", identity, **args)


def test_name() -> None:
    """The header says which program, then which client."""
    own = f"heksher/{__version__}"
    names = (None, "checkout", "checkout/2.3-rc.1+5")
    sent = [read_user_agent(Identity(client_name=name)) for name in names]
    assert [own, f"checkout {own}", f"checkout/2.3-rc.1+5 {own}"] == sent


def test_name_in_a_header_of_the_program() -> None:
    """What the program says there itself stays, and excludes a name."""
    args = {"headers": {"user-agent": "mine"}}
    assert "mine" == read_user_agent(Identity(), **args)
    with pytest.raises(InvalidOptionError, match=r"^client_name and the header User-Agent in http_client_args exclude"):
        ThreadTransport(URL, args, identity=Identity(client_name="checkout"))


def test_which_process_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the program's name, if there is one; in the form that the service reads, whatever the machine is called."""
    monkeypatch.setattr("socket.gethostname", lambda: "web 1;é.example")
    process = f"instance=web-1--.example:{os.getpid()}"
    assert process == read_header("Heksher-Client", Identity())
    sent = read_header("Heksher-Client", Identity(client_name="checkout/2.3"))
    assert f"name=checkout; {process}" == sent
    agent = read_user_agent(Identity(client_name="checkout/2.3"))
    assert f"checkout/2.3 (web-1--.example:{os.getpid()})" == identify((agent.encode(), sent.encode())).describe()
    args = {"headers": {"heksher-client": "instance=blue"}}
    assert "instance=blue" == read_header("Heksher-Client", Identity(client_name="checkout"), **args)


@pytest.mark.parametrize("name", ["", "two words", "line\n", "é", "a/b/c", "/1", "a/", "a(b)", "a" * 101])
def test_malformed_name(name: str) -> None:
    """A name that cannot be sent is an error at once, which says what can be."""
    with pytest.raises(
        InvalidOptionError, match=r"^client_name must be a name such as 'checkout', or name and version"
    ):
        Identity(client_name=name)


def test_name_of_a_wrong_type() -> None:
    """So is what is no text."""
    with pytest.raises(ArgumentTypeError, match=r"^client_name must be text, not a value of type int$"):
        Identity(client_name=5)
