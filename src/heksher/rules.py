"""Which rule of a setting wins in a context.

Theory
------
Compare two matching rules from the last context feature (in the service's order) to the first: at the first feature
where one has a condition and the other a wildcard, the one with the condition wins. Which features a rule has
conditions on is therefore all that its priority depends on. Read as a binary number, whose highest digit is the last
feature, the set of those features *is* the priority.

So rules are grouped by their set of features. Within a group conditions are unique, so a group is a dictionary from the
values of its features to the one rule that asks for them. The winner is found by trying the groups from the highest
priority down: a dictionary look-up each, whatever the number of rules.

Source: spec/concepts.md, *Which rule wins*.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Generic, NamedTuple, TypeVar

from heksher.exceptions import MissingContextError

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

Conditions = tuple[tuple[str, str], ...]

# Equals no condition of a rule: the values of context features are never empty (spec/http-api.md, lexical rules).
NO_VALUE = ""


class Rule(NamedTuple, Generic[T_co]):
    """A value, and the conditions under which it applies.

    Attributes:
        rule_id: the service's number of the rule.
        conditions: pairs of context feature and value that must all hold; at least one, each feature once.
        value: what the setting's value is where the rule wins.
    """

    rule_id: int
    conditions: Conditions
    value: T_co


class Group(NamedTuple):
    """The rules of a setting that have conditions on the same features.

    Attributes:
        features: that set, in the service's order.
        rules: by the values that the features must have: a tuple of them, or, for a single feature, that value itself.
    """

    features: tuple[str, ...]
    rules: "Mapping[str | tuple[str, ...], Rule[Any]]"

    def last_values(self) -> Iterable[str]:
        """List the values of the last feature that rules ask for; a value may stand more than once."""
        return (key if isinstance(key, str) else key[-1] for key in self.rules)

    def find(self, context: Mapping[str, str]) -> "Rule[Any] | None":
        """Find the rule of the group that matches a context.

        Raises:
            KeyError: the context lacks a feature.
        """
        values = tuple([context[feature] for feature in self.features])
        return self.rules.get(values[0] if len(values) == 1 else values)


class RuleSet(Generic[T]):
    """The rules of one setting, ready to be asked. Immutable, so any number of threads may read it.

    Args:
        setting_name: for error messages.
        rules: in any order; no two with the same conditions.
        feature_order: the service's context features, the most general one first. A feature of a rule that is missing
            here counts as more specific than all others (it can only have been added since the order was asked for).
    """

    __slots__ = ("groups", "rules", "setting_name")

    def __init__(self, setting_name: str, rules: Iterable[Rule[T]], feature_order: Sequence[str]) -> None:
        self.setting_name: str = setting_name
        self.rules: tuple[Rule[T], ...] = tuple(rules)
        position = _positions(feature_order, self.rules)
        tables: dict[tuple[str, ...], dict[Any, Rule[T]]] = {}
        for rule in self.rules:
            conditions = sorted(rule.conditions, key=lambda condition: position[condition[0]])
            features = tuple([feature for feature, _ in conditions])
            values = tuple([value for _, value in conditions])
            tables.setdefault(features, {})[values[0] if len(values) == 1 else values] = rule
        by_priority = sorted(
            tables, key=lambda features: sum(1 << position[feature] for feature in features), reverse=True
        )
        # The highest priority first.
        self.groups: tuple[Group, ...] = tuple(Group(features, tables[features]) for features in by_priority)

    def find_winner(self, context: Mapping[str, str]) -> Rule[T] | None:
        """Find the rule that decides the setting's value in a context; ``None`` if no rule matches.

        Raises:
            MissingContextError: the context lacks a feature that is needed: before any rule matched, a rule's turn came
                that depends on it.
        """
        return next(self._iterate_matches(context), None)

    def find_matches(self, context: Mapping[str, str]) -> tuple[Rule[T], ...]:
        """Find every rule that matches a context, the winner first; a rule on a missing feature never matches."""
        return tuple(self._iterate_matches(_NothingMissing(context)))

    def _iterate_matches(self, context: Mapping[str, str]) -> Iterator[Rule[T]]:
        for group in self.groups:
            try:
                rule = group.find(context)
            except KeyError as error:
                raise MissingContextError(
                    f"setting {self.setting_name!r} needs a value for the context feature {error.args[0]!r}:"
                    f" pass it to get(), or give the client a default with set_defaults({error.args[0]}=...)"
                ) from None
            if rule is not None:
                yield rule


class _NothingMissing(dict[str, str]):
    """A context that answers every feature; no rule's condition equals the answer for a missing one."""

    def __missing__(self, feature: str) -> str:
        return NO_VALUE


def _positions(feature_order: Sequence[str], rules: Iterable[Rule[object]]) -> dict[str, int]:
    unknown = {feature for rule in rules for feature, _ in rule.conditions}.difference(feature_order)
    return {feature: position for position, feature in enumerate([*feature_order, *sorted(unknown)])}
