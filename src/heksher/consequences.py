"""What becomes of a setting's answers when its rules, its default or the order of context features change.

Theory
------
In each context one rule wins before the change and one after it; a default is a rule without conditions. So all
contexts are divided among pairs of rules: the region of a pair is where its two rules win. There is such a context
exactly if both win in the one that has the conditions of both and otherwise values that no rule names (see
``heksher.region``). In a region the value before is that of one rule, and the value after is that of the other.

Most pairs need no look. If two rules differ in their conditions, and the stronger one is there both before and after,
then it wins over the other one on both sides. So the regions whose values differ are those of

* conditions that both sides have, with different values;
* a rule that was removed, and each weaker rule of the other side;
* a rule that was added, and each weaker rule of the other side.

Which of two rules is stronger, the order of features before the change says. Where another one holds after it, each
rule counts as removed.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from heksher.ranking import Priorities, Ranking, get_features, join
from heksher.region import Bound, Region
from heksher.rule_set import Rule
from heksher.value_type import json_key

Value = object
# ``None`` is the default.
Winner = Rule[Value] | None


@dataclass(frozen=True, slots=True)
class Behaviour:
    """All that decides what a setting answers.

    Attributes:
        rules: in any order; no two with the same conditions. Values are JSON.
        default_value: JSON; for a setting that is not there, any object that equals no JSON.
        feature_order: the service's context features, all features of the rules among them.
        ranking: the rules by priority.
    """

    rules: Sequence[Rule[Value]]
    default_value: Value
    feature_order: Sequence[str]
    ranking: Ranking[Rule[Value]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "ranking", Ranking(self.rules, self.feature_order))

    def read_value(self, winner: Winner) -> Value:
        """Return the value where a rule wins."""
        return self.default_value if winner is None else winner.value

    def make_bound(self, winner: Winner) -> Bound:
        """Return the rules that must not match for a rule to win."""
        return Bound(self.ranking, self.ranking.find_place(winner))


@dataclass(frozen=True, slots=True)
class Consequence:
    """A region in which a setting has another value after a change.

    Attributes:
        region: where that is; regions of different consequences have no context in common.
        before, after: the values.
        rule_before, rule_after: the rules that win there; ``None`` for the default.
    """

    region: Region
    before: Value
    after: Value
    rule_before: Winner
    rule_after: Winner


def find_consequences(before: Behaviour, after: Behaviour) -> Iterator[Consequence]:
    """Return each region in which the values before and after a change differ; together these are all such contexts.

    Values are compared as JSON: ``1`` is ``1.0``, and not ``true``. There can be as many regions as pairs of rules, and
    they are found one by one, so take as many as are needed.
    """
    for winner, successor in _find_pairs(before, after):
        value, new_value = before.read_value(winner), after.read_value(successor)
        if json_key(value) != json_key(new_value):
            conditions = dict(() if winner is None else winner.conditions)
            conditions.update(() if successor is None else successor.conditions)
            region = Region(conditions, (before.make_bound(winner), after.make_bound(successor)))
            yield Consequence(region, value, new_value, winner, successor)


def _find_pairs(before: Behaviour, after: Behaviour) -> Iterator[tuple[Winner, Winner]]:
    """Return the pairs of rules that have a region and may differ in value, each once."""
    one, other = before.ranking, after.ranking
    is_same_order = _have_same_order(before, after)
    removed = []
    yield None, None
    for rule in before.rules:
        twin = other.find_twin(rule.conditions)
        if twin is not None:
            yield rule, twin
        if twin is None or not is_same_order:
            removed.append(rule)

    for rule in removed:
        for partner in _find_weaker_partners(before, rule, other, one.priorities):
            yield rule, partner
    for rule in after.rules:
        if one.find_twin(rule.conditions) is None:
            for partner in _find_weaker_partners(after, rule, one, one.priorities):
                yield partner, rule


def _find_weaker_partners(
    side: Behaviour, rule: Rule[Value], other: Ranking[Rule[Value]], priorities: Priorities
) -> Iterator[Winner]:
    """Return what wins on the other side where a rule wins on its own.

    Args:
        side: the rule's side.
        rule: the rule.
        other: the rules of the other side.
        priorities: those by which the others have to be weaker.
    """
    part, bound, priority = dict(rule.conditions), side.make_bound(rule), priorities.rate(get_features(rule))
    for place, group in enumerate(other.groups):
        region = Region(part, (bound, Bound(other, place)))
        if priorities.rate(group.features) < priority and not region.is_left(part):
            yield from (partner for partner, _ in join(group, part, region.is_left))
    if other.find_winner(part) is None:
        yield None


def _have_same_order(before: Behaviour, after: Behaviour) -> bool:
    """Return whether the features of all rules have the same order on both sides."""
    used = {feature for side in (before, after) for group in side.ranking.groups for feature in group.features}
    orders = [[feature for feature in side.feature_order if feature in used] for side in (before, after)]
    return orders[0] == orders[1]
