"""Reading requests strictly."""

import json
import threading
from types import SimpleNamespace

import pytest

from heksher.server.api import body as module
from heksher.server.api.body import check_json, parse_json
from heksher.server.config import Config
from heksher.server.limits import MAX_BODY_BYTES
from tests.support.api import Api, locations

DECLARE = "/api/v1/settings/declare"

GOOD = [
    (b'{"a": [1, 2.5, "x", true, null], "": {}}', {"a": [1, 2.5, "x", True, None], "": {}}),
    (b"1e308", 1e308),
    (b"1e-999", 0.0),
    (b"-0.0", -0.0),
    (b"9" * 300, 10**300 - 1),
    (b'"\\ud83d\\ude00\\u0000"', "😀\x00"),
    ('"é😀"'.encode(), "é😀"),
    (b"[" * 64 + b"]" * 64, None),
    (b'{"a":' * 63 + b"{}" + b"}" * 63, None),
]


@pytest.mark.parametrize(("body", "expected"), GOOD, ids=range(len(GOOD)))
def test_json_is_read(body: bytes, expected: object):
    """Whole numbers and floats keep their kind and digits, and 64 levels are read."""
    value = parse_json(body)
    if expected is not None:
        assert (type(expected), expected) == (type(value), value)


BAD = [
    (b"NaN", "NaN is no JSON, which has finite numbers only"),
    (b'{"a": [Infinity]}', "Infinity is no JSON"),
    (b"[-Infinity]", "-Infinity is no JSON"),
    (b"1e999", "too large"),
    (b'{"a": [-1e309]}', "too large"),
    (b"1" + b"0" * 300, "more than 300 digits"),
    (b"[-1" + b"0" * 300 + b"]", "more than 300 digits"),
    (b"9" * 5000, "more than 300 digits"),
    (b'"\\ud800"', "surrogate"),
    (b'{"\\udfff": 1}', "surrogate"),
    (b'["a\\ude00\\ud83d"]', "surrogate"),
    (b"[" * 65 + b"]" * 65, "64 levels"),
    (b'{"a":' * 64 + b"{}" + b"}" * 64, "64 levels"),
    (b"[" * 100_000 + b"]" * 100_000, "64 levels"),
    (b'"\xff"', "not UTF-8"),
    (b'"\xed\xa0\x80"', "not UTF-8"),
    ('"é"'.encode("latin-1"), "not UTF-8"),
    ('"a"'.encode("utf-16"), "not UTF-8"),
    (b"\xef\xbb\xbf{}", "BOM"),
    (b'{"a": 1, "a": 1}', "'a' stands twice"),
    (b'[{"\\u0061": 1, "b": 2, "a": 1}]', "'a' stands twice"),
    (b"", "Expecting value"),
    (b"{", "property name"),
    (b"[1,]", "Expecting value|trailing comma"),
    (b"01", "Extra data"),
    (b"{'a': 1}", "property name"),
    (b"{} x", "Extra data"),
    (b"\x00", "Expecting value"),
]


@pytest.mark.trap(35)
@pytest.mark.trap(44)
@pytest.mark.parametrize(("body", "message"), BAD, ids=range(len(BAD)))
def test_what_is_no_json_is_refused(body: bytes, message: str):
    """So is what not every reader of JSON can take; the message says what is wrong."""
    with pytest.raises(json.JSONDecodeError, match=message):
        parse_json(body)


@pytest.mark.trap(35)
@pytest.mark.parametrize(
    ("number", "message"),
    [("NaN", "^NaN is no JSON"), ("Infinity", "^a number is infinite, or"), ("-Infinity", "^a number is infinite, or")],
)
def test_a_document_that_others_have_parsed_is_refused_for_what_it_is(number: str, message: str):
    """What is not a number is not called too large."""
    with pytest.raises(json.JSONDecodeError, match=message):
        check_json({"a": [float(number)]})


@pytest.mark.trap(35)
@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999", "9" * 400])
@pytest.mark.parametrize("place", ["default_value", "metadata"])
def test_numbers_that_are_none_are_never_stored(number: str, place: str):
    """They are a 422 with a body that is JSON itself."""
    api = Api()
    api.add_features("user")
    value = number if place == "default_value" else f'{{"a": [{number}]}}'
    rest = '"name": "a", "configurable_features": ["user"], "type": "float"'
    default = "" if place == "default_value" else '"default_value": 1, '
    response = api.post(DECLARE, content=f'{{{default}{rest}, "{place}": {value}}}')
    assert "body" == locations(response)[0][0]
    assert {} == api.query()


