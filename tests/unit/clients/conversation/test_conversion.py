"""From what the service says of a setting to an evaluation: conversion, coercion, validation, rejection."""

import logging
from collections.abc import Mapping, Sequence
from typing import TypeVar

import pytest

from heksher.clients.conversation.conversion import ConvertedSetting, convert_setting
from heksher.clients.conversation.response_reader import QueriedSetting
from heksher.context import ClientContext
from heksher.rule_set import Rule
from heksher.setting import QueriedRule, Setting
from heksher.value_type import JSON

T = TypeVar("T")

CONTEXT = ClientContext(("a", "b"))
RULE = QueriedRule(1, (("a", "x"),))


def said(default_value: JSON, **by_a: JSON) -> QueriedSetting:
    """Make an answer with a default and, for each value of the feature a, a rule; they are counted from 1."""
    rules = [Rule(number, (("a", a),), value) for number, (a, value) in enumerate(by_a.items(), start=1)]
    return QueriedSetting(tuple(rules), has_default=True, default_value=default_value)


def receive(setting: Setting[T], queried: QueriedSetting) -> ConvertedSetting[T]:
    """Take an answer in, and publish it."""
    converted = convert_setting(setting, queried, ("a", "b"), CONTEXT)
    setting._switch_to(converted.evaluation.compile())
    return converted


def remarks(converted: ConvertedSetting[T]) -> list[tuple[str, str]]:
    return [(logging.getLevelName(remark.level), remark.text) for remark in converted.remarks]


def test_values_are_converted() -> None:
    """Rules and default arrive as Python values; nothing is to be said of it."""
    setting = Setting("sizes", Sequence[int], ["a", "b"], [0])
    converted = receive(setting, said([1], x=[2, 3]))
    assert (setting.get(a="x"), setting.get(a="y"), setting.server_default_value) == ((2, 3), (1,), (1,))
    assert converted.is_complete
    assert remarks(converted) == []


def test_nothing_changes_before_publishing() -> None:
    """An evaluation is made beside the one that the setting has."""
    setting = Setting("size", int, ["a"], 0)
    convert_setting(setting, said(1), ("a",), CONTEXT)
    assert setting.get(a="x") == 0


@pytest.mark.trap(16)
def test_rules_follow_the_order_of_the_service() -> None:
    """The features' order is the given one, not that in which the setting lists them."""
    setting = Setting("size", int, ["b", "a"], 0)
    rules = (Rule[JSON](1, (("a", "x"),), 1), Rule[JSON](2, (("b", "y"),), 2))
    receive(setting, QueriedSetting(rules, has_default=False, default_value=None))
    assert setting.get(a="x", b="y") == 2


def test_no_default_is_said() -> None:
    """Without a default from the service, the local one holds, also where there was one from the service before."""
    setting = Setting("size", int, ["a"], 0)
    receive(setting, said(1))
    receive(setting, QueriedSetting((), has_default=False, default_value=None))
    assert (setting.get(a="x"), setting.explain(a="x").source) == (0, "local default")


# ---- rejection


@pytest.mark.trap(6)
@pytest.mark.parametrize("wrong", ["2", 2.5, True, None, [], {"value": 2}])
def test_rejected_rule_costs_no_other(wrong: JSON) -> None:
    """A rule whose value is of another type is left out; the others and the default count."""
    setting = Setting("size", int, ["a", "b"], 0)
    converted = receive(setting, said(1, x=wrong, y=3))
    assert [setting.get(a=a, b="z") for a in "xy"] == [1, 3]
    assert not converted.is_complete
    [(level, text)] = remarks(converted)
    assert level == "WARNING"
    began = "setting update rejected rules: setting size: the value of rule 1"
    assert text.startswith(f"{began}, {wrong!r}, was rejected: TypeError('expected int ")


def test_rejected_rule_keeps_its_last_value() -> None:
    """Where the same rule had an accepted value before, that one stays."""
    setting = Setting("size", int, ["a", "b"], 0)
    receive(setting, said(1, x=2, y=3))
    receive(setting, said(1, x=2.5, y=4))
    assert [setting.get(a=a, b="z") for a in "xy"] == [2, 4]


def test_rejected_rule_after_a_change_of_the_feature_order() -> None:
    """A rule whose conditions are listed in another order is the same rule."""
    setting = Setting("size", int, ["a", "b"], 0)
    for value, conditions in ((2, (("a", "x"), ("b", "y"))), ("big", (("b", "y"), ("a", "x")))):
        rule = Rule[JSON](1, conditions, value)
        receive(setting, QueriedSetting((rule,), has_default=False, default_value=None))
    assert setting.get(a="x", b="y") == 2


def test_rejected_rule_of_a_used_number() -> None:
    """A rule of the same number with other conditions is another rule: its value is not that of the first."""
    setting = Setting("size", int, ["a", "b"], 0)
    receive(setting, said(1, x=2))
    receive(setting, said(1, y=2.5))
    assert [setting.get(a=a, b="z") for a in "xy"] == [1, 1]


