"""Whether what a setting answers differs from what it answered, in whatever context it is asked.

Theory
------
Rules can be replaced without any effect: they are renumbered, listed in another order, or one is added whose value
applied without it. Comparing the rules as they are written would report all that as changes.

Two sets of rules differ if there is a context in which they give different values. Let ``r`` be the rule that wins in
it on one side, ``s`` the one that wins on the other; a default is a rule without conditions. Now keep of that context
what ``r`` and ``s`` ask for, and give every other feature a value that no rule asks for. Fewer rules match than before,
but ``r`` and ``s`` still do, so they still win. Hence no other contexts need be looked at than those that are made of
one rule of each side.

Nor does any pair of two rules that are both on both sides with the same value, if sets of features that both sides have
come in the same order of priority: in a context where each wins on its side both match on either, so they are one rule.
One of the two is therefore a rule that changed, and of those there are few as a rule.

What would take too many such pairs to decide counts as different.
"""

from collections.abc import Iterable, Iterator, Mapping
from itertools import chain, product
from math import isnan
from typing import Any, Final, NamedTuple

from heksher.rule_set import NO_RULE, NO_VALUE, Rule, RuleSet

# About 20 ms. A difference mostly shows at the first pair; it takes many to find that many rules changed in vain.
MAX_PAIRS: Final = 10_000


class Answers(NamedTuple):
    """What a setting answers.

    Attributes:
        default_value: the value where no rule matches.
        fixed: values of features that no caller can give any other value; ``NO_VALUE`` for one that has none.
    """

    rules: RuleSet[Any]
    default_value: Any
    fixed: Mapping[str, str]

    def find(self, context: Mapping[str, str]) -> Any:
        """Return the value in a context, where every feature that it lacks has a value that no rule asks for."""
        value = self.rules.find_value(_FullContext({**context, **self.fixed}))
        return self.default_value if value is NO_RULE else value

    def list_rules(self) -> list[Rule[Any]]:
        """List the rules that can match, the default among them, as a rule without conditions."""
        rules = [Rule(0, (), self.default_value), *self.rules.rules]
        return [rule for rule in rules if self._can_match(rule)] if self.fixed else rules

    def _can_match(self, rule: Rule[Any]) -> bool:
        return all(self.fixed.get(feature, value) == value for feature, value in rule.conditions)


class _FullContext(dict[str, str]):
    def __missing__(self, _feature: str) -> str:
        return NO_VALUE


def is_same(one: Answers, other: Answers) -> bool:
    """Return whether two sides give the same value, of the same type, in every context."""
    rules, other_rules = one.list_rules(), other.list_rules()
    changed, other_changed = _find_changed(one, other, rules, other_rules)
    # A changed rule with the other side's default comes first: most of the time, there it shows.
    pairs = chain(product(other_rules, changed), product(rules, other_changed))
    for number, (rule, other_rule) in enumerate(pairs):
        context = _combine(rule, other_rule)
        is_seen = context is not None and not is_same_value(one.find(context), other.find(context))
        if is_seen or number == MAX_PAIRS:
            return False
    return True


def is_same_value(one: object, other: object) -> bool:
    """Return whether two values are equal and of the same types, also inside: 1, 1.0 and ``True`` are three values."""
    try:
        return _is_same_value(one, other)
    # Values from validators and stub clients may be of any class, and comparing them may fail.
    except Exception:  # noqa: BLE001 - see above
        return False


def _is_same_value(one: object, other: object) -> bool:
    if one is other:
        return True
    if type(one) is not type(other):
        return False
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(_is_same_value(value, other[key]) for key, value in one.items())
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(map(_is_same_value, one, other))
    if isinstance(one, float) and isinstance(other, float) and isnan(one):
        return isnan(other)
    return bool(one == other)


def _find_changed(
    one: Answers, other: Answers, rules: list[Rule[Any]], other_rules: list[Rule[Any]]
) -> tuple[list[Rule[Any]], list[Rule[Any]]]:
    if not _have_same_order(one.rules, other.rules):
        return rules, other_rules
    # An update takes over the rules that it finds unchanged, which therefore need no look.
    shared = set(map(id, rules)).intersection(map(id, other_rules))
    rules, other_rules = ([rule for rule in side if id(rule) not in shared] for side in (rules, other_rules))
    return list(_leave_out(other_rules, rules)), list(_leave_out(rules, other_rules))


def _leave_out(known: Iterable[Rule[Any]], rules: Iterable[Rule[Any]]) -> Iterator[Rule[Any]]:
    """Return the rules that are not among the known ones, whatever their numbers."""
    by_conditions = {frozenset(rule.conditions): rule for rule in known}
    for rule in rules:
        twin = by_conditions.get(frozenset(rule.conditions))
        if twin is None or not is_same_value(rule.value, twin.value):
            yield rule


def _have_same_order(one: RuleSet[Any], other: RuleSet[Any]) -> bool:
    """Return whether the sets of features that both sides have rules on come in the same order of priority."""
    sets, other_sets = ([frozenset(group.features) for group in side.groups] for side in (one, other))
    common = set(sets).intersection(other_sets)
    return [features for features in sets if features in common] == [
        features for features in other_sets if features in common
    ]


def _combine(rule: Rule[Any], other: Rule[Any]) -> dict[str, str] | None:
    """Return the context that two rules ask for; ``None`` if none can be right for both."""
    context = dict(rule.conditions)
    is_possible = all(context.setdefault(feature, value) == value for feature, value in other.conditions)
    return context if is_possible else None
