"""Requests that no honest client sends, byte for byte over a socket: nothing ever makes a server error (trap 44)."""

import logging
import socket
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from heksher.server.config import Config
from tests.support.service import RunningService


@pytest.fixture(scope="module")
def service() -> Iterator[RunningService]:
    """A service with a setting and a rule, that reads bodies of up to 100,000 bytes."""
    with RunningService(config=Config(database="unused", max_body_bytes=100_000)) as service:
        service.add_features("environment", "user")
        service.declare("a", type="Mapping<float>", default_value={})
        service.add_rule("a", {"user": "x"}, {})
        yield service


def send(service: RunningService, request: bytes) -> int:
    """Send bytes, and return the status of the answer."""
    parts = urlsplit(service.url)
    with socket.create_connection((parts.hostname, parts.port), timeout=20) as connection:
        connection.sendall(request)
        answer = connection.makefile("rb").readline()
    return int(answer.split()[1])


def make(method: bytes, target: bytes, body: bytes = b"", *headers: bytes) -> bytes:
    lines = [method + b" " + target + b" HTTP/1.1", b"Host: localhost", b"Connection: close", *headers]
    if body:
        lines.append(b"Content-Length: %d" % len(body))
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


STRANGE = [
    b"%00",
    b"%ff%fe",
    b"%ed%a0%80",
    b"\xff\xfe",
    b"%2e%2e%2f",
    b"%0a",
    b"%F0%9F%92%A9",
    b"%",
    b"%zz",
    b"a" * 10_000,
    b"9" * 5_000,
    b"-1",
    b"1e5",
    b"0x1",
    b"%D9%A1",
    b"*",
    b"'%22--;",
    b"a%3Fb",
]
PATHS = [
    b"/api/v1/settings/%s",
    b"/api/v1/settings/%s/type",
    b"/api/v1/settings/%s/metadata/%s",
    b"/api/v1/rules/%s",
    b"/api/v1/rules/%s/value",
    b"/api/v1/rules/1/metadata/%s",
    b"/api/v1/context_features/%s",
    b"/api/v1/context_features/%s/index",
    b"/docs/assets/%s",
    b"/%s",
]

METHODS = [
    (b"GET", b""),
    (b"DELETE", b'{"version":"9.0"}'),
    (b"PUT", b'{"value":1,"version":"9.0"}'),
    (b"PATCH", b'{"to_after":"user"}'),
    (b"POST", b"{}"),
    (b"OPTIONS", b""),
    (b"TRACE", b""),
]


@pytest.mark.trap(44)
@pytest.mark.parametrize("path", PATHS)
def test_strange_paths_are_the_clients_fault(service: RunningService, path: bytes):
    """Whatever stands for a name or an id, with every method."""
    for part in STRANGE:
        target = path.replace(b"%s", part)
        for method, body in METHODS:
            status = send(service, make(method, target, body))
            assert status < 500, (method, target)


@pytest.mark.trap(44)
@pytest.mark.parametrize(
    "query",
    [
        b"settings=%s",
        b"context_filters=%s",
        b"context_filters=user:(%s)",
        b"context_filters=user:(%22%s%22)",
        b"feature_values=user:%s",
        b"feature_values=user:%22%s%22",
        b"include_metadata=%s",
        b"%s=1",
        b"%s",
        b"&&=&%s",
        b"settings=a&context_filters=%s:*",
    ],
)
def test_strange_queries_are_the_clients_fault(service: RunningService, query: bytes):
    """Or, where the parameter is one that nobody knows, nobody's."""
    for part in STRANGE:
        for path in (b"/api/v1/query?", b"/api/v1/rules/search?setting=a&", b"/api/v1/settings?", b"/api/health?"):
            status = send(service, make(b"GET", path + query.replace(b"%s", part)))
            assert status < 500, (path, query, part)


