"""Laws of rule resolution, for any rules: the rule set answers as the brute-force oracle does."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heksher.exceptions import MissingContextError
from heksher.rule_set import Rule, RuleSet
from tests.support.oracle import resolve
from tests.support.rule_strategies import World, worlds


@pytest.mark.trap(13)
@pytest.mark.trap(16)
@given(worlds())
def test_rule_set_answers_as_the_oracle(world: World) -> None:
    """Winner, matches, and the feature that is missing are those that the oracle finds."""
    rules = world.rule_set()
    matches = rules.find_matches(world.context)
    answer = resolve(world.conditions(), world.context, world.feature_order)
    assert answer.matches == tuple(rule.rule_id for rule in matches)
    assert all(rule.value == f"value {rule.rule_id}" for rule in matches)
    if answer.missing_feature is not None:
        with pytest.raises(MissingContextError, match=f"context feature '{answer.missing_feature}'"):
            rules.find_winner(world.context)
    else:
        winner = rules.find_winner(world.context)
        assert answer.winner == (None if winner is None else winner.rule_id)


@given(worlds())
def test_winner_is_the_first_match(world: World) -> None:
    """In a context that has every feature, the winner is the first of the matches, if there is one."""
    rules = world.rule_set()
    assert next(iter(rules.find_matches(world.full_context)), None) == rules.find_winner(world.full_context)


@given(worlds(), st.randoms(use_true_random=False))
def test_order_of_rules_does_not_matter(world: World, random: Random) -> None:
    """The same rules in another order, with their conditions in another order, answer the same."""
    shuffled = [Rule(rule.rule_id, tuple(reversed(rule.conditions)), rule.value) for rule in world.rules]
    random.shuffle(shuffled)
    matches = world.rule_set().find_matches(world.context)
    others = RuleSet("setting", shuffled, world.feature_order).find_matches(world.context)
    assert [rule.rule_id for rule in matches] == [rule.rule_id for rule in others]


@given(worlds())
def test_a_rule_that_does_not_match_changes_no_result(world: World) -> None:
    """In a context that has every feature, only rules that match have a say."""
    rules = world.rule_set()
    only_matches = RuleSet("setting", rules.find_matches(world.full_context), world.feature_order)
    assert rules.find_winner(world.full_context) == only_matches.find_winner(world.full_context)


@given(worlds(), st.integers(0, 5))
def test_features_outside_the_order_come_last(world: World, known: int) -> None:
    """Features that the order lacks count as the most specific ones, by name."""
    order = world.feature_order[:known]
    full_order = [*order, *sorted(world.feature_order[known:])]
    matches = RuleSet("setting", world.rules, order).find_matches(world.context)
    answer = resolve(world.conditions(), world.context, full_order)
    assert answer.matches == tuple(rule.rule_id for rule in matches)
