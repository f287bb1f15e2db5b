"""The law of differences: two evaluations answer alike exactly if they do in each context, one by one."""

from collections.abc import Iterator, Sequence
from contextvars import ContextVar, copy_context
from itertools import product
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from heksher.context import ClientContext, ContextDefault
from heksher.evaluation import Evaluation
from heksher.rule_set import Rule, RuleSet

FEATURES = ("a", "b", "hidden")
# The last one is asked for by no rule.
VALUES = ("x", "y", "z")
VARIABLE: ContextVar[str] = ContextVar("hidden")

some_conditions = st.dictionaries(st.sampled_from(FEATURES), st.sampled_from(VALUES[:2]), min_size=1)
# Few values, so that rules are often in vain; some of them equal to Python.
some_values = st.sampled_from([1, True, 2])
some_rules = st.lists(
    st.builds(lambda conditions, value: Rule(0, tuple(conditions.items()), value), some_conditions, some_values),
    max_size=6,
    unique_by=lambda rule: frozenset(rule.conditions),
)
# Of the feature that the program does not declare: none, one that rules may ask for, one that a variable has.
hidden_defaults: st.SearchStrategy[dict[str, ContextDefault]] = st.sampled_from(
    [{}, {"hidden": "x"}, {"hidden": VARIABLE}]
)


@st.composite
def pairs(draw: st.DrawFn) -> tuple[Evaluation[Any], Evaluation[Any]]:
    """Draw two evaluations of one setting, the second often made of the first one's rules."""
    context = ClientContext(FEATURES)
    context.set_defaults(draw(hidden_defaults))
    rules = draw(some_rules)
    kept = draw(st.lists(st.sampled_from(rules), unique_by=id)) if rules else []
    added = [rule for rule in draw(some_rules) if not any(set(rule.conditions) == set(old.conditions) for old in kept)]
    return draw_evaluation(draw, rules, context), draw_evaluation(draw, [*kept, *added], context)


def draw_evaluation(draw: st.DrawFn, rules: Sequence[Rule[Any]], context: ClientContext) -> Evaluation[Any]:
    order = draw(st.permutations(FEATURES))
    return Evaluation(RuleSet("size", rules, order), draw(some_values), "server default", context, ("a", "b"))


def list_answers(evaluation: Evaluation[Any]) -> Iterator[tuple[type, object]]:
    """Return the answers in all contexts."""
    for a, b, hidden in product(VALUES, repeat=3):
        context = copy_context()
        context.run(VARIABLE.set, hidden)
        value = context.run(evaluation.resolve, {"a": a, "b": b})
        yield type(value), value


@given(pairs())
def test_answers_are_alike_in_every_context(pair: tuple[Evaluation[Any], Evaluation[Any]]) -> None:
    """Looking at pairs of rules finds what looking at each context finds."""
    one, other = pair
    assert (list(list_answers(one)) == list(list_answers(other))) is one.answers_as(other)
