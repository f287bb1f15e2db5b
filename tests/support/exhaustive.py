"""What rules answer in every context, one by one: the oracle of consequences, possible values and idle rules.

It knows no theorem. It shares no code with the product but the oracle of single contexts.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import product

from heksher.consequences import Behaviour
from heksher.rule_set import Rule
from tests.support.oracle import Conditions, is_match, wins_over

# No rule names it.
UNNAMED = "-"

# A context with a value for each feature, in a form that sets can hold.
Point = frozenset[tuple[str, str]]


def list_points(features: Sequence[str], values: Sequence[str], given: Conditions) -> Iterator[dict[str, str]]:
    """Return every context in which what is given holds; "" as a given value is one that no rule names."""
    choices = [[given[feature] or UNNAMED] if feature in given else [*values, UNNAMED] for feature in features]
    return (dict(zip(features, chosen, strict=True)) for chosen in product(*choices))


def rank_matches(behaviour: Behaviour, points: Sequence[Conditions]) -> list[list[Rule[object] | None]]:
    """Return for each context the rules that match, the strongest first; the default, ``None``, comes last."""
    rules = [(rule, dict(rule.conditions)) for rule in behaviour.rules]
    strength = {
        id(rule): sum(wins_over(own, other, behaviour.feature_order) for _, other in rules) for rule, own in rules
    }
    ranked = sorted(rules, key=lambda entry: strength[id(entry[0])], reverse=True)
    return [[*(rule for rule, own in ranked if is_match(own, point)), None] for point in points]


def holds(point: Mapping[str, str], conditions: Mapping[str, str]) -> bool:
    """Return whether a context has all of these conditions."""
    return all(point[feature] == value for feature, value in conditions.items())


def is_same_json(one: object, other: object) -> bool:
    """Return whether two values are equal as JSON: 1 is 1.0, and not ``true``."""
    return isinstance(one, bool) is isinstance(other, bool) and one == other
