"""Tests of sending messages: what counts as received, what bounds it, and where it goes."""

import asyncio
import json
import logging
import socket
import ssl
import time
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme

from heksher.server.access.message_signature import make_secret
from heksher.server.webhooks.address_rule import AddressRule
from heksher.server.webhooks.message_sender import Message, MessageOutcome, MessageSender
from tests.support.webhook_receiver import (
    BREAK,
    DRIP,
    ENDLESS_BODY,
    ENDLESS_HEAD,
    ENDLESS_HINTS,
    HANG,
    RESET,
    SLOW,
    WebhookReceiver,
)

SECRET = make_secret()
MESSAGE = Message("17-0123456789ab", json.dumps({"type": "test", "text": "é"}).encode())
LOOPBACK = AddressRule(["127.0.0.0/8"])


@pytest.fixture
def receiver() -> Iterator[WebhookReceiver]:
    with WebhookReceiver() as receiver:
        receiver.secret = SECRET
        yield receiver


def send(url: str, rule: AddressRule = LOOPBACK, timeout_s: float = 10.0) -> MessageOutcome:
    return asyncio.run(MessageSender(rule, timeout_s).send(url, SECRET, MESSAGE))


def test_sends_what_receivers_can_verify(receiver: WebhookReceiver):
    """With the library of the standard: id, time and body are signed."""
    assert MessageOutcome(200, "") == send(receiver.url)
    (request,) = receiver.requests
    assert MESSAGE.body == request.body
    assert ("/in/T0p-s3cret", MESSAGE.message_id) == (request.path, request.message_id)
    assert f"127.0.0.1:{receiver.port}" == request.headers["host"]
    assert "application/json" == request.headers["content-type"]
    assert request.headers["user-agent"].startswith("heksher/")
    assert [] == receiver.forged
    receiver.secret = make_secret()
    send(receiver.url)
    assert ["No matching signature found"] == receiver.forged


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_any_status_of_success_counts(receiver: WebhookReceiver, status: int):
    """Whatever else is answered."""
    receiver.behaviours = [status]
    outcome = send(receiver.url)
    assert (True, status) == (outcome.is_success, outcome.status)


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (400, MessageOutcome(400, "it answered 400")),
        (410, MessageOutcome(410, "it answered 410")),
        (429, MessageOutcome(429, "it answered 429", 7.0)),
        (500, MessageOutcome(500, "it answered 500")),
        (503, MessageOutcome(503, "it answered 503", 7.0)),
    ],
)
def test_any_other_status_is_a_failure(receiver: WebhookReceiver, status: int, outcome: MessageOutcome):
    """Some say for how long to wait; 410, that nothing is to be sent any more."""
    receiver.behaviours = [status]
    assert outcome == send(receiver.url)
    assert (status == 410) == outcome.is_refusal


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_not_followed(receiver: WebhookReceiver, status: int):
    """They could lead anywhere, also to what only this machine reaches."""
    receiver.behaviours = [status]
    outcome = send(receiver.url)
    assert (status, f"it answered {status}: redirects are not followed, so give its new URL") == (
        outcome.status,
        outcome.problem,
    )
    assert ["/in/T0p-s3cret"] == [request.path for request in receiver.requests]


@pytest.mark.parametrize("behaviour", [HANG, DRIP])
def test_what_takes_too_long_is_a_failure(receiver: WebhookReceiver, behaviour: str):
    """The time is that of all together: an answer that comes byte by byte has no more."""
    receiver.behaviours = [behaviour]
    began_s = time.monotonic()
    assert MessageOutcome(None, "it did not answer within 0.5 seconds") == send(receiver.url, timeout_s=0.5)
    assert 0.5 <= time.monotonic() - began_s < 5


@pytest.mark.parametrize(
    ("behaviour", "outcome"),
    [
        (ENDLESS_HEAD, MessageOutcome(None, "its answer has no end")),
        (ENDLESS_BODY, MessageOutcome(200, "")),
        (ENDLESS_HINTS, MessageOutcome(None, "its answer has no end")),
    ],
)
def test_an_answer_without_end_takes_no_memory(receiver: WebhookReceiver, behaviour: str, outcome: MessageOutcome):
    """Nor does it keep anybody busy: of a body nothing is read, and of a head only so much."""
    # What is loaded by the first message stays.
    send(receiver.url)
    receiver.behaviours = [behaviour]
    tracemalloc.start()
    try:
        assert outcome == send(receiver.url)
        _, most_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most_bytes < 2**20


def test_what_is_slow_but_in_time_counts(receiver: WebhookReceiver):
    """Nothing hurries a receiver."""
    receiver.behaviours = [SLOW]
    assert send(receiver.url).is_success