BODIES = [
    b"",
    b"null",
    b"{}",
    b"[]",
    b"NaN",
    b"\xff",
    b"\xef\xbb\xbf{}",
    b"[" * 90_000,
    b'{"a":' * 15_000,
    b"9" * 90_000,
    b"-" + b"1" * 310,
    b"1e999",
    b'"\\ud800"',
    b'{"\\ud800":1}',
    b"\x00",
    b'{"a":1,"a":1}',
    b'{"a"',
    b"tru",
]
PARTS = [
    b"null",
    b"1e999",
    b"NaN",
    b"[]",
    b"{}",
    b'"\\ud800"',
    b'{"\\udfff":1}',
    b"9" * 5000,
    b'"\\u0000"',
    b'"a\\n"',
    b"true",
    b"-0",
    b'"' + b"a" * 90_000 + b'"',
    b"[" * 70 + b"]" * 70,
    b'"Sequence<' + b"Sequence<" * 3000 + b'"',
    b'"Enum[[[[1]]]]"',
    b'"Enum[NaN]"',
    b'"Enum[1e999]"',
    b'"Enum[' + b"9" * 5000 + b']"',
    b'"Flags[' + b"[" * 5000 + b']"',
    b'"99999999999.0"',
    b'["user","user"]',
    b'[["user"]]',
    b'{"user":null}',
]
DECLARE = b"/api/v1/settings/declare"
TEMPLATES = [
    (b"POST", b"/api/v1/context_features", b'{"context_feature":%s}'),
    (b"PATCH", b"/api/v1/context_features/user/index", b'{"to_after":%s}'),
    (b"POST", DECLARE, b'{"name":%s,"configurable_features":["user"],"type":"int","default_value":1}'),
    (b"POST", DECLARE, b'{"name":"b","configurable_features":%s,"type":"int","default_value":1}'),
    (b"POST", DECLARE, b'{"name":"b","configurable_features":["user"],"type":%s,"default_value":1}'),
    (b"POST", DECLARE, b'{"name":"b","configurable_features":["user"],"type":"int","default_value":%s}'),
    (b"PUT", b"/api/v1/settings/a/type", b'{"type":%s,"version":"2.0"}'),
    (b"PUT", b"/api/v1/settings/a/name", b'{"name":%s,"version":"1.0"}'),
    (b"PUT", b"/api/v1/settings/a/configurable_features", b'{"configurable_features":%s,"version":"2.0"}'),
    (b"POST", b"/api/v1/settings/a/metadata", b'{"metadata":%s,"version":"2.0"}'),
    (b"DELETE", b"/api/v1/settings/a/metadata", b'{"version":%s}'),
    (b"POST", b"/api/v1/rules", b'{"setting":%s,"feature_values":{"user":"y"},"value":{}}'),
    (b"POST", b"/api/v1/rules", b'{"setting":"a","feature_values":%s,"value":{}}'),
    (b"POST", b"/api/v1/rules", b'{"setting":"a","feature_values":{"user":%s},"value":{}}'),
    (b"POST", b"/api/v1/query", b'{"context_filters":{"user":%s}}'),
    (b"POST", b"/api/v1/query", b'{"context_filters":{"user":[%s]}}'),
    (b"POST", b"/api/v1/rules", b'{"setting":"a","feature_values":{"user":"y"},"value":%s}'),
    (b"PUT", b"/api/v1/rules/1/value", b'{"value":{"a":%s}}'),
    (b"PUT", b"/api/v1/rules/1/metadata/k", b'{"value":%s}'),
]


@pytest.mark.trap(35)
@pytest.mark.trap(44)
@pytest.mark.parametrize(("method", "path", "template"), TEMPLATES)
def test_strange_bodies_are_the_clients_fault(service: RunningService, method: bytes, path: bytes, template: bytes):
    """As a whole, or in one of their parts."""
    for body in [*BODIES, *(template.replace(b"%s", part) for part in PARTS)]:
        assert send(service, make(method, path, body)) < 500, body[:200]


@pytest.mark.parametrize(
    "headers",
    [
        [b"Content-Type: \xff\xfe"],
        [b"Content-Type: application/json; charset=utf-16"],
        [b"Content-Type: application/json; charset=\xff"],
        [b"Content-Type: ;;;==,,"],
        [b"Content-Type: multipart/form-data"],
        [b"Content-Type: multipart/form-data; boundary=x"],
        [b"Content-Type: application/x-www-form-urlencoded"],
        [b"Content-Type: application/json", b"Content-Type: text/plain"],
        [b"Content-Encoding: gzip"],
        [b"Expect: 100-continue"],
        [b"Upgrade: websocket", b"Connection: Upgrade"],
        [b"If-None-Match: \xff", b"Accept: \xff"],
        [b"X: " + b"a" * 50_000],
    ],
)
def test_strange_headers_are_the_clients_fault(service: RunningService, headers: list[bytes]):
    """With a body that would be fine, and where there is none."""
    body = b'{"value":{}}'
    assert send(service, make(b"PUT", b"/api/v1/rules/1/value", body, *headers)) < 500
    assert send(service, make(b"GET", b"/api/v1/query", b"", *headers)) < 500


@pytest.mark.trap(44)
def test_a_large_body_is_refused_without_being_read(service: RunningService):
    """By its length, or, when it comes in chunks, as soon as it is too large; the connection can be read from."""
    declared = b"POST /api/v1/rules HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000000\r\n\r\n"
    assert 413 == send(service, declared)
    chunk = b"%x\r\n%s\r\n" % (50_000, b" " * 50_000)
    chunked = b"POST /api/v1/rules HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
    assert 413 == send(service, chunked + chunk * 3)


@pytest.mark.parametrize(
    "request_",
    [
        b"GET\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        b"GET /api/health HTTP/9.9\r\n\r\n",
        b"GET http://[ HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET /api/health HTTP/1.1\r\nHost: \x00\r\n\r\n",
        b"POST /api/v1/rules HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
        b"POST /api/v1/rules HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n",
        b"POST /api/v1/rules HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"POST /api/v1/rules HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ],
)
def test_what_is_no_http_is_the_clients_fault(service: RunningService, request_: bytes):
    """It is a 400."""
    assert 400 == send(service, request_)


def test_a_client_that_goes_away_is_no_error(service: RunningService, caplog: pytest.LogCaptureFixture):
    """One that hangs up in the middle of its body is nobody's fault; the next one is served."""
    parts = urlsplit(service.url)
    with caplog.at_level(logging.WARNING):
        with socket.create_connection((parts.hostname, parts.port)) as connection:
            connection.sendall(b"POST /api/v1/rules HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{")
        assert 200 == send(service, make(b"GET", b"/api/health"))
    assert [] == [record for record in caplog.records if record.levelno >= logging.ERROR]