@pytest.mark.trap(44)
def test_a_body_is_not_larger_than_the_limit():
    """A body of the limit is read, one byte more is a 413 that names the limit."""
    api = Api(config=Config(database="unused", max_body_bytes=1000))
    body = json.dumps({"context_feature": "user"})
    assert 204 == api.post("/api/v1/context_features", content=body.ljust(1000)).status_code
    response = api.post("/api/v1/context_features", content=body.ljust(1001))
    assert 413 == response.status_code
    assert "1000 bytes" in response.json()["detail"]


@pytest.mark.trap(44)
def test_a_body_without_a_length_is_limited_as_well():
    """Chunks are counted as they come, and no more than the limit is ever read."""
    api = Api(config=Config(database="unused", max_body_bytes=1000))
    sent = []

    async def stream():
        for _ in range(1000):
            sent.append(1)
            yield b" " * 100

    assert 413 == api.post(DECLARE, content=stream()).status_code
    assert len(sent) <= 12


def test_the_limit_on_bodies_is_four_mebibytes_at_first():
    """A large value, far beyond what the event loop parses by itself, is stored whole where the service takes it."""
    api = Api(config=Config(database="unused", max_value_bytes=MAX_BODY_BYTES))
    api.add_features("user")
    text = "é" * 2_000_000
    body = {"name": "a", "configurable_features": ["user"], "type": "str", "default_value": text}
    content = json.dumps(body, ensure_ascii=False).encode()
    assert 200 == api.post(DECLARE, content=content).status_code
    assert text == api.query()["a"]["default_value"]
    assert 413 == api.post(DECLARE, content=content + b" " * 200_000).status_code


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/api/v1/settings"), ("GET", "/api/v1/rules/1"), ("DELETE", "/api/v1/settings/a")],
)
def test_parameters_stand_once_on_every_route(method: str, path: str):
    """Even those that nobody knows."""
    assert [["query", "x"], ["query", "y"]] == locations(Api().request(method, f"{path}?x=1&y=1&x=2&y=&z"))


def test_a_body_where_none_is_expected_is_ignored():
    """As existing services do."""
    assert 200 == Api().request("GET", "/api/v1/settings", content=b"{").status_code


SENT = [
    (DECLARE, {"name": "a", "configurable_features": ["user"], "type": "int", "default_value": 1}),
    (DECLARE, {"name": "b", "configurable_features": ["user"], "type": "int", "default_value": 1.5, "version": "x"}),
    (DECLARE, []),
    (DECLARE, {}),
    (f"{DECLARE}-many", [{"name": "c", "configurable_features": ["user"], "type": "int", "default_value": 1}, {}]),
    (f"{DECLARE}-many", []),
    ("/api/v1/rules", {"setting": "a", "feature_values": {"user": "x"}, "value": 2}),
    ("/api/v1/rules", {"setting": "a", "feature_values": {"user": 1, "": "x"}, "value": 2}),
    ("/api/v1/query", {"settings": ["a"], "context_filters": {"user": ["x", 1]}}),
    ("/api/v1/query", {"settings": 1, "context_filters": {"user": 1}}),
    ("/api/v1/query", None),
    (DECLARE, "{"),
]


def answer_all() -> list[tuple[int, object]]:
    """Return what a service of its own answers, one after another."""
    api = Api()
    api.add_features("user")
    answers = [api.post(path, content=body if body == "{" else json.dumps(body)) for path, body in SENT]
    return [(answer.status_code, answer.json()) for answer in answers]


def test_large_bodies_are_answered_as_small_ones(monkeypatch: pytest.MonkeyPatch):
    """They are parsed and checked in a thread; what is answered is the same."""
    expected = answer_all()
    parsed_in = []
    monkeypatch.setattr(module, "MAX_BYTES_ON_EVENT_LOOP", 0)
    monkeypatch.setattr(module, "check_json", lambda _: parsed_in.append(threading.current_thread().name))
    assert expected == answer_all()
    assert len(parsed_in) >= len(SENT)
    assert all(name.startswith("heksher-work") for name in parsed_in)


def test_the_framework_says_how_bodies_are_checked(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture):
    """If it does not any more, the log says once what is lost, and large bodies are answered as before."""
    expected = answer_all()
    monkeypatch.setattr(module, "MAX_BYTES_ON_EVENT_LOOP", 0)
    monkeypatch.setattr(module, "find_check", lambda _: None)
    assert expected == answer_all()
    monkeypatch.undo()
    module._report_loss.cache_clear()
    silent = SimpleNamespace(body_field=object())
    assert [None, None] == [module.find_check(silent) for _ in range(2)]
    (message,) = caplog.messages
    assert message.startswith("this version of FastAPI does not let the service check large bodies in threads")


def test_of_many_faults_a_few_are_told():
    """Whoever sends a million learns of the first ones."""
    faults = locations(Api().post("/api/v1/query", json={"context_filters": dict.fromkeys(map(str, range(900)), 1)}))
    assert 20 == len(faults)
