"""How a state is written down, and what is said of a text that is none."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from heksher.clients.conversation.response_reader import QueriedSetting, is_same_answer
from heksher.clients.conversation.saved_state import (
    SavedState,
    read_document,
    read_payload,
    read_settings,
    write_payload,
)
from heksher.rule_set import Rule
from heksher.value_type import JSON

MOMENT = datetime(2026, 11, 22, 10, tzinfo=UTC)


def make_state(**settings: QueriedSetting) -> SavedState:
    return SavedState(MOMENT, "http://heksher.test", "a:(x)", ("a", "b"), 7, settings)


def write(state: SavedState) -> bytes:
    return b"".join(write_payload(state))


def restore(state: SavedState) -> SavedState:
    return read_payload(write(state), state.saved_at)


def test_text() -> None:
    """The text is the answer to a query, with some members more; what a setting lacks is not written."""
    rules = (Rule(1, (("a", "x"), ("b", "y")), [1.0]), Rule(2, (("b", "y"),), None))
    state = make_state(size=QueriedSetting(rules, False, None), color=QueriedSetting((), True, "blüe"))
    expected = (
        b'{"service":"http://heksher.test","context_filters":"a:(x)","context_features":["a","b"],"revision":7,'
        b'"settings":{"color":{"default_value":"bl\\u00fce","rules":[]},"size":{"rules":['
        b'{"rule_id":1,"value":[1.0],"context_features":[["a","x"],["b","y"]]},'
        b'{"rule_id":2,"value":null,"context_features":[["b","y"]]}]}}}\n'
    )
    assert expected == write(state)
    assert state == read_payload(expected, MOMENT)


def test_same_state_same_text() -> None:
    """Neither its time nor the order of settings makes a difference to the text."""
    one, other = (QueriedSetting((), True, value) for value in (1, 2))
    state = make_state(one=one, other=other)
    assert write(state) == write(make_state(other=other, one=one)._replace(saved_at=datetime.now(UTC)))


def test_without_settings_or_revision() -> None:
    """A state may be empty."""
    state = SavedState(MOMENT, "", "", (), None, {})
    assert state == restore(state)


@pytest.mark.parametrize("count", [1, 99, 100, 101, 200, 250])
def test_many_rules(count: int) -> None:
    """Rules are written in pieces, of which nothing can be seen in the end."""
    rules = tuple(Rule(rule_id, (("a", f"x{rule_id}"),), rule_id) for rule_id in range(count))
    state = make_state(size=QueriedSetting(rules, True, 0))
    assert state == restore(state)
    assert write(state) == json.dumps(json.loads(write(state)), separators=(",", ":")).encode() + b"\n"


@pytest.mark.parametrize("value", [1, 1.0, True, None, "", [], {}, "\ud800", 2**70, {"a": [1, {"b": None}]}])
def test_values(value: JSON) -> None:
    """Each value comes back as what it was, not as something that Python finds equal."""
    setting = QueriedSetting((Rule(1, (("a", "x"),), value),), True, value)
    assert is_same_answer(restore(make_state(size=setting)).settings["size"], setting)


def test_what_looks_like_a_rule() -> None:
    """A value may look like a rule, and settings may be called like the members of one."""
    value: JSON = {"rule_id": 1, "value": {"rule_id": 2, "value": 3, "context_features": []}, "context_features": []}
    setting = QueriedSetting((Rule(1, (("a", "x"),), value),), True, [value])
    state = make_state(rule_id=setting, value=setting, context_features=setting)
    assert state == restore(state)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), object()])
def test_what_is_no_json(value: Any) -> None:
    """What could not be read again is not written."""
    with pytest.raises((TypeError, ValueError)):
        write(make_state(size=QueriedSetting((), True, value)))


COMPLETE: dict[str, JSON] = {
    "service": "",
    "context_filters": "*",
    "context_features": ["a"],
    "revision": None,
    "settings": {},
}


@pytest.mark.parametrize(
    ("member", "value", "problem"),
    [
        ("service", None, "service is no text: None"),
        ("context_filters", 1, "context_filters is no text: 1"),
        ("context_features", "ab", "context_features is no list of names: 'ab'"),
        ("context_features", ["a", 1], "context_features is no list of names: ['a', 1]"),
        ("context_features", ["a", "b", "a"], "context_features has a name twice: ['a', 'b', 'a']"),
        ("revision", "7", "revision is no whole number: '7'"),
        ("revision", True, "revision is no whole number: True"),
        ("settings", [], "settings is no object: []"),
        ("settings", {"size": None}, "setting size: a setting must be an object with a list of rules, not None"),
        (
            "settings",
            {"size": {"rules": [{"rule_id": 1}]}},
            "setting size: a rule must have rule_id, value and context_features: {'rule_id': 1}",
        ),
    ],
)
def test_wrong_shape(member: str, value: JSON, problem: str) -> None:
    """The error says which part is not what it must be."""
    with pytest.raises(ValueError, match=r"^") as raised:
        read_payload(json.dumps({**COMPLETE, member: value}).encode(), MOMENT)
    assert problem == str(raised.value)


@pytest.mark.parametrize("missing", ["service", "context_filters", "context_features", "settings"])
def test_missing_member(missing: str) -> None:
    """A member that is not there is as wrong as one of another shape."""
    document = {member: value for member, value in COMPLETE.items() if member != missing}
    with pytest.raises(ValueError, match=f"^{missing} is no "):
        read_payload(json.dumps(document).encode(), MOMENT)


@pytest.mark.parametrize("text", [b"", b"{", b'{"a": NaN}', b"[]", b"null", b"\xff", b"[" * 100_000])
def test_no_json_object(text: bytes) -> None:
    """What is no JSON object is no document."""
    with pytest.raises(ValueError, match=r"."):
        read_document(text)


def test_value_that_is_nested_deep() -> None:
    """A value nested deeper than can be followed is an error that names the setting, if it is not one of parsing."""
    nested: JSON = 0
    for _ in range(2_000):
        nested = [nested]
    with pytest.raises(ValueError, match=r"^setting size: "):
        read_settings({"size": {"default_value": nested, "rules": []}})
