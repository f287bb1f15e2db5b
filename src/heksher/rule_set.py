"""Which rule of a setting wins in a context.

Theory
------
Compare two matching rules from the last context feature (in the service's order) to the first: at the first feature
where one has a condition and the other a wildcard, the one with the condition wins. Which features a rule has
conditions on is therefore all that its priority depends on. Read as a binary number, whose highest digit is the last
feature, the set of those features *is* the priority.

So rules are grouped by their set of features. Within a group conditions are unique, so a group is a table from the
values of its features to the value of the one rule that asks for them. The winner's is found by trying the groups from
the highest priority down: a few dictionary look-ups each, whatever the number of rules. Finding the rules
themselves, which only explanations need, means looking at all of them.

Source: docs/reference/compatibility.md, *Which rule wins*.
"""

from collections.abc import Iterable, Mapping, Sequence
from enum import Enum
from typing import Any, Final, Generic, NamedTuple, TypeVar

from heksher.exceptions import MissingContextError

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class NoRule(Enum):
    """The result of a search without a match. Not ``None``, which can be a rule's value."""

    NO_RULE = "no rule"


NO_RULE: Final = NoRule.NO_RULE

Conditions = tuple[tuple[str, str], ...]

# Equals no condition of a rule: the values of context features are never empty.
# Source: docs/reference/compatibility.md, lexical rules.
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
        levels: the same features in the order in which the table is nested: the one with the fewest values first, as
            each of its values costs a dictionary.
        table: dictionaries by the values of the first level's feature, in them dictionaries by those of the second's,
            and so on; below the last level, the rules' values. Strings keep their hash, so this is quicker than a
            tuple as key.
    """

    features: tuple[str, ...]
    levels: tuple[str, ...]
    table: Any

    def last_values(self) -> frozenset[str]:
        """Return the values of the last feature that rules ask for."""
        tables: list[dict[str, Any]] = [self.table]
        for _ in range(self.levels.index(self.features[-1])):
            tables = [inner for table in tables for inner in table.values()]
        return frozenset(value for table in tables for value in table)

    def find_value(self, context: Mapping[str, str]) -> Any:
        """Find the value of the rule that matches a context; ``NO_RULE`` if there is none.

        Raises:
            KeyError: the context lacks a feature.
        """
        values = {feature: context[feature] for feature in self.features}
        found = self.table
        for feature in self.levels:
            found = found.get(values[feature], NO_RULE)
            if found is NO_RULE:
                break
        return found


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
        members: dict[tuple[str, ...], list[Rule[T]]] = {}
        for rule in self.rules:
            features = sorted([feature for feature, _ in rule.conditions], key=position.__getitem__)
            members.setdefault(tuple(features), []).append(rule)
        by_priority = sorted(
            members, key=lambda features: sum(1 << position[feature] for feature in features), reverse=True
        )
        # The highest priority first.
        self.groups: tuple[Group, ...] = tuple(_make_group(features, members[features]) for features in by_priority)

    def find_value(self, context: Mapping[str, str]) -> T | NoRule:
        """Find the value of the rule that wins in a context; ``NO_RULE`` if no rule matches.

        Raises:
            MissingContextError: the context lacks a feature that is needed: before any rule matched, a rule's turn came
                that depends on it.
        """
        for group in self.groups:
            try:
                value: T | NoRule = group.find_value(context)
            except KeyError as error:
                raise MissingContextError(
                    f"setting {self.setting_name!r} needs a value for the context feature {error.args[0]!r}:"
                    f" pass it to get(), set a default of the client with set_defaults({error.args[0]}=...), or create"
                    " the client with on_missing_context='no_match'"
                ) from None
            if value is not NO_RULE:
                return value
        return NO_RULE

    def find_winner(self, context: Mapping[str, str]) -> Rule[T] | None:
        """Find the rule that decides the setting's value in a context; ``None`` if no rule matches.

        Looks at every rule.

        Raises:
            MissingContextError: see ``find_value``.
        """
        return None if self.find_value(context) is NO_RULE else self.find_matches(context)[0]

    def find_matches(self, context: Mapping[str, str]) -> tuple[Rule[T], ...]:
        """Find every rule that matches a context, the winner first; a rule on a missing feature never matches.

        Looks at every rule.
        """
        matches = {
            frozenset([feature for feature, _ in rule.conditions]): rule
            for rule in self.rules
            if all(context.get(feature) == value for feature, value in rule.conditions)
        }
        ranked = [frozenset(group.features) for group in self.groups]
        return tuple(matches[features] for features in ranked if features in matches)


def _make_group(features: tuple[str, ...], rules: Sequence[Rule[Any]]) -> Group:
    if len(features) == 1:
        return Group(features, features, {rule.conditions[0][1]: rule.value for rule in rules})
    conditions = [dict(rule.conditions) for rule in rules]
    levels = sorted(features, key=lambda feature: len({values[feature] for values in conditions}))
    # One level more than there are, so that without features there is a place for a value, too.
    top: dict[str, Any] = {}
    for rule, values in zip(rules, conditions, strict=True):
        table = top
        key = ""
        for feature in levels:
            table = table.setdefault(key, {})
            key = values[feature]
        table[key] = rule.value
    return Group(features, tuple(levels), top[""])


def _positions(feature_order: Sequence[str], rules: Iterable[Rule[object]]) -> dict[str, int]:
    unknown = {feature for rule in rules for feature, _ in rule.conditions}.difference(feature_order)
    return {feature: position for position, feature in enumerate([*feature_order, *sorted(unknown)])}