def test_rejected_default() -> None:
    """A default that is rejected gives way to the last one that was accepted, and that to the local one."""
    setting = Setting("size", int, ["a"], 0)
    [(level, text)] = remarks(receive(setting, said("big")))
    assert (level, text.partition(", was rejected: TypeError(")[0]) == (
        "WARNING",
        "setting default value discarded default due to conversion error: setting size: the default value, 'big'",
    )
    assert (setting.get(a="x"), setting.explain(a="x").source) == (0, "local default")
    receive(setting, said(5))
    receive(setting, said("big"))
    assert (setting.get(a="x"), setting.explain(a="x").source) == (5, "server default")


def test_long_values_are_cut() -> None:
    """What is said of a value does not grow with it."""
    converted = receive(Setting("size", int, ["a"], 0), said("x" * 100_000))
    assert len(converted.remarks[0].text) < 1000


# ---- coercion


def test_coerced_values() -> None:
    """Coerced values are kept; for a default, which reaches nearly everyone, that is a warning."""
    setting = Setting("sizes", Sequence[int], ["a"], [])
    converted = receive(setting, said([1, "2"], x=[None, 3]))
    assert (setting.get(a="x"), setting.get(a="y")) == ((3,), (1,))
    assert converted.is_complete
    [(rule_level, rule_text), (default_level, default_text)] = remarks(converted)
    assert (rule_level, default_level) == ("INFO", "WARNING")
    assert rule_text.startswith(
        "setting update coerced values: setting sizes: the value of rule 1, [None, 3], was coerced: failed to con"
    )
    assert default_text.startswith(
        "setting default value coerced to local value: setting sizes: the default value, [1, '2'], was "
    )


def test_on_coerce() -> None:
    """What on_coerce returns is the value; it is told everything about it."""
    calls: list[tuple[object, ...]] = []

    def count(
        coerced: Sequence[int], raw: JSON, coercions: Sequence[str], rule: QueriedRule | None, setting: object
    ) -> Sequence[int]:
        calls.append((coerced, raw, len(coercions), rule, setting))
        return [len(coerced)]

    setting = Setting("sizes", Sequence[int], ["a"], [], on_coerce=count)
    receive(setting, said([1, None, "x"], x=[None, 3], y=[4]))
    assert [setting.get(a=a) for a in "xyz"] == [[1], (4,), [1]]
    assert calls == [((3,), [None, 3], 1, RULE, setting), ((1,), [1, None, "x"], 2, None, setting)]


def refuse(*_args: object) -> Sequence[int]:
    raise TypeError("all or nothing")


@pytest.mark.parametrize(
    ("on_coerce", "reason"), [(refuse, "all or nothing"), (None, "takes no coerced values: failed")]
)
def test_coercion_is_rejected(on_coerce: None, reason: str) -> None:
    """A TypeError from on_coerce, or none at all, rejects a coerced value and no other."""
    setting = Setting("sizes", Sequence[int], ["a"], [], on_coerce=on_coerce)
    converted = receive(setting, said([1], x=[None, 3]))
    assert setting.get(a="x") == (1,)
    [(level, text)] = remarks(converted)
    assert (level, reason in text) == ("WARNING", True)


# ---- validators


def test_validators() -> None:
    """Validators run in order on each value from the service, converted, with the rule that it came with."""
    setting = Setting("size", int, ["a"], 0)
    calls = []

    @setting.add_validator
    def add_one(value: int, rule: QueriedRule | None, of: Setting[int]) -> int:
        calls.append((value, rule, of))
        return value + 1

    @setting.add_validator
    def double(value: int, _rule: QueriedRule | None, _of: Setting[int]) -> int:
        return value * 2

    receive(setting, said(1, x=2))
    assert (setting.get(a="x"), setting.get(a="y")) == (6, 4)
    assert calls == [(2, RULE, setting), (1, None, setting)]


def test_validators_do_not_see_local_defaults() -> None:
    """A value that does not come from the service is no validator's business."""
    setting = Setting("size", int, ["a"], 0)
    setting.add_validator(lambda value, _rule, _setting: value + 1)
    receive(setting, QueriedSetting((), has_default=False, default_value=None))
    assert setting.get(a="x") == 0


@pytest.mark.trap(6)
@pytest.mark.parametrize("error", [TypeError("too big"), ZeroDivisionError("too big"), KeyError("too big")])
def test_validator_rejects(error: Exception) -> None:
    """Whatever a validator raises costs the value that it was called for, and no other."""
    setting = Setting("size", int, ["a"], 0)

    @setting.add_validator
    def check(value: int, _rule: QueriedRule | None, _setting: Setting[int]) -> int:
        if value > 10:
            raise error
        return value

    converted = receive(setting, said(1, x=11, y=5))
    assert [setting.get(a=a) for a in "xyz"] == [1, 5, 1]
    assert remarks(converted) == [
        ("WARNING", f"setting update rejected rules: setting size: the value of rule 1, 11, was rejected: {error!r}")
    ]


def test_mappings_are_read_only() -> None:
    """A mapping that every reader shares cannot be changed by one of them."""
    setting = Setting("limits", Mapping[str, int], ["a"], {})
    converted = convert_setting(setting, said({"m": 1}), ("a",), CONTEXT)
    with pytest.raises(TypeError):
        converted.evaluation.default_value["m"] = 2  # type: ignore[index]  # what must fail
