"""Rules without effect: some that people leave behind, and how long it takes to find them among many."""

from collections.abc import Sequence

from heksher.consequences import Behaviour
from heksher.idle_rules import find_idle
from heksher.rule_set import Rule

ORDER = ("environment", "user", "theme")


def on(value: object, rule_id: int = 1, **conditions: str) -> Rule[object]:
    """Make a rule."""
    return Rule(rule_id, tuple(conditions.items()), value)


def find_numbers(rules: Sequence[Rule[object]], default: object = 60) -> list[int]:
    """Return the numbers of the rules without effect."""
    return [rule.rule_id for rule in find_idle(Behaviour(rules, default, ORDER))]


def test_rule_with_the_value_of_the_default_has_no_effect() -> None:
    assert [1] == find_numbers([on(60, user="ada"), on(61, 2, user="bob")])


def test_rule_that_keeps_the_default_among_weaker_rules_has_an_effect() -> None:
    assert [] == find_numbers([on(60, theme="dark"), on(5, 2, user="ada")])


def test_rule_has_no_effect_where_stronger_ones_match_whenever_it_would_show() -> None:
    """The weaker rule differs, but for its only user there is a rule that is stronger still."""
    assert [1] == find_numbers([on(60, theme="dark"), on(5, 2, user="ada"), on(7, 3, user="ada", theme="dark")])


def test_of_two_rules_with_one_value_each_is_there_for_the_other() -> None:
    assert [2] == find_numbers([on(5, user="ada"), on(5, 2, user="ada", theme="dark")])


def test_values_are_compared_as_json() -> None:
    assert [1] == find_numbers([on(1.0, user="ada")], default=1)
    assert [] == find_numbers([on(True, user="ada")], default=1)


def test_many_rules_with_one_value_take_no_look_at_each_pair() -> None:
    """Of a hundred million pairs, none that has one value is looked at."""
    users = [on(60, number, user=str(number)) for number in range(10_000)]
    themes = [on(60, 10_000 + number, theme=str(number)) for number in range(10_000)]
    assert list(range(20_000)) == find_numbers([*users, *themes])
    odd = on(7, 50_000, user="odd")
    assert list(range(10_000)) == find_numbers([*users, *themes, odd])
