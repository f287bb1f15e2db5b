"""What is said of a setting's value in a context, to whom, and how much of it."""

import json
from typing import Any

import pytest

from heksher.rule_set import NO_VALUE
from heksher.server.access.grants import EVERYTHING, Grants, parse_grants
from heksher.server.catalog.picture import Picture, enter_rule, enter_setting, make_picture
from heksher.server.errors import NotFoundError, NotPermittedError
from heksher.server.queries.evaluated import (
    MAX_EXCEPTIONS,
    MAX_POSSIBLE,
    MAX_POSSIBLE_IN_ALL,
    EvaluationQuery,
    count_rules,
    evaluate,
)
from heksher.server.storage.base import RuleRecord, SettingRecord
from heksher.value_type import JSON

ORDER = ("environment", "user", "theme")
ADA, DARK, DARK_ADA = {"user": "ada"}, {"theme": "dark"}, {"theme": "dark", "user": "ada"}
RULES: dict[int, tuple[dict[str, str], JSON]] = {1: (ADA, 10), 2: (DARK, 20), 3: (DARK_ADA, 30)}


def make(settings: dict[str, dict[int, tuple[dict[str, str], JSON]]], default: JSON = 60) -> Picture:
    """Make a picture of settings with rules by number."""
    entered = []
    for name, rules in settings.items():
        record = SettingRecord(name, "int", default, frozenset(ORDER), "1.0", aliases=frozenset({f"{name}.old"}))
        records = [RuleRecord(number, name, conditions, value) for number, (conditions, value) in rules.items()]
        entered.append(enter_setting(record, {rule.rule_id: enter_rule(rule, ORDER) for rule in records}))
    return make_picture(7, ORDER, entered)


def ask(
    picture: Picture,
    context: dict[str, str],
    names: tuple[str, ...] | None = None,
    compare_with: dict[str, str] | None = None,
    grants: Grants = EVERYTHING,
) -> dict[str, Any]:
    return json.loads(evaluate(picture, EvaluationQuery(names, context, compare_with), grants))


def ask_one(context: dict[str, str], grants: Grants = EVERYTHING) -> dict[str, Any]:
    """Return what is said of the setting with the rules above."""
    return ask(make({"in.a": RULES}), context, grants=grants)["settings"]["in.a"]


def tell(number: int) -> dict[str, Any]:
    """Return one of these rules as it is answered."""
    conditions, value = RULES[number]
    pairs = [[feature, conditions[feature]] for feature in ORDER if feature in conditions]
    return {"rule_id": number, "value": value, "context_features": pairs}


def test_winner_and_losing_rules_are_told_with_the_reason():
    answer = ask_one({"environment": "dev", "user": "ada", "theme": "dark"})
    assert answer == {
        "value": 30,
        "source": "rule",
        "rule": tell(3),
        "losing_rules": [
            {**tell(2), "lost_on": "user", "why": "rule 3 has a condition on user, and this one has none"},
            {**tell(1), "lost_on": "theme", "why": "rule 3 has a condition on theme, and this one has none"},
        ],
    }


def test_default_is_told_where_no_rule_matches():
    answer = ask_one({"environment": "dev", "user": "bob", "theme": "light"})
    assert answer == {"value": 60, "source": "default", "rule": None, "losing_rules": []}


def test_all_that_is_possible_is_told_where_features_are_open():
    answer = ask_one({"user": "ada"})
    assert (10, False) == (answer["value"], answer["has_more_possible"])
    assert answer["possible"] == [
        {
            "value": 30,
            "source": "rule",
            "rule": tell(3),
            "conditions": {"theme": "dark"},
            "except": [],
            "has_more_except": False,
        },
        {
            "value": 10,
            "source": "rule",
            "rule": tell(1),
            "conditions": {},
            "except": [{"theme": "dark"}],
            "has_more_except": False,
        },
    ]


def test_default_is_among_what_is_possible():
    assert [30, 20, 10, 60] == [each["value"] for each in ask_one({})["possible"]]


def test_open_feature_that_decides_nothing_leaves_nothing_else_possible():
    assert "possible" not in ask_one({"theme": "light", "user": "bob"})


def test_feature_without_a_value_is_not_open():
    assert "possible" not in ask_one({"theme": NO_VALUE, "user": NO_VALUE})


