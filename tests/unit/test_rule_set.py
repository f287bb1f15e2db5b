"""Which rule wins: the documented table, the order of features, missing features, and what a rule set tells."""

import itertools
from collections.abc import Mapping, Sequence

import pytest

from heksher.exceptions import MissingContextError
from heksher.rule_set import Rule, RuleSet

# The table in docs/reference/compatibility.md, *Which rule wins*.
R1 = Rule(1, (("b", "1"), ("c", "1")), "R1")
R2 = Rule(2, (("a", "1"), ("c", "1")), "R2")
R3 = Rule(3, (("c", "1"),), "R3")
R4 = Rule(4, (("a", "1"), ("b", "1")), "R4")
R5 = Rule(5, (("a", "1"),), "R5")
DOCUMENTED = (R1, R2, R3, R4, R5)
ALL_ONE = {"a": "1", "b": "1", "c": "1"}


def find_value(rules: Sequence[Rule[str]], context: Mapping[str, str], feature_order: Sequence[str]) -> str | None:
    winner = RuleSet("color", rules, feature_order).find_winner(context)
    return None if winner is None else winner.value


@pytest.mark.trap(13)
def test_tie_is_decided_by_the_next_latest_condition() -> None:
    """Of two rules that agree in the last feature, the one with a condition on the feature before it wins."""
    assert find_value([R1, R2], ALL_ONE, "abc") == "R1"
    assert find_value([R2, R1], ALL_ONE, "abc") == "R1"


@pytest.mark.trap(13)
def test_documented_table() -> None:
    """Each rule of the documented table wins over all that stand below it."""
    for winner, loser in itertools.combinations(DOCUMENTED, 2):
        assert winner.value == find_value([loser, winner], ALL_ONE, "abc")


def test_matches_are_ranked() -> None:
    """All rules of the documented table match where all features are 1, in the order of the table."""
    assert RuleSet("color", reversed(DOCUMENTED), "abc").find_matches(ALL_ONE) == DOCUMENTED


def test_more_conditions_do_not_win_over_a_later_one() -> None:
    """One condition on the last feature wins over conditions on all the others."""
    assert find_value([R4, R3], ALL_ONE, "abc") == "R3"


def test_rule_needs_all_its_conditions() -> None:
    """A rule of which one condition does not hold does not match."""
    assert find_value([R1, R5], {"a": "1", "b": "2", "c": "1"}, "abc") == "R5"


@pytest.mark.trap(16)
def test_order_is_that_of_the_service() -> None:
    """The same rules have another winner when the service has another order."""
    assert find_value([R3, R5], ALL_ONE, "abc") == "R3"
    assert find_value([R3, R5], ALL_ONE, "cba") == "R5"


@pytest.mark.trap(16)
def test_order_of_conditions_does_not_matter() -> None:
    """A rule whose conditions stand in another order than the service's is the same rule."""
    backwards = Rule(1, tuple(reversed(R1.conditions)), "R1")
    assert find_value([R2, backwards], ALL_ONE, "abc") == "R1"


def test_feature_outside_the_order_is_the_most_specific() -> None:
    """A rule on a feature that was added since the order was asked for wins over the others."""
    new = Rule(6, (("new", "1"),), "new")
    assert find_value([new, *DOCUMENTED], {**ALL_ONE, "new": "1"}, "abc") == "new"


def test_features_outside_the_order_are_ranked_by_name() -> None:
    """Two features that are both unknown have one order among them, so that there is always one winner."""
    rules = [Rule(1, (("y", "1"),), "y"), Rule(2, (("z", "1"),), "z")]
    assert find_value(rules, {"y": "1", "z": "1"}, "") == "z"
    assert find_value(rules[::-1], {"y": "1", "z": "1"}, "") == "z"


def test_no_rule_matches() -> None:
    """Without a matching rule there is no winner and no match, with rules or without."""
    context = dict.fromkeys("abc", "2")
    for rules in (DOCUMENTED, ()):
        assert RuleSet("color", rules, "abc").find_winner(context) is None
        assert RuleSet("color", rules, "abc").find_matches(context) == ()


@pytest.mark.parametrize("value", [0, False, "", None, ()])
def test_falsy_value_wins_like_any_other(value: object) -> None:
    """A rule whose value is false to Python is still the winner."""
    rule = Rule(1, (("a", "1"),), value)
    assert rule is RuleSet("color", [rule], "a").find_winner({"a": "1"})


def test_features_that_no_rule_is_on_are_ignored() -> None:
    """A context may hold features that the rules, or even the service, know nothing of."""
    assert find_value([R5], {"a": "1", "planet": "mars"}, "abc") == "R5"


def test_missing_feature_is_named() -> None:
    """The error names the setting and the feature, and says what to do."""
    with pytest.raises(MissingContextError) as raised:
        find_value(DOCUMENTED, {"a": "1", "b": "1"}, "abc")
    assert str(raised.value) == (
        "setting 'color' needs a value for the context feature 'c':"
        " pass it to get(), set a default of the client with set_defaults(c=...), or create the client with"
        " on_missing_context='no_match'"
    )


def test_most_general_missing_feature_is_named_first() -> None:
    """Of several features that one set of rules lacks, the first in the service's order is named."""
    with pytest.raises(MissingContextError, match="context feature 'b'"):
        find_value([R1], {}, "abc")
    with pytest.raises(MissingContextError, match="context feature 'c'"):
        find_value([R1], {}, "cba")


def test_missing_feature_does_no_harm_after_a_match() -> None:
    """A feature that could not change the result any more need not be given."""
    assert find_value([R3, R4, R5], {"c": "1"}, "abc") == "R3"


def test_missing_feature_does_harm_before_a_match() -> None:
    """A rule that wins if it matches asks for its features, though another rule would match without them."""
    with pytest.raises(MissingContextError, match="context feature 'c'"):
        find_value([R3, R5], {"a": "1"}, "abc")


def test_nothing_is_missing_without_rules() -> None:
    """A setting without rules can be asked without any context."""
    assert find_value([], {}, "abc") is None


def test_matches_leave_out_rules_on_missing_features() -> None:
    """An explanation is given for an incomplete context too: rules on missing features do not match."""
    assert RuleSet("color", DOCUMENTED, "abc").find_matches({"a": "1", "b": "1"}) == (R4, R5)


def test_finding_leaves_the_context_as_it_is() -> None:
    """Neither search adds to the context that it is given."""
    context = {"a": "1"}
    rules = RuleSet("color", [R4, R5], "abc")
    rules.find_matches(context)
    with pytest.raises(MissingContextError):
        rules.find_winner(context)
    assert context == {"a": "1"}


def test_rules_are_kept_in_the_order_given() -> None:
    """The attribute ``rules`` has the rules as they came, for comparing and listing."""
    assert RuleSet("color", iter((R5, R1)), "abc").rules == (R5, R1)
