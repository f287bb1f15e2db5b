"""Regions: what can win where a part of a context is known, and what is said of it."""

from heksher.ranking import Ranking
from heksher.region import find_possible
from heksher.rule_set import NO_VALUE, Rule

ORDER = ("environment", "user", "theme")
ADA = Rule(1, (("user", "ada"),), 1)
DARK = Rule(2, (("theme", "dark"),), 2)
DARK_DEV = Rule(3, (("environment", "dev"), ("theme", "dark")), 3)
RULES = [ADA, DARK, DARK_DEV]

Told = list[tuple[int, dict[str, str], list[dict[str, str]]]]


def tell(**context: str) -> Told:
    """Return the number of each rule that can win (0: the default), with conditions and exceptions of its region."""
    found = find_possible(Ranking(RULES, ORDER), context)
    return [
        (0 if rule is None else rule.rule_id, dict(region.conditions), list(region.find_exceptions()))
        for rule, region in found
    ]


def test_any_rule_and_the_default_can_win_where_nothing_is_known() -> None:
    assert [
        (3, {"environment": "dev", "theme": "dark"}, []),
        (2, {"theme": "dark"}, [{"environment": "dev"}]),
        (1, {"user": "ada"}, [{"theme": "dark"}]),
        (0, {}, [{"theme": "dark"}, {"user": "ada"}]),
    ] == tell()


def test_weaker_rules_cannot_win_where_one_is_known_to_match() -> None:
    assert [
        (3, {"environment": "dev", "theme": "dark"}, []),
        (2, {"theme": "dark"}, [{"environment": "dev"}]),
    ] == tell(theme="dark")


def test_one_wins_where_all_is_known() -> None:
    known = {"environment": "dev", "user": "ada", "theme": "light"}
    assert [(1, known, [])] == tell(**known)


def test_feature_that_is_known_to_have_no_value_is_not_open() -> None:
    assert [(1, {"theme": NO_VALUE, "user": "ada"}, []), (0, {"theme": NO_VALUE}, [{"user": "ada"}])] == tell(
        theme=NO_VALUE
    )


def test_examples_have_the_conditions_of_weaker_rules() -> None:
    (_, _), (_, region), *_ = find_possible(Ranking(RULES, ORDER), {})
    assert [{"theme": "dark"}, {"theme": "dark", "user": "ada"}] == list(region.find_examples())
