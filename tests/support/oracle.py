"""Which rule wins, by brute force.

The product groups rules and looks them up. Here the specification is written down as it reads, with no regard to speed:
every rule is compared to every other one, feature by feature from the last to the first. The two share no code, so a
mistake in one of them shows as a difference.

A rule is no more than its conditions here (context feature to value); rules are known by their numbers.

Source: docs/reference/compatibility.md, *Which rule wins*; for missing features, ``RuleSet.find_winner``.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

Conditions = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Answer:
    """What a setting must do in a context.

    Attributes:
        winner: the rule whose value counts; ``None`` when no rule matches, or when a feature is missing.
        missing_feature: the context feature without which the setting cannot be asked; ``None`` if it can.
        matches: all rules that match, the one that wins over all others first; a rule with a condition on a feature
            that the context lacks does not match.
    """

    winner: int | None
    missing_feature: str | None
    matches: tuple[int, ...]


def resolve(rules: Mapping[int, Conditions], context: Mapping[str, str], feature_order: Sequence[str]) -> Answer:
    """Say what a setting with these rules must answer in a context, given the service's feature order."""
    matches = _rank_matches(rules, context, feature_order)
    missing_feature = _find_missing_feature(rules, context, feature_order)
    winner = matches[0] if matches and missing_feature is None else None
    return Answer(winner, missing_feature, matches)


def is_match(conditions: Conditions, context: Mapping[str, str]) -> bool:
    """Return whether each condition holds."""
    return all(feature in context and context[feature] == value for feature, value in conditions.items())


def wins_over(winner: Collection[str], loser: Collection[str], feature_order: Sequence[str]) -> bool:
    """Return whether a rule with conditions on the first features wins over a rule with conditions on the second ones.

    From the last feature to the first: at the first one where one rule is exact and the other has a wildcard, the exact
    one wins.
    """
    for feature in reversed(feature_order):
        if (feature in winner) != (feature in loser):
            return feature in winner
    return False


def _rank_matches(
    rules: Mapping[int, Conditions], context: Mapping[str, str], feature_order: Sequence[str]
) -> tuple[int, ...]:
    matching = [rule_id for rule_id, conditions in rules.items() if is_match(conditions, context)]

    def count_superiors(rule_id: int) -> int:
        return sum(wins_over(rules[other], rules[rule_id], feature_order) for other in matching)

    places = [count_superiors(rule_id) for rule_id in matching]
    # Matching rules have different sets of features, so that there is always one winner, one second, and so on.
    assert sorted(places) == list(range(len(matching)))
    return tuple(sorted(matching, key=count_superiors))


def _find_missing_feature(
    rules: Mapping[int, Conditions], context: Mapping[str, str], feature_order: Sequence[str]
) -> str | None:
    """Find the feature that a call fails for.

    A set of features on which rules have conditions can only be asked when the context has all of them. A set that
    lacks one does no harm if a rule that matches wins over it, because its turn never comes.
    """
    matching = [conditions for conditions in rules.values() if is_match(conditions, context)]
    blocking = {
        frozenset(conditions)
        for conditions in rules.values()
        if not set(conditions) <= set(context)
        and not any(wins_over(match, conditions, feature_order) for match in matching)
    }
    for features in blocking:
        if all(features == other or wins_over(features, other, feature_order) for other in blocking):
            return next(feature for feature in feature_order if feature in features and feature not in context)
    return None
