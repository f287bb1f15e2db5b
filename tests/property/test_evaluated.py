"""Laws of what the service says of values: they are those of the oracle, and nothing else is possible than it says."""

import json
from collections.abc import Mapping
from itertools import product
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from heksher.rule_set import NO_VALUE
from heksher.server.access.grants import EVERYTHING
from heksher.server.catalog.picture import Picture, enter_rule, enter_setting, make_picture
from heksher.server.queries.evaluated import EvaluationQuery, evaluate
from heksher.server.storage.base import RuleRecord, SettingRecord
from tests.support.oracle import resolve
from tests.support.rule_strategies import World, worlds

# "-" is asked for by no rule.
CHOICES = ("x", "y", "z", "-")
parts = st.dictionaries(st.integers(0, 4), st.sampled_from([*CHOICES, NO_VALUE]))


def make(world: World) -> Picture:
    order = tuple(world.feature_order)
    records = [RuleRecord(rule.rule_id, "a", dict(rule.conditions), rule.value) for rule in world.rules]
    setting = SettingRecord("a", "str", "default", frozenset(order), "1.0")
    return make_picture(1, order, [enter_setting(setting, {rule.rule_id: enter_rule(rule, order) for rule in records})])


def find_winner(world: World, context: Mapping[str, str]) -> int | None:
    return resolve(world.conditions(), context, world.feature_order).winner


def get_id(told: Mapping[str, Any]) -> int | None:
    """Return the number of the rule that a value comes from."""
    return None if told["rule"] is None else told["rule"]["rule_id"]


@settings(max_examples=200)
@given(worlds(), parts)
def test_what_is_possible_is_what_the_oracle_finds_in_some_context(world: World, drawn: dict[int, str]) -> None:
    """In each context that has the given part, the value is that of the one possibility whose conditions hold."""
    order = world.feature_order
    part = {order[number]: value for number, value in drawn.items() if number < len(order)}
    told = json.loads(evaluate(make(world), EvaluationQuery(None, part), EVERYTHING))["settings"]["a"]
    possible = told.get("possible", [{**told, "conditions": {}, "except": []}])
    choices = [[part[feature]] if feature in part else CHOICES for feature in order]
    winners = set()
    for point in [dict(zip(order, chosen, strict=True)) for chosen in product(*choices)]:
        (found,) = [each for each in possible if is_in(point, each)]
        assert find_winner(world, point) == get_id(found)
        winners.add(get_id(found))
    assert winners == {get_id(each) for each in possible}
    unnamed = {**dict.fromkeys(order, "-"), **part}
    matches = [told["rule"], *told["losing_rules"]] if told["rule"] else []
    assert resolve(world.conditions(), unnamed, order).matches == tuple(rule["rule_id"] for rule in matches)


def is_in(point: Mapping[str, str], possible: Mapping[str, Any]) -> bool:
    """Return whether a context has the conditions of a possible value, and none of its exceptions."""
    exceptions = any(exception.items() <= point.items() for exception in possible["except"])
    return possible["conditions"].items() <= point.items() and not exceptions
