"""Laws of a setting's answer: with any mix of arguments and defaults, it is the one that the oracle gives."""

from contextvars import ContextVar, copy_context

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heksher.context import ClientContext, ContextDefault
from heksher.evaluation import Evaluation
from heksher.exceptions import MissingContextError
from tests.support.oracle import resolve
from tests.support.rule_strategies import FEATURES, World, worlds

DEFAULT_VALUE = "the default value"
VARIABLES = {feature: ContextVar[str](feature) for feature in FEATURES}


@given(worlds(), st.sets(st.sampled_from(FEATURES)), st.data())
def test_answer_is_that_of_the_oracle(world: World, by_variable: set[str], data: st.DataObject) -> None:
    """Arguments go before defaults, defaults may come from variables, and the order of declaration does not matter."""
    # Where the world has no default, the variable is there but never set.
    defaults: dict[str, ContextDefault] = {feature: VARIABLES[feature] for feature in by_variable}
    client_context = ClientContext(FEATURES)
    client_context.set_defaults({**world.context_defaults, **defaults})
    declared = data.draw(st.permutations(world.feature_order))
    evaluation = Evaluation(world.rule_set(), DEFAULT_VALUE, "server default", client_context, tuple(declared))
    copy_context().run(check_answer, evaluation, world)


def check_answer(evaluation: Evaluation[str], world: World) -> None:
    for feature, value in world.context_defaults.items():
        VARIABLES[feature].set(value)
    answer = resolve(world.conditions(), world.context, world.feature_order)
    if answer.missing_feature is not None:
        for ask in (evaluation.resolve, evaluation.explain):
            with pytest.raises(MissingContextError, match=f"context feature '{answer.missing_feature}'"):
                ask(world.arguments)
        return
    expected_value = DEFAULT_VALUE if answer.winner is None else f"value {answer.winner}"
    assert expected_value == evaluation.resolve(world.arguments)
    explanation = evaluation.explain(world.arguments)
    rules = [rule for rule in (explanation.rule, *explanation.losing_rules) if rule is not None]
    assert expected_value == explanation.value
    assert answer.matches == tuple(rule.rule_id for rule in rules)
    assert world.context == explanation.context
