"""Regions: the contexts in which the same rules win, written as what must hold and what must not.

Theory
------
Take any rule, and the context that has its conditions and otherwise values that no rule names. A rule that matches
there has a part of the same conditions, and a rule on more features wins over one on a part of them. So the rule wins:
no rule is ever unreachable.

Now let a part of a context be given, and let a rule win in some context that has that part. Give every feature that
neither the part nor the rule names a value that no rule names: fewer rules match than before, but this one still does,
so it still wins. Hence one context decides whether a rule can win: the given part joined with the rule's own
conditions. There it wins if no stronger rule matches.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from heksher.ranking import Features, Part, R, Ranking, join
from heksher.rule_set import Group


class Bound(NamedTuple):
    """What must not match in a region: the rules in the groups of a ranking before an index."""

    ranking: Ranking[Any]
    place: int

    def is_crossed(self, part: Part) -> bool:
        """Return whether one of these rules matches."""
        return self.ranking.find_winner(part, 0, self.place) is not None


@dataclass(frozen=True, slots=True)
class Region:
    """The contexts that have some conditions, and in which no rule matches that is stronger than the region's winners.

    Attributes:
        conditions: by feature; the value ``NO_VALUE`` is one that no rule names.
        bounds: the stronger rules.
    """

    conditions: Part
    bounds: tuple[Bound, ...]

    def is_left(self, part: Part) -> bool:
        """Return whether a context that has the region's conditions is outside nevertheless."""
        return any(bound.is_crossed(part) for bound in self.bounds)

    def find_exceptions(self) -> Iterator[dict[str, str]]:
        """Return what must not hold besides the region's conditions: together, a stronger rule matches.

        Each is the least that must not hold; those with the fewest conditions come first. There can be as many as
        stronger rules.
        """
        groups = [group for bound in self.bounds for group in bound.ranking.groups[: bound.place]]
        found: dict[Features, set[tuple[str | None, ...]]] = {}

        def is_known(joined: Part) -> bool:
            return any(
                tuple([joined.get(feature) for feature in features]) in values for features, values in found.items()
            )

        for group in sorted(groups, key=lambda group: len(self._find_open(group))):
            features = self._find_open(group)
            for _, joined in join(group, self.conditions, is_known):
                values = tuple([joined[feature] for feature in features])
                found.setdefault(features, set()).add(values)
                yield dict(zip(features, values, strict=True))

    def find_examples(self) -> Iterator[dict[str, str]]:
        """Return contexts of the region, each once: its conditions alone, then joined with those of weaker rules.

        Other features have values that no rule names.
        """
        yield dict(self.conditions)
        told = {frozenset(self.conditions.items())}
        for bound in self.bounds:
            for group in bound.ranking.groups[bound.place :]:
                for _, joined in join(group, self.conditions, self.is_left):
                    example = frozenset(joined.items())
                    if example not in told:
                        told.add(example)
                        yield dict(joined)

    def _find_open(self, group: Group) -> Features:
        return tuple([feature for feature in group.features if feature not in self.conditions])


def find_possible(ranking: Ranking[R], part: Mapping[str, str]) -> Iterator[tuple[R | None, Region]]:
    """Return each rule that can win where a part of a context holds, and where it does; ``None`` for the default.

    The strongest comes first. The regions have no context in common, and together they are all that has the given part.

    Args:
        ranking: the rules.
        part: what is given. Other features are open; one with ``NO_VALUE`` has a value that no rule names.
    """
    given = dict(part)
    for place, group in enumerate(ranking.groups):
        bound = Bound(ranking, place)
        if bound.is_crossed(given):
            return
        for rule, joined in join(group, given, bound.is_crossed):
            yield rule, Region(joined, (bound,))
    bound = Bound(ranking, len(ranking.groups))
    if not bound.is_crossed(given):
        yield None, Region(given, (bound,))
