"""How the service logs."""

import json
import logging
import sys
from collections.abc import Iterator

import pytest

from heksher.server.access.token import make_token
from heksher.server.logs import JsonFormatter, TextFormatter, log_request, new_request_id, read_request_id, request_id
from tests.support.processes import run_python


@pytest.fixture
def in_request() -> Iterator[str]:
    """Inside of a request, whose id this is."""
    token = request_id.set("a-1")
    yield "a-1"
    request_id.reset(token)


def make_record(message: str, *arguments: object, **extra: object) -> logging.LogRecord:
    record = logging.makeLogRecord(
        {"name": "heksher.server.a", "levelno": logging.WARNING, "levelname": "WARNING", "msg": message}
    )
    record.args = arguments
    record.created = 1_700_000_000.25
    vars(record).update(extra)
    return record


def make_failure() -> logging.LogRecord:
    record = make_record("it failed")
    try:
        raise ValueError("no such thing")
    except ValueError:
        record.exc_info = sys.exc_info()
    return record


def test_a_text_names_level_logger_and_message():
    """After the time, and without an id where there is no request."""
    assert TextFormatter().format(make_record("%d rules", 3)).endswith(" WARNING heksher.server.a: 3 rules")


def test_a_text_ends_with_the_request(in_request: str):
    """Its id is in brackets, before the traceback if there is one."""
    assert TextFormatter().format(make_record("3 rules")).endswith(": 3 rules [a-1]")
    first, second, *_, last = TextFormatter().format(make_failure()).splitlines()
    assert [": it failed [a-1]", "Traceback (most recent call last):", "ValueError: no such thing"] == [
        first[-len(": it failed [a-1]") :],
        second,
        last,
    ]


def test_json_has_the_same_fields():
    """And no request id where there is no request."""
    assert {
        "time": "2023-11-14T22:13:20.250+00:00",
        "level": "WARNING",
        "logger": "heksher.server.a",
        "message": "3 rules",
    } == json.loads(JsonFormatter().format(make_record("%d rules", 3)))


def test_json_has_the_request_and_what_was_given_besides(in_request: str):
    """Also what is no JSON; but nothing replaces a field that each line has."""
    fields = json.loads(JsonFormatter().format(make_record("a", status=200, error=ValueError("b"), level="c")))
    assert ("a-1", 200, "b", "WARNING") == tuple(fields[name] for name in ("request_id", "status", "error", "level"))


def test_json_is_one_line_whatever_happens():
    """Line breaks in messages and exceptions, and characters that cannot be written, are escaped."""
    line = JsonFormatter().format(make_record("a\nb\udc80\u2028"))
    assert (1, "a\nb\udc80\u2028") == (len(line.splitlines()), json.loads(line)["message"])
    line = JsonFormatter().format(make_failure())
    assert (1, "ValueError: no such thing") == (len(line.splitlines()), json.loads(line)["exception"].splitlines()[-1])


def test_an_id_of_a_request_is_taken_if_it_is_sane():
    """Everything else gets a new one: nobody writes lines into the log."""
    assert "Ab.1_-" == read_request_id([(b"host", b"a"), (b"x-request-id", b"Ab.1_-")])
    assert "a" * 128 == read_request_id([(b"x-request-id", b"a" * 128)])
    for value in (b"", b"a b", b"a\n", b"a" * 129, b"\xe9", b'"', b"a\x1b[0m"):
        assert value.decode("latin-1") != (made := read_request_id([(b"x-request-id", value)]))
        assert made.isalnum()


def test_new_ids_are_new():
    """No two of a thousand are the same."""
    assert 1000 == len({new_request_id() for _ in range(1000)})


def test_a_request_is_logged_with_its_fields(caplog: pytest.LogCaptureFixture):
    """As a message for people, and as fields for programs."""
    with caplog.at_level(logging.INFO, "heksher.access"):
        log_request("GET", "/api/v1/query", 200, 0.0002104, 512, "10.0.0.7")
    (record,) = caplog.records
    assert "GET /api/v1/query 200, 512 bytes in 0.21 ms to 10.0.0.7" == record.getMessage()
    fields = json.loads(JsonFormatter().format(record))
    expected = {
        "method": "GET",
        "path": "/api/v1/query",
        "status": 200,
        "bytes": 512,
        "duration_ms": 0.21,
        "client": "10.0.0.7",
    }
    assert expected == {name: fields[name] for name in expected}


def test_a_path_cannot_forge_lines(caplog: pytest.LogCaptureFixture):
    """What has a meaning of its own in a log is percent-encoded."""
    with caplog.at_level(logging.INFO, "heksher.access"):
        log_request("GET", '/a b\n\x1b"%\u2028\udc80', 404, 0, 0, None)
    assert "GET /a%20b%0A%1B%22%25%E2%80%A8%3F 404, 0 bytes in 0 ms to ?" == caplog.messages[0]


def test_no_field_can_forge_lines(caplog: pytest.LogCaptureFixture):
    """Not the method or the address either: a field has none of the brackets and blanks of a line."""
    with caplog.at_level(logging.INFO, "heksher.access"):
        log_request("A [x]", "/", 200, 0, 0, "9.9.9.9 [x]\nDELETE / 204")
    assert "A%20%5Bx%5D / 200, 0 bytes in 0 ms to 9.9.9.9%20%5Bx%5D%0ADELETE%20/%20204" == caplog.messages[0]
    assert "9.9.9.9%20%5Bx%5D%0ADELETE%20/%20204" == caplog.records[0].client


@pytest.mark.parametrize("before", ["/api/v1/tokens/", "/hks_", "/" + "a" * 960])
def test_no_token_is_logged(caplog: pytest.LogCaptureFixture, before: str):
    """Whoever takes it for the name of one, or for a part of a URL, has not told it to everybody who reads logs."""
    token = make_token()
    with caplog.at_level(logging.INFO, "heksher.access"):
        log_request("DELETE", f"{before}{token}/{token}", 404, 0, 0, None)
    assert "hks_..." in caplog.messages[0] or caplog.records[0].path.endswith("...")
    assert token[:20] not in caplog.messages[0]


@pytest.mark.parametrize("character", ["a", "\n", "\u2028"])
def test_no_field_is_long(caplog: pytest.LogCaptureFixture, character: str):
    """At most a thousand characters, encoded ones included; one that was cut off ends with dots."""
    with caplog.at_level(logging.INFO, "heksher.access"):
        log_request(character * 5_000, "/" + character * 100_000, 200, 0, 0, character * 5_000)
        log_request("GET", "/" + "a" * 999, 200, 0, 0, None)
    record, complete = caplog.records
    fields = (record.method, record.path, record.client)
    assert [1000] * 3 == [len(field) for field in fields]
    assert [True] * 3 == [field.endswith("...") for field in fields]
    assert "/" + "a" * 999 == complete.path


@pytest.mark.parametrize(
    ("log_format", "expected"),
    [("text", "INFO heksher.server.a: started"), ("json", '"message": "started"')],
)
def test_what_is_logged_goes_to_the_standard_error(log_format: str, expected: str):
    """In the chosen format."""
    program = f"""
import logging, sys
from heksher.server.logs import configure_logging
sys.stderr = sys.stdout
configure_logging("{log_format}")
logging.getLogger("heksher.server.a").info("started")
"""
    (line,) = run_python(["-"], program)
    assert expected in line