def test_a_connection_that_breaks_is_a_failure(receiver: WebhookReceiver):
    """And one that is refused, or a name that nobody has."""
    receiver.behaviours = [BREAK]
    assert "no answer was received: RemoteProtocolError" == send(receiver.url).problem
    receiver.behaviours = [RESET]
    assert "the connection failed: Connection reset by peer" == send(receiver.url).problem
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    assert "the connection failed: Connection refused" == send(f"http://127.0.0.1:{port}/").problem
    assert "the name of its host is not known" == send("https://nobody.invalid/").problem


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "localhost",
        "2130706433",
        "0x7f.1",
        "0177.0.0.1",
        "0",
        "0.0.0.0",
        "[::]",
        "[::1]",
        "[::ffff:7f00:1]",
    ],
)
def test_addresses_that_are_not_public_need_permission(receiver: WebhookReceiver, host: str):
    """However they are written, and also by a name: nothing is sent."""
    outcome = send(f"http://{host}:{receiver.port}/", AddressRule())
    assert outcome.problem.endswith("is not public, and --webhook-networks does not allow it")
    assert [] == receiver.requests


def test_what_was_checked_is_what_is_connected_to(receiver: WebhookReceiver, monkeypatch: pytest.MonkeyPatch):
    """A name that has another address at each look-up (DNS rebinding) is looked up once."""
    look_up, looked_up = socket.getaddrinfo, []

    def rebind(host: str | bytes, *arguments: Any, **options: Any) -> Any:
        name = host.decode() if isinstance(host, bytes) else host
        if name != "hooks.example":
            return look_up(host, *arguments, **options)
        looked_up.append(name)
        return look_up(f"127.0.0.{len(looked_up)}", *arguments, **options)

    monkeypatch.setattr(socket, "getaddrinfo", rebind)
    assert send(f"http://hooks.example:{receiver.port}/", AddressRule(["127.0.0.1"])).is_success
    assert (["hooks.example"], f"hooks.example:{receiver.port}") == (looked_up, receiver.requests[0].headers["host"])
    outcome = send(f"http://hooks.example:{receiver.port}/", AddressRule(["127.0.0.1"]))
    assert "127.0.0.2 is not public, and --webhook-networks does not allow it" == outcome.problem
    assert 1 == len(receiver.requests)


def test_of_several_addresses_those_that_are_allowed_are_tried(
    receiver: WebhookReceiver, monkeypatch: pytest.MonkeyPatch
):
    """One after the other, until one answers."""
    look_up = socket.getaddrinfo

    def find_several(host: Any, port: Any, *arguments: Any, **options: Any) -> Any:
        return [found for last in (9, 2, 1) for found in look_up(f"127.0.0.{last}", port, *arguments, **options)]

    monkeypatch.setattr(socket, "getaddrinfo", find_several)
    assert send(f"http://hooks.example:{receiver.port}/", AddressRule(["127.0.0.1", "127.0.0.2"])).is_success
    assert "the connection failed: " in send(f"http://x.example:{receiver.port}/", AddressRule(["127.0.0.2"])).problem


def test_proxies_of_the_environment_are_not_used(receiver: WebhookReceiver, monkeypatch: pytest.MonkeyPatch):
    """They would look up and connect to what nobody has checked."""
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert send(receiver.url).is_success


def test_certificates_are_checked_for_the_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Of those that the machine trusts, or that ``SSL_CERT_FILE`` names."""
    authority = trustme.CA()
    trust = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(trust)
    with WebhookReceiver(trust=trust) as receiver:
        assert "its certificate is not trusted: " in send(receiver.url).problem
        authority.cert_pem.write_to_path(str(tmp_path / "authority.pem"))
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authority.pem"))
        assert MessageOutcome(200, "") == send(receiver.url)
        outcome = send(f"https://localhost:{receiver.port}/")
        assert "its certificate is not trusted: " in outcome.problem
    with WebhookReceiver() as plain:
        problem = send(f"https://127.0.0.1:{plain.port}/").problem
        assert "no encrypted connection could be made: " in problem


@pytest.mark.parametrize("behaviour", [200, 302, 500, HANG, BREAK])
def test_nothing_that_is_secret_is_told(
    receiver: WebhookReceiver, behaviour: int | str, caplog: pytest.LogCaptureFixture
):
    """Neither in the outcome nor in any log, whoever writes it: the URL, and what messages are signed with."""
    caplog.set_level(logging.DEBUG)
    receiver.behaviours = [behaviour]
    outcome = send(receiver.url, timeout_s=0.5)
    told = f"{outcome!r} {caplog.text}"
    assert [False, False] == [secret in told for secret in ("T0p-s3cret", SECRET.removeprefix("whsec_"))]


def test_an_ipv6_address_can_be_sent_to():
    """In brackets, as in any URL."""
    try:
        receiver = WebhookReceiver("::1")
    except OSError:
        pytest.skip("this machine has no IPv6")
    with receiver:
        assert send(receiver.url, AddressRule(["::1"])).is_success
    assert f"[::1]:{receiver.port}" == receiver.requests[0].headers["host"]
