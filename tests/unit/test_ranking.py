"""The ranking of rules: where each stands, and what is looked at when rules are joined with a context."""

from heksher.ranking import Ranking, join
from heksher.rule_set import Rule

ORDER = ("environment", "user", "theme")
ADA = Rule(1, (("user", "ada"),), 1)
BOB = Rule(2, (("user", "bob"),), 2)
DARK_DEV = Rule(3, (("theme", "dark"), ("environment", "dev")), 3)
RANKING = Ranking([ADA, BOB, DARK_DEV], ORDER)


def test_places_go_by_priority_and_the_default_comes_last() -> None:
    assert [0, 1, 1, 2] == [RANKING.find_place(rule) for rule in (DARK_DEV, ADA, BOB, None)]


def test_twin_has_the_same_conditions_in_any_order() -> None:
    assert DARK_DEV is RANKING.find_twin((("environment", "dev"), ("theme", "dark")))
    assert RANKING.find_twin((("theme", "dark"),)) is None
    assert RANKING.find_twin((("user", "eve"),)) is None


def test_rates_compare_as_priorities_do() -> None:
    rate = RANKING.priorities.rate
    assert rate(("a feature of another order",)) > rate(ORDER) > rate(("theme",)) > rate(ORDER[:2]) > rate(("user",))


def test_winner_is_looked_for_in_the_groups_that_are_asked_for() -> None:
    context = {"theme": "dark", "environment": "dev", "user": "ada"}
    assert [DARK_DEV, ADA, None] == [RANKING.find_winner(context, begin) for begin in range(3)]
    assert RANKING.find_winner({"theme": "dark", "user": "eve"}) is None


def test_joining_turns_back_where_it_is_hopeless() -> None:
    asked = []

    def is_hopeless(context: dict[str, str]) -> bool:
        asked.append(dict(context))
        return "environment" in context

    assert [] == list(join(RANKING.groups[0], {}, is_hopeless))
    assert {"environment": "dev", "theme": "dark"} not in asked


def test_joining_leaves_out_what_is_not_selected() -> None:
    def select_bob(table: dict[str, object]) -> dict[str, object]:
        return {entry: inner for entry, inner in table.items() if entry == "bob"}

    joined = join(RANKING.groups[1], {"theme": "dark"}, lambda _: False, select_bob)
    assert [(BOB, {"theme": "dark", "user": "bob"})] == list(joined)
