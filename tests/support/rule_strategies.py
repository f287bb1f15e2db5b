"""Hypothesis strategies for the rules of a setting and the contexts in which it is asked."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from heksher.rule_set import Rule, RuleSet
from tests.support.oracle import Conditions

# As a service allows them: keywords, no identifiers, names that Python code uses itself.
FEATURES = ("class", "2fa", "self", "_extra", "from")
VALUES = st.sampled_from("xyz")
# What a program may give: also what no rule can ask for, and None, which says that there is no value.
ARGUMENTS = st.sampled_from(["x", "y", "z", "", 7, None])


@dataclass(frozen=True)
class World:
    """A service's feature order, the rules of a setting, and the context: arguments and the client's defaults."""

    feature_order: Sequence[str]
    rules: Sequence[Rule[str]]
    context_defaults: Mapping[str, str]
    arguments: Mapping[str, Any]

    @property
    def context(self) -> dict[str, Any]:
        """What rules are compared with: arguments go before defaults, and leave nothing where they are None."""
        given = {**self.context_defaults, **self.arguments}
        return {feature: value for feature, value in given.items() if value is not None}

    @property
    def full_context(self) -> dict[str, Any]:
        """The context, with a value for each feature that it lacks."""
        return {**dict.fromkeys(self.feature_order, "x"), **self.context}

    def rule_set(self) -> RuleSet[str]:
        return RuleSet("setting", self.rules, self.feature_order)

    def conditions(self) -> dict[int, Conditions]:
        """The rules as the oracle takes them."""
        return {rule.rule_id: dict(rule.conditions) for rule in self.rules}


@st.composite
def worlds(draw: st.DrawFn) -> World:
    """Draw one to five features in any order, rules on any of them, and a context that may lack some.

    The value of each rule is ``"value <id>"``.
    """
    order = draw(st.permutations(FEATURES[: draw(st.integers(1, 5))]))
    some_values = st.dictionaries(st.sampled_from(order), VALUES)
    some_conditions = st.dictionaries(st.sampled_from(order), VALUES, min_size=1)
    conditions = draw(st.lists(some_conditions, max_size=25, unique_by=lambda drawn: frozenset(drawn.items())))
    rules = [Rule(number, tuple(drawn.items()), f"value {number}") for number, drawn in enumerate(conditions)]
    arguments = draw(st.dictionaries(st.sampled_from(order), ARGUMENTS))
    return World(order, rules, draw(some_values), arguments)
