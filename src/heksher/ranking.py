"""The rules of a setting by priority, for questions about many contexts at once."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final, Generic, Protocol, TypeVar

from heksher.rule_set import NO_VALUE, Conditions, Group, Rule, RuleSet

Features = tuple[str, ...]
# What is known of a context. A feature that it lacks is open, or, where one value is to be found, has one that no rule
# names, as one with ``NO_VALUE`` has in any case.
Part = dict[str, str]


class Conditioned(Protocol):
    """Anything that applies under conditions, as a rule does."""

    @property
    def conditions(self) -> Conditions:
        """Pairs of context feature and value that must all hold; at least one, each feature once."""


R = TypeVar("R", bound=Conditioned)

# Returns whether nothing is to be found where a part of a context is known, nor where more is.
Hopeless = Callable[[Part], bool]
# Returns those entries of a table that are worth a look.
Selection = Callable[[dict[str, Any]], dict[str, Any]]


def select_all(table: dict[str, Any]) -> dict[str, Any]:
    """Select the whole of a table."""
    return table


def get_features(rule: Conditioned) -> Features:
    """Return the features that a rule has conditions on."""
    return tuple([feature for feature, _ in rule.conditions])


class Priorities:
    """How strong rules are, which the features that they have conditions on decide.

    Args:
        feature_order: the service's context features, the most general one first.
    """

    __slots__ = ("_weights",)

    def __init__(self, feature_order: Sequence[str]) -> None:
        self._weights = {feature: 1 << position for position, feature in enumerate(feature_order)}

    def rate(self, features: Iterable[str]) -> int:
        """Return the priority of rules on some features: the higher, the stronger. What the order lacks counts most."""
        return sum([self._weights.get(feature, 1 << len(self._weights)) for feature in features])


class Ranking(Generic[R]):
    """The rules of one setting by priority. Immutable, so any number of threads may read it.

    Args:
        rules: in any order; no two with the same conditions.
        feature_order: the service's context features, the most general one first.

    Attributes:
        groups: the rules that have conditions on the same features; the highest priority first.
        priorities: of rules on any features.
    """

    __slots__ = ("_places", "groups", "priorities")

    def __init__(self, rules: Sequence[R], feature_order: Sequence[str]) -> None:
        entered = [Rule(0, rule.conditions, rule) for rule in rules]
        self.groups: Final[tuple[Group, ...]] = RuleSet("", entered, feature_order).groups
        self._places = {frozenset(group.features): place for place, group in enumerate(self.groups)}
        self.priorities: Final = Priorities(feature_order)

    def find_place(self, rule: R | None) -> int:
        """Return the index of a rule's group; the number of groups for the default (``None``)."""
        return len(self.groups) if rule is None else self._places[frozenset(get_features(rule))]

    def find_twin(self, conditions: Conditions) -> R | None:
        """Return the rule that has exactly these conditions, in whatever order; ``None`` if there is none."""
        part = dict(conditions)
        place = self._places.get(frozenset(part))
        return None if place is None else self.find_winner(part, place, place + 1)

    def find_winner(self, part: Part, begin: int = 0, end: int | None = None) -> R | None:
        """Return the rule that wins in a context, of those in the groups with the indices ``begin:end``."""
        winner: R | None = find_first(self.groups[begin:end], part)
        return winner


def find_first(groups: Iterable[Group], part: Part) -> Any:
    """Return the rule of the first group that has one which matches; ``None`` if none has."""
    for group in groups:
        found = group.table
        for feature in group.levels:
            found = found.get(part.get(feature, NO_VALUE))
            if found is None:
                break
        else:
            return found
    return None


def join(group: Group, part: Part, is_hopeless: Hopeless, select: Selection = select_all) -> Iterator[tuple[Any, Part]]:
    """Return the rules of a group that can match where a part of a context is known, each with the part that it needs.

    Args:
        group: the group of a ranking.
        part: what is known.
        is_hopeless: which larger parts to leave out.
        select: which entries of each table to look at.
    """

    # Level by level, so that what is hopeless is left out without looking at all that is below.
    def descend(table: Any, depth: int, joined: Part) -> Iterator[tuple[Any, Part]]:
        if depth == len(group.levels):
            yield table, joined
            return
        feature = group.levels[depth]
        entries = select(table)
        if feature in joined:
            inner = entries.get(joined[feature])
            if inner is not None:
                yield from descend(inner, depth + 1, joined)
            return
        for value, inner in entries.items():
            deeper = {**joined, feature: value}
            if not is_hopeless(deeper):
                yield from descend(inner, depth + 1, deeper)

    return descend(group.table, 0, part)
