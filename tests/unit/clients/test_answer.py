"""Reading answers: what is accepted, and what the errors say of the rest."""

import pytest

from heksher.clients.answer import (
    QueriedSetting,
    announced_features,
    expect,
    read_features,
    read_object,
    read_queried_setting,
    read_query,
    read_settings,
)
from heksher.clients.exchange import Request, Response
from heksher.clients.util import SettingData
from heksher.exceptions import InvalidResponseError, StatusError, TransportError
from heksher.rules import Rule
from heksher.value_type import JSON
from tests.support.conversation import listed, listing, respond, rule

REQUEST = Request("GET", "/api/v1/query")
NATIVE = object()


def sent(body: bytes) -> Response:
    return Response(200, {}, body, NATIVE)


# ---- statuses


@pytest.mark.parametrize("status", [200, 204, 299])
def test_any_success_is_expected(status: int) -> None:
    """Without a list of statuses, every 2xx will do."""
    response = respond("", status)
    assert response is expect(REQUEST, response)


def test_listed_statuses_are_expected() -> None:
    """With a list of statuses, these will do, and no others."""
    response = respond("", 304)
    assert response is expect(REQUEST, response, 200, 304)
    with pytest.raises(StatusError):
        expect(REQUEST, respond("", 201), 200, 304)


@pytest.mark.parametrize("status", [199, 301, 404, 500])
def test_unexpected_status(status: int) -> None:
    """The error names the request and the status, quotes the answer, and brings the library's response."""
    with pytest.raises(StatusError) as raised:
        expect(REQUEST, Response(status, {}, b" no such thing\n", NATIVE))
    assert str(raised.value) == f"GET /api/v1/query was answered with status {status}: no such thing"
    assert NATIVE is raised.value.native


def test_text_of_an_unexpected_status() -> None:
    """A text that is no UTF-8 is shown as far as possible, a long one is cut, and of none the error says so."""
    for body, shown in ((b"\xff!", "\N{REPLACEMENT CHARACTER}!"), (b"", "(no text)")):
        with pytest.raises(StatusError) as raised:
            expect(REQUEST, Response(500, {}, body))
        assert str(raised.value).endswith(f"status 500: {shown}")
    with pytest.raises(StatusError) as raised:
        expect(REQUEST, Response(500, {}, b"x" * 100_000))
    assert len(str(raised.value)) < 400


def test_no_response() -> None:
    """Where there is no response, the reason is raised."""
    error = TransportError("the connection broke off")
    with pytest.raises(TransportError) as raised:
        expect(REQUEST, error)
    assert error is raised.value


# ---- JSON


def test_object() -> None:
    """A JSON object is read, whatever its encoding among those of JSON."""
    for encoding in ("utf-8", "utf-8-sig", "utf-16"):
        assert read_object(REQUEST, sent('{"a": "é"}'.encode(encoding))) == {"a": "é"}


@pytest.mark.trap(12)
@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"\xff", b'{"a": NaN}', b'{"a": Infinity}', b'{"a": 1', b"[" * 100_000, b"1" * 5_000]
)
def test_no_json(body: bytes) -> None:
    """What is no JSON is an error that names the request, and shows how the answer begins."""
    with pytest.raises(InvalidResponseError, match=r"^GET /api/v1/query was not answered with JSON \(.+\): ") as raised:
        read_object(REQUEST, sent(body))
    assert NATIVE is raised.value.native
    assert len(str(raised.value)) < 500


@pytest.mark.parametrize("body", [b"[]", b"null", b'"text"', b"1"])
def test_no_object(body: bytes) -> None:
    """JSON that is no object is an error."""
    with pytest.raises(InvalidResponseError, match="GET /api/v1/query was not answered with a JSON object: "):
        read_object(REQUEST, sent(body))


# ---- context features


def test_features() -> None:
    """Context features are read in their order."""
    assert read_features(REQUEST, respond({"context_features": ["b", "a"]})) == ("b", "a")


@pytest.mark.parametrize("answer", [{}, {"context_features": "ab"}, {"context_features": ["a", 1]}])
def test_no_features(answer: JSON) -> None:
    """Anything but a list of names is an error."""
    with pytest.raises(InvalidResponseError, match="JSON of another shape: context_features is no list of names"):
        read_features(REQUEST, respond(answer))


