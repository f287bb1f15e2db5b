"""What is said of changes: some that people make, and how much of many is looked at."""

from collections.abc import Sequence
from itertools import islice

from heksher.consequences import Behaviour, Consequence, find_consequences
from heksher.rule_set import Rule

ORDER = ("environment", "user", "theme")


def on(value: object, rule_id: int = 1, **conditions: str) -> Rule[object]:
    """Make a rule."""
    return Rule(rule_id, tuple(conditions.items()), value)


def compare(
    before: Sequence[Rule[object]], after: Sequence[Rule[object]], default: object = 60, new_default: object = 60
) -> list[Consequence]:
    return list(find_consequences(Behaviour(before, default, ORDER), Behaviour(after, new_default, ORDER)))


def tell(found: Consequence) -> tuple[dict[str, str], list[dict[str, str]], object, object]:
    """Return conditions and exceptions of the region, and the values before and after."""
    return dict(found.region.conditions), list(found.region.find_exceptions()), found.before, found.after


def test_nothing_changed() -> None:
    assert [] == compare([on(1, user="ada")], [on(1, user="ada")])


def test_numbers_of_rules_do_not_matter() -> None:
    assert [] == compare([on(1, 7, user="ada")], [on(1, 8, user="ada")])


def test_values_are_compared_as_json() -> None:
    assert [] == compare([on(1, user="ada")], [on(1.0, user="ada")])
    assert 1 == len(compare([on(1, user="ada")], [on(True, user="ada")]))


def test_changed_value_shows_where_no_stronger_rule_matches() -> None:
    stronger = on(5, 2, theme="dark")
    found = compare([on(1, user="ada"), stronger], [on(2, user="ada"), stronger])
    assert [({"user": "ada"}, [{"theme": "dark"}], 1, 2)] == list(map(tell, found))


def test_exception_within_another_one_is_not_told() -> None:
    stronger = [on(5, 2, theme="dark"), on(6, 3, theme="dark", environment="dev"), on(7, 4, theme="light", user="ada")]
    (found,) = compare([on(1, user="ada"), *stronger], [on(2, user="ada"), *stronger])
    assert [{"theme": "light"}, {"theme": "dark"}] == list(found.region.find_exceptions())


def test_changed_default_shows_where_no_rule_matches() -> None:
    found = compare([on(1, user="ada")], [on(1, user="ada")], new_default=61)
    assert [({}, [{"user": "ada"}], 60, 61)] == list(map(tell, found))


def test_deleted_rule_gives_way_to_each_weaker_one() -> None:
    weaker = on(5, 2, user="ada")
    found = compare([on(1, theme="dark"), weaker], [weaker])
    assert [
        ({"theme": "dark", "user": "ada"}, [], 1, 5),
        ({"theme": "dark"}, [{"user": "ada"}], 1, 60),
    ] == list(map(tell, found))


def test_added_rule_with_the_value_of_the_weaker_one_has_no_consequence() -> None:
    assert [] == compare([on(1, user="ada")], [on(1, user="ada"), on(1, 2, user="ada", theme="dark")])


def test_other_order_of_features_shows_where_both_rules_match() -> None:
    rules = [on(1, user="ada"), on(2, 2, theme="dark")]
    before, after = Behaviour(rules, 60, ORDER), Behaviour(rules, 60, ORDER[::-1])
    assert [({"user": "ada", "theme": "dark"}, [], 2, 1)] == list(map(tell, find_consequences(before, after)))


def test_setting_that_is_not_there_differs_everywhere() -> None:
    nowhere = object()
    found = compare([], [on(1, user="ada")], default=nowhere)
    assert [({}, [{"user": "ada"}], nowhere, 60), ({"user": "ada"}, [], nowhere, 1)] == list(map(tell, found))


def test_examples_are_the_conditions_and_those_of_weaker_rules() -> None:
    rules = [on(3, 2, environment="dev"), on(4, 3, environment="live"), on(5, 4, theme="dark")]
    (found,) = compare([on(1, user="ada"), *rules], [on(2, user="ada"), *rules])
    assert [
        {"user": "ada"},
        {"user": "ada", "environment": "dev"},
        {"user": "ada", "environment": "live"},
    ] == list(found.region.find_examples())


def test_some_of_many_consequences_take_no_look_at_the_others() -> None:
    """Of a thousand million pairs, the first ten are found at once."""
    users = [on(number, number, user=str(number)) for number in range(30_000)]
    themes = [on(-number, number, theme=str(number)) for number in range(30_000)]
    before, after = Behaviour(users, 60, ORDER), Behaviour([*users, *themes], 60, ORDER)
    assert 10 == len(list(islice(find_consequences(before, after), 10)))
