"""Tests of what a message says in words."""

from typing import Any

import pytest

from heksher.server.webhooks.message_text import describe_entry, describe_part, escape_markup

RULE: dict[str, Any] = {
    "kind": "rule",
    "key": "7",
    "setting": "cache_ttl",
    "feature_values": [["environment", "prod"], ["user", "ada"]],
}
SETTING: dict[str, Any] = {"kind": "setting", "key": "cache_ttl"}
WHOLE: dict[str, Any] = {
    "name": "cache_ttl",
    "type": "int",
    "default_value": 60,
    "metadata": {},
    "version": "1.0",
}


@pytest.mark.parametrize(
    ("part", "text"),
    [
        (
            {**RULE, "action": "set value", "before": {"value": 60}, "after": {"value": [1, "é"]}},
            'rule 7 of cache_ttl (environment = prod, user = ada): value 60 → [1,"é"]',
        ),
        (
            {**RULE, "action": "add", "before": None, "after": {"setting": "cache_ttl", "value": 120, "metadata": {}}},
            "rule 7 of cache_ttl (environment = prod, user = ada) was added: value 120",
        ),
        (
            {**RULE, "action": "delete", "before": {"value": None}, "after": None},
            "rule 7 of cache_ttl (environment = prod, user = ada) was deleted: value null",
        ),
        (
            {**RULE, "feature_values": None, "action": "set value", "before": {"value": 1}, "after": {"value": 2}},
            "rule 7 of cache_ttl: value 1 → 2",
        ),
        (
            {"kind": "proposal", "key": "7", "action": "apply", "before": None, "after": {"author": "ada"}},
            "proposal 7 was applied",
        ),
        (
            {"kind": "policy", "key": "shop.", "action": "override", "before": {}, "after": {}},
            "policy shop.: override",
        ),
        (
            {**SETTING, "action": "declare", "before": None, "after": WHOLE},
            'setting cache_ttl was added: type "int"; default_value 60',
        ),
        (
            {**SETTING, "action": "delete", "before": WHOLE, "after": None},
            'setting cache_ttl was deleted: type "int"; default_value 60',
        ),
        (
            {
                **SETTING,
                "action": "declare",
                "before": {"default_value": 60, "version": "1.0"},
                "after": {"default_value": 90, "version": "1.1"},
            },
            'setting cache_ttl: default_value 60 → 90; version "1.0" → "1.1"',
        ),
        (
            {
                "kind": "context_features",
                "key": "",
                "action": "add",
                "before": {"context_features": []},
                "after": {"context_features": ["user"]},
            },
            'the context features: context_features [] → ["user"]',
        ),
        ({**SETTING, "action": "touch", "before": {}, "after": {}}, "setting cache_ttl: touch"),
        (
            {**RULE, "feature_values": [], "action": "set value", "before": None, "after": None, "is_shortened": True},
            "rule 7 of cache_ttl: set value (too long to be shown)",
        ),
        (
            {**SETTING, "action": "set", "before": {"metadata": {}}, "after": {"metadata": {"a": "x" * 200}}},
            f'setting cache_ttl: metadata {{}} → {{"a":"{"x" * 94}…',
        ),
    ],
)
def test_a_change_is_told_with_what_it_was_before(part: dict[str, Any], text: str) -> None:
    """The object, then each field that differs; long values are cut."""
    assert text == describe_part(part)


CHANGE = {**RULE, "action": "set value", "before": {"value": 1}, "after": {"value": 2}}
LINE = "• rule 7 of cache_ttl (environment = prod, user = ada): value 1 → 2"


def describe(count: int = 1, size: int = 1, **head: Any) -> list[str]:
    known = {"actor": "Ada", "actor_kind": "person", "revision": 17, "reason": None, "size": size, **head}
    return describe_entry(known, [CHANGE] * count).split("\n")


def test_an_entry_is_told_with_who_and_why() -> None:
    """Whether that is proved is said, too."""
    assert ["Ada, revision 17", LINE] == describe()
    assert "Ada, revision 17: Black Friday, 10 times" == describe(reason="Black\n Friday,\t10 times ")[0]
    assert "Ada (not proved), revision 17" == describe(actor_kind="nobody")[0]
    assert "somebody, revision 17" == describe(actor=None, actor_kind="nobody")[0]
    assert f"{'x' * 200}… (not proved), revision 17" == describe(actor="x" * 500, actor_kind="nobody")[0]


def test_of_many_changes_the_first_are_told() -> None:
    """And how many there are besides."""
    assert ["Ada, revision 17", *[LINE] * 3] == describe(3, 3)
    assert ["Ada, revision 17", *[LINE] * 10, "• and 1,224 more"] == describe(100, 1234)


def test_markup_of_slack_is_escaped() -> None:
    """So nobody is called, and nothing leads anywhere that was written into a value."""
    assert "&lt;!channel&gt; &lt;https://evil.example|here&gt; &amp;amp; @\u200beveryone" == escape_markup(
        "<!channel> <https://evil.example|here> &amp; @everyone"
    )


def test_a_text_is_short_whatever_it_tells_of() -> None:
    """A rule may have conditions without end, and a setting fields."""
    conditions = [[f"feature_{number}", "x" * 100] for number in range(100)]
    fields = {f"field_{number}": "x" * 200 for number in range(100)}
    for part in ({**CHANGE, "feature_values": conditions}, {**SETTING, "before": fields, "after": fields}):
        text = describe_entry(
            {"actor": "x" * 500, "actor_kind": "person", "revision": 17, "reason": "y" * 500, "size": 99}, [part] * 99
        )
        assert 3_000 < len(text) < 4_000