def test_whoever_may_only_evaluate_is_told_values_alone():
    assert {"value": 10, "source": "rule"} == ask_one({"user": "ada"}, parse_grants(["evaluate"]))


def test_two_contexts_are_compared():
    answer = ask(make({"in.a": RULES, "in.b": {}}), ADA, compare_with=DARK_ADA, grants=parse_grants(["evaluate"]))
    assert answer["settings"] == {
        "in.a": {"value": 10, "source": "rule", "differs": True, "compared": {"value": 30, "source": "rule"}},
        "in.b": {"value": 60, "source": "default", "differs": False, "compared": {"value": 60, "source": "default"}},
    }


@pytest.mark.parametrize(("value", "other", "differs"), [(1, 1.0, False), (1, True, True), ({"a": 1}, {"a": 2}, True)])
def test_values_are_compared_as_json(value: JSON, other: JSON, differs: bool):
    picture = make({"a": {1: (ADA, value)}}, default=other)
    assert differs is ask(picture, ADA, compare_with={"user": "bob"})["settings"]["a"]["differs"]


def test_values_come_as_they_are():
    """Also those that look like the text that stands around them."""
    odd = {"a": ',"context_features":', "value": [1, {"rules": '],"rules":['}], "context_features": 7}
    picture = make({"a": {1: ({"user": ',"value":1'}, odd)}}, default=odd)
    for user in (',"value":1', "ada"):
        assert odd == ask(picture, {"user": user})["settings"]["a"]["value"]


def test_settings_have_canonical_names():
    answer = ask(make({"a": RULES, "b": {}}), ADA, ("a.old", "a"))
    assert (["a"], {"a.old": "a"}, 7) == ([*answer["settings"]], answer["aliases"], answer["revision"])


def test_settings_beyond_the_grant_are_left_out_or_refused():
    """By any of their names; also a name that no setting has."""
    picture, grants = make({"in.a": {}, "out.a": {}}), parse_grants(["evaluate:in."])
    assert ["in.a"] == [*ask(picture, {}, grants=grants)["settings"]]
    for name in ("out.a", "out.a.old", "out.gone"):
        with pytest.raises(NotPermittedError, match="evaluate:out"):
            ask(picture, {}, ("in.a", name), grants=grants)
    assert ["in.a", "out.a"] == [*ask(picture, {}, grants=parse_grants(["edit:in."]))["settings"]]


def test_unknown_names_are_refused():
    with pytest.raises(NotFoundError, match="gone"):
        ask(make({"a": {}}), {}, ("a", "gone"))
    for contexts in ({"context": {"size": "1"}}, {"context": {}, "compare_with": {"size": "1"}}):
        with pytest.raises(NotFoundError, match=r"no context features \['size'\]"):
            ask(make({"a": {}}), **contexts)


def test_some_of_many_possible_values_are_told():
    rules = {number: ({"user": str(number)}, number) for number in range(1, MAX_POSSIBLE + 1)}
    answer = ask(make({"a": rules}), {})["settings"]["a"]
    assert (MAX_POSSIBLE, True) == (len(answer["possible"]), answer["has_more_possible"])
    answer = ask(make({"a": dict([*rules.items()][1:])}), {})["settings"]["a"]
    assert (MAX_POSSIBLE, False) == (len(answer["possible"]), answer["has_more_possible"])
    last = answer["possible"][-1]
    assert ("default", MAX_EXCEPTIONS, True) == (last["source"], len(last["except"]), last["has_more_except"])


def test_one_answer_has_no_more_possible_values_than_it_may():
    settings = MAX_POSSIBLE_IN_ALL // 50 + 1
    rules = {number: ({"user": str(number)}, number) for number in range(1, 50)}
    answers = ask(make({f"s{number:03}": rules for number in range(settings)}), {})["settings"]
    told = [len(answer["possible"]) for answer in answers.values()]
    assert [50] * (settings - 1) + [0] == told
    assert answers[f"s{settings - 1:03}"]["has_more_possible"]


def test_rules_of_the_settings_that_there_are_are_counted():
    assert 3 == count_rules(make({"a": RULES, "b": RULES}), ["a.old", "gone"])