def test_announced_features() -> None:
    """The header lists the features; an empty one lists none, which is something else than no header."""
    for header, expected in (("b,a", ("b", "a")), ("a", ("a",)), ("", ())):
        assert expected == announced_features(Response(200, {"heksher-context-features": header}, b""))
    assert announced_features(respond()) is None


# ---- the query


def test_query() -> None:
    """What a query says of each setting is given as it is; it is read one by one."""
    assert read_query(REQUEST, respond({"settings": {"size": None}})) == {"size": None}


@pytest.mark.parametrize("answer", [{}, {"settings": []}, {"settings": None}])
def test_no_query(answer: JSON) -> None:
    """An answer without an object of settings is an error."""
    with pytest.raises(InvalidResponseError, match="JSON of another shape: settings is no object"):
        read_query(REQUEST, respond(answer))


def test_queried_setting() -> None:
    """Rules and default are read; members that later services may add are passed over."""
    answer: JSON = {
        "default_value": None,
        "rules": [{"rule_id": 1, "value": None, "context_features": [["a", "x"], ["b", "y"]], "metadata": {}}],
        "color": "blue",
    }
    expected = QueriedSetting((Rule(1, (("a", "x"), ("b", "y")), None),), has_default=True, default_value=None)
    assert expected == read_queried_setting(answer)


def test_queried_setting_without_default() -> None:
    """A setting of which no default is said is told from one whose default is null."""
    assert read_queried_setting({"rules": []}) == QueriedSetting((), has_default=False, default_value=None)


@pytest.mark.parametrize("answer", [None, [], "size", {}, {"rules": None}, {"rules": {}}])
def test_no_setting(answer: JSON) -> None:
    """What is no object with a list of rules is an error."""
    with pytest.raises(InvalidResponseError, match="a setting must be an object with a list of rules, not "):
        read_queried_setting(answer)


@pytest.mark.parametrize(
    "broken",
    [
        None,
        {"value": 1, "context_features": []},
        {"rule_id": "1", "value": 1, "context_features": []},
        {"rule_id": 1, "context_features": []},
        {"rule_id": 1, "value": 1},
        {"rule_id": 1, "value": 1, "context_features": {"a": "x"}},
        {"rule_id": 1, "value": 1, "context_features": ["ax"]},
        {"rule_id": 1, "value": 1, "context_features": [["a", "x", "y"]]},
        {"rule_id": 1, "value": 1, "context_features": [["a", 1]]},
    ],
)
def test_no_rule(broken: JSON) -> None:
    """One rule that cannot be read spoils its setting: nobody can tell what would win without it."""
    with pytest.raises(InvalidResponseError, match="a rule must have rule_id, value and context_features: "):
        read_queried_setting({"rules": [rule(1, 1, a="x"), broken]})


# ---- the list of settings


def test_settings() -> None:
    """All settings are given by name, their values as JSON."""
    [data] = read_settings(REQUEST, listing(listed("size", "width"))).values()
    assert SettingData("size", ("a",), "int", 0, {}, ("width",), "1.0") == data


@pytest.mark.parametrize(
    "answer",
    [
        {"settings": ["size"]},
        {"settings": [{"name": "size"}]},
        {"settings": [{**listed("size"), "name": 1}]},
        {"settings": [{**listed("size"), "aliases": [["width"]]}]},
        {"settings": [{**listed("size"), "aliases": "width"}]},
        {"settings": [{**listed("size"), "configurable_features": [1]}]},
        {"settings": [{**listed("size"), "metadata": []}]},
    ],
)
def test_incomplete_setting(answer: JSON) -> None:
    """A setting that lacks something, or has something of another kind, is an error."""
    with pytest.raises(InvalidResponseError, match=r"JSON of another shape: a setting is incomplete \("):
        read_settings(REQUEST, respond(answer))


def test_no_settings() -> None:
    """An answer without a list of settings is an error."""
    with pytest.raises(InvalidResponseError, match="JSON of another shape: settings is no list"):
        read_settings(REQUEST, respond({"settings": {}}))
