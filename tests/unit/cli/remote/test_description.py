"""Answers in words."""

import pytest

from heksher.cli.remote.description import (
    count,
    describe_actor,
    describe_conditions,
    describe_region,
    describe_sides,
    describe_time,
    describe_value,
    list_parts,
    write_json,
)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("dark", '"dark"'),
        ("Öl 李", '"Öl 李"'),
        ("\x1b[2J", '"\\u001b[2J"'),
        ("\x9b2J", '"\\u009b2J"'),
        ("\ud800", '"\\ud800"'),
        ({"a": [1, None, True]}, '{"a": [1, null, true]}'),
    ],
)
def test_values_are_json_that_a_terminal_can_show(value: object, expected: str):
    """Whatever they have in them."""
    assert expected == write_json(value)


def test_long_values_are_shortened():
    """In tables."""
    assert f'"{"a" * 99}…' == describe_value("a" * 1000)


@pytest.mark.parametrize(
    ("conditions", "expected"),
    [
        ({"user": "ada", "environment": "dev"}, "user=ada environment=dev"),
        ([["user", "Ada L."]], "user='Ada L.'"),
        ({"user": ""}, "user="),
        ({"user": "a;b"}, "user='a;b'"),
        ({"user": "\x1b"}, "user='\\x1b'"),
        ({}, ""),
    ],
)
def test_conditions_are_written_as_commands_take_them(conditions: object, expected: str):
    """In a shell."""
    assert expected == describe_conditions(conditions)


def test_a_region_says_where_it_ends():
    """And where there is more than is told."""
    region = {"conditions": {}, "except": [{"user": "ada"}, {"theme": "dark"}], "has_more_except": True}
    assert ("everywhere", "user=ada or theme=dark or ...") == describe_region(region)


def test_times_are_to_the_second():
    """Of all that never was, there is none."""
    assert ("2026-11-28 09:30:00", "never") == (describe_time("2026-11-28T09:30:00.123+00:00"), describe_time(None))


@pytest.mark.parametrize(
    ("actor", "kind", "expected"),
    [
        ("Ada", "person", "Ada"),
        ("Ada", "nobody", "Ada (not proved)"),
        (None, "nobody", "unknown"),
        ("\x1b", "token", "\\x1b"),
    ],
)
def test_an_actor_is_proved_or_claimed(actor: str | None, kind: str, expected: str):
    """Or unknown."""
    assert expected == describe_actor({"actor": actor, "actor_kind": kind})


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ({"value": 1}, {"value": 2}, "value 1 -> 2"),
        ({"value": 1, "metadata": {}}, {"value": 2, "metadata": {"a": 1}}, 'value 1 -> 2; metadata {} -> {"a": 1}'),
        ({}, {"expires_at": None}, "expires at null -> null"),
        (None, {"value": 2, "metadata": {}}, "added: 2"),
        ({"default_value": "x", "type": "str"}, None, 'deleted: "x"'),
        (None, {"grants": []}, "added"),
        ({}, {}, ""),
    ],
)
def test_sides_are_told_by_what_differs(before: object, after: object, expected: str):
    """Or by the value that an object had or has."""
    assert expected == describe_sides(before, after)


def test_parts_are_rows():
    """And what is not shown is counted."""
    rule = {"kind": "rule", "key": "7", "setting": "a", "feature_values": [["user", "ada"]], "action": "set value"}
    new = {**rule, "key": None, "feature_values": None, "before": None, "after": {"value": 1}}
    token = {"kind": "token", "key": "b", "action": "change", "before": {}, "after": {}}
    features = {"kind": "context_features", "key": "", "action": "add", "before": {"a": 1}, "after": {"a": 2}}
    rows = list_parts([{**rule, "before": {"value": 1}, "after": {"value": 2}}, new, token, features], 1004)
    assert [
        ("rule 7 of a", "user=ada", "value 1 -> 2"),
        ("rule of a", "", "added: 1"),
        ("token b", "", "change"),
        ("context features", "", "a 1 -> 2"),
        ("... and 1,000 more", "", ""),
    ] == rows


def test_things_are_counted_in_words():
    """One is one."""
    assert ("1 rule", "2,000 rules", "0 rules") == (count(1, "rule"), count(2000, "rule"), count(0, "rule"))
