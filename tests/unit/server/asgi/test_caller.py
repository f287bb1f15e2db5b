"""Who sends a request."""

import logging

import pytest

from heksher.server.app import Application
from heksher.server.asgi.caller import Caller, read_caller
from heksher.server.config import Config
from heksher.server.storage.base import Origin
from tests.support.asgi_call import read_metrics, send
from tests.support.catalogs import FragileStorage, open_fragile
from tests.support.operations import read_last

QUERY = "/api/v1/query"
FEATURES = "/api/v1/context_features"


@pytest.fixture
def storage() -> FragileStorage:
    """A storage with one setting."""
    return open_fragile()


@pytest.fixture
def app(storage: FragileStorage) -> Application:
    """The application on it."""
    return Application(Config("unused", has_access_log=True), storage)


def test_nobody_is_named_by_a_request_that_names_nobody():
    """Whatever else it says, and by an empty name as well."""
    nobody = Caller(actor="", kind="nobody")
    assert [nobody] * 2 == [read_caller({b"user-agent": b"ada"}), read_caller({b"heksher-actor": b""})]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b"ada", "ada"),
        (b"Ada%20Lovelace", "Ada Lovelace"),
        (b"%C3%A9", "é"),
        (b"%f0%9f%98%80" * 100, "😀" * 100),
        (b"a+b&c=d;e", "a+b&c=d;e"),
        (b"100%25", "100%"),
    ],
)
def test_an_actor_is_percent_encoded(value: bytes, expected: str):
    """In UTF-8; what the header claims makes nobody known."""
    assert Caller(expected, "nobody") == read_caller({b"heksher-actor": value})


MALFORMED = {
    b"Ada Lovelace": "percent-encoded",
    b"%": "percent-encoded",
    b"%4": "percent-encoded",
    b"%zz": "percent-encoded",
    b"\xc3\xa9": "percent-encoded",
    b"%C3": "UTF-8",
    b"%ED%A0%80": "UTF-8",
    b"a" * 101: "more than 100 characters",
    b"%C3%A9" * 101: "more than 100 characters",
    b"a%0Ab": "control characters",
    b"%C2%85": "control characters",
}


@pytest.mark.parametrize(("value", "message"), MALFORMED.items())
def test_a_malformed_actor_is_refused(value: bytes, message: str):
    """The message says what it has to be."""
    with pytest.raises(ValueError, match=message):
        read_caller({b"heksher-actor": value})


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b"", ""),
        (b"incident%204711", "incident 4711"),
        (b"%F0%9F%98%80" * 500, "😀" * 500),
        (b"first%0Asecond", "first\nsecond"),
    ],
)
def test_a_reason_is_percent_encoded(value: bytes, expected: str):
    """As the name of an actor is, but it may be longer, and have lines; nobody is claimed by it."""
    assert Caller(reason=expected) == read_caller({b"heksher-reason": value})


MALFORMED_REASONS = {
    b"incident 4711": "percent-encoded",
    b"%C3": "UTF-8",
    b"a" * 501: "more than 500 characters",
    b"a%0D%0Ab": "control characters",
    b"%1B[31m": "control characters",
    b"a%09b": "control characters",
    b"%C2%85": "control characters",
}


@pytest.mark.parametrize(("value", "message"), MALFORMED_REASONS.items())
def test_a_malformed_reason_is_refused(value: bytes, message: str):
    """Even with a proper name of an actor; the message names the header."""
    with pytest.raises(ValueError, match=f"^Heksher-Reason: .*{message}"):
        read_caller({b"heksher-actor": b"ada", b"heksher-reason": value})


@pytest.mark.parametrize("path", [QUERY, FEATURES, "/api/v1/stream", "/nothing"])
def test_a_refusal_names_the_header(app: Application, caplog: pytest.LogCaptureFixture, path: str):
    """As problem details, even where the answer is in memory; it is counted, and logged with its id."""
    caplog.set_level(logging.INFO, "heksher.access")
    send(app, "GET", QUERY)
    refused = send(app, "GET", path, [(b"heksher-actor", b"%"), (b"x-request-id", b"abc")])
    assert (400, b"application/problem+json", b"abc") == (
        refused.status,
        refused.headers[b"content-type"],
        refused.headers[b"x-request-id"],
    )
    assert "Heksher-Actor: the name must be percent-encoded, such as Ada%20Lovelace" == refused.json()["detail"]
    assert str(len(refused.body)).encode() == refused.headers[b"content-length"]
    assert caplog.messages[-1].startswith(f"GET {path} 400, {len(refused.body)} bytes")
    assert '{route="unmatched",status="400"} 1.0' in read_metrics(app)


def test_the_log_of_changes_names_the_actor(app: Application, storage: FragileStorage):
    """Who is nobody that is known, with or without a name, and with the reason."""
    origins = []
    named = [(b"heksher-actor", b"Ada%20L"), (b"heksher-reason", b"it%20is%20needed")]
    for feature, headers in ((b"a", named), (b"b", [])):
        body = b'{"context_feature":"%b"}' % feature
        assert 204 == send(app, "POST", FEATURES, headers, body).status
        origins.append(read_last(storage.inner).origin)
    assert [Origin("Ada L", "it is needed", "nobody"), Origin()] == origins
