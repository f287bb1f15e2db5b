"""Reading answers: what is accepted, and what the errors say of the rest."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import example, given, strategies

from heksher.clients.conversation.exchange import Request, Response
from heksher.clients.conversation.response_reader import (
    QueriedSetting,
    announced_features,
    expect,
    read_answers,
    read_features,
    read_object,
    read_queried_setting,
    read_query,
    read_retry_after,
    read_revision,
    read_setting_names,
    read_settings,
)
from heksher.clients.util import SettingData
from heksher.exceptions import InvalidResponseError, StatusError, TransportError
from heksher.revision_id import RevisionId
from heksher.rule_set import Rule
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


@pytest.mark.trap(28)
@pytest.mark.parametrize(
    ("location", "shown"),
    [
        ("http://me:s3cret@other.test:81/a/b?token=s3cret#s3cret", "'http://other.test:81/a/b'"),
        ("/login?next=s3cret", "'/login'"),
        ("//s3cret@other.test", "'//other.test'"),
        ("http://me:s3@cret@other.test", "'http://other.test'"),
        ("http://other.test/a@b", "'http://other.test/a@b'"),
        ("http://[::1", "'http://[::1'"),
        ("", "''"),
        ("x" * 1000, f"'{'x' * 300}…'"),
    ],
)
def test_redirect(location: str, shown: str) -> None:
    """An error for a redirect says where it goes, without what may be secret, and not what the answer says."""
    with pytest.raises(StatusError) as raised:
        expect(REQUEST, Response(302, {"location": location}, b"it is at s3cret"))
    text = "was answered with status 302, a redirect to {}, which only follow_redirects in http_client_args allows"
    assert f"{REQUEST} {text.format(shown)}" == str(raised.value)


def test_location_of_what_is_no_redirect() -> None:
    """With other statuses, a location says nothing about where to go."""
    with pytest.raises(StatusError, match=r"status 201: made$"):
        expect(REQUEST, Response(201, {"location": "/made"}, b"made"), 200)


# ---- when to ask again

DATE = "Wed, 21 Oct 2015 07:28:00 GMT"


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0),
        ("120", 120),
        (" 7 ", 7),
        ("999999999999", 999999999999),
        ("Wed, 21 Oct 2015 07:28:30 GMT", 30),
        ("Wednesday, 21-Oct-15 07:28:30 GMT", 30),
        ("Wed Oct 21 07:28:30 2015", 30),
        ("Wed, 21 Oct 2015 09:28:30 +0200", 30),
        ("Wed, 21 Oct 2015 07:27:00 GMT", 0),
        ("-1", None),
        ("1.5", None),
        ("1e3", None),
        ("٣", None),
        ("9" * 5000, None),
        ("soon", None),
        ("", None),
        ("Wed, 99 Oct 2015 07:28:30 GMT", None),
        ("Wed, 21 Oct 99999 07:28:30 GMT", None),
    ],
)
def test_retry_after(text: str, seconds: float | None) -> None:
    """It is a number of seconds, or a date in any of the three forms, by the service's clock; anything else is none."""
    assert seconds == read_retry_after({"retry-after": text, "date": DATE})


@pytest.mark.parametrize("headers", [{}, {"date": "yesterday"}])
def test_retry_after_by_this_clock(headers: dict[str, str]) -> None:
    """If the service does not say what time it is, the time of this machine will do."""
    moment = format_datetime(datetime.now(UTC) + timedelta(seconds=1000), usegmt=True)
    seconds = read_retry_after({"retry-after": moment, **headers})
    assert seconds is not None
    assert 900 < seconds <= 1000
    assert read_retry_after({"retry-after": DATE, **headers}) == 0
    assert read_retry_after(headers) is None


@given(text=strategies.text(), date=strategies.text())
@example(text="Wed, 21 Oct 2015 07:28:30 -0000", date=DATE)
def test_any_retry_after(text: str, date: str) -> None:
    """Whatever a service says, reading it does not fail, and nobody is asked to be back before now."""
    seconds = read_retry_after({"retry-after": text, "date": date})
    assert seconds is None or seconds >= 0


def test_status_error_says_when_to_ask_again() -> None:
    """The error of a status brings the status itself, and when to ask again."""
    with pytest.raises(StatusError) as raised:
        expect(REQUEST, Response(503, {"retry-after": "7"}, b""))
    assert (503, 7) == (raised.value.status, raised.value.retry_after_s)
    with pytest.raises(StatusError) as raised:
        expect(REQUEST, Response(404, {}, b""))
    assert (404, None) == (raised.value.status, raised.value.retry_after_s)


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
    assert read_query(REQUEST, respond({"settings": {"size": None}})) == ({"size": None}, {})


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
    assert SettingData("size", ["a"], "int", 0, {}, ["width"], "1.0") == data


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
    for read in (read_settings, read_setting_names):
        with pytest.raises(InvalidResponseError, match="JSON of another shape: settings is no list"):
            read(REQUEST, respond({"settings": {}}))


def test_names_of_settings() -> None:
    """Names and aliases are read; what one setting lacks, or has of another kind, is no matter of the others."""
    settings = [{**listed("size"), "aliases": ["width", 1]}, {}, "x", {"name": 1}, {"name": "a", "aliases": None}, None]
    assert {"size", "width", "a"} == read_setting_names(REQUEST, respond({"settings": settings}))


# ---- revision


@pytest.mark.parametrize(
    ("told", "revision"),
    [("7", 7), ("0", 0), ("-7", None), ("seven", None), ("\u0667", None), ("", None), ("9" * 5000, None)],
)
def test_revision(told: str, revision: int | None) -> None:
    """A revision is a number of a length that a database counts to, and anything else is none."""
    expected = None if revision is None else RevisionId(revision)
    assert expected == read_revision(Response(200, {"heksher-revision": told}, b"", NATIVE))


@pytest.mark.parametrize(
    ("told", "revision"),
    [
        ("7-0123456789ab", RevisionId(7, "0123456789ab")),
        ("7", RevisionId(7)),
        ("7-stamp", RevisionId(8)),
        ("", RevisionId(8)),
    ],
)
def test_revision_with_its_stamp(told: str, revision: RevisionId) -> None:
    """A service may tell the stamp as well; where that makes no sense, the number counts that stands alone."""
    assert revision == read_revision(Response(200, {"heksher-revision": "8", "heksher-revision-id": told}, b"", NATIVE))


def test_a_value_that_is_nested_deep_is_one_settings_problem() -> None:
    """What Python cannot go through is an error that says so, and that costs this setting alone."""
    value: JSON = 0
    for _ in range(2000):
        value = {"a": value}
    with pytest.raises(InvalidResponseError, match="nested too deep"):
        read_queried_setting({"rules": [], "default_value": value})


# ---- the answers to many declarations


def test_answers_to_many_declarations() -> None:
    """Each is what it would be alone: a text stays as it is, anything else is JSON; headers are those of the whole."""
    whole = respond(
        [{"status": 200, "body": {"outcome": "created"}}, {"status": 404, "body": "no a"}], headers={"x": "y"}
    )
    assert [respond({"outcome": "created"}, headers={"x": "y"}), respond("no a", 404, {"x": "y"})] == read_answers(
        whole
    )


@pytest.mark.parametrize(
    "body", ["<html>", {}, [1], [{"status": 200}], [{"body": 1}], [{"status": True, "body": 1}], "[" * 100_000, "[NaN]"]
)
def test_what_is_no_list_of_answers(body: object) -> None:
    """Nothing is read from anything else."""
    assert read_answers(respond(body)) is None
