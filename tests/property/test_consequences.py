"""Laws of consequences, for any rules: what is found by looking at few contexts is what is found by looking at each."""

from collections.abc import Sequence

from hypothesis import given, settings
from hypothesis import strategies as st

from heksher.consequences import Behaviour, find_consequences
from heksher.idle_rules import find_idle
from heksher.region import Region, find_possible
from heksher.rule_set import NO_VALUE, Rule
from tests.support.exhaustive import UNNAMED, holds, is_same_json, list_points, rank_matches
from tests.support.oracle import Conditions

FEATURES = ("a", "b", "c", "d")
VALUES = ("x", "y")
# More than 2,000 with ``--full``: a set of rules is tried within milliseconds.
MANY = 35 * settings().max_examples
# Few, so that rules are often in vain; some of them equal to Python, and some equal as JSON.
some_values: st.SearchStrategy[object] = st.sampled_from([1, 1.0, True, [2]])
some_conditions = st.dictionaries(st.sampled_from(FEATURES), st.sampled_from(VALUES), min_size=1)


@st.composite
def some_rules(draw: st.DrawFn, kept: Sequence[Rule[object]] = ()) -> list[Rule[object]]:
    """Draw rules: some of these, sometimes with another value, and some that are new."""
    known = draw(st.lists(st.sampled_from(kept), unique_by=lambda rule: rule.rule_id)) if kept else []
    rules = [rule if draw(st.booleans()) else rule._replace(value=draw(some_values)) for rule in known]
    taken = {frozenset(rule.conditions) for rule in rules}
    drawn = draw(st.lists(some_conditions, max_size=8, unique_by=lambda drawn: frozenset(drawn.items())))
    for number, conditions in enumerate(drawn, start=100 if kept else 1):
        if frozenset(conditions.items()) not in taken:
            rules.append(Rule(number, tuple(conditions.items()), draw(some_values)))
    return rules


@st.composite
def behaviours(draw: st.DrawFn) -> Behaviour:
    """Draw a setting with its rules."""
    rules = draw(some_rules())
    return Behaviour(rules, draw(some_values), trim(draw, draw(st.permutations(FEATURES)), rules))


def trim(draw: st.DrawFn, order: Sequence[str], rules: Sequence[Rule[object]]) -> list[str]:
    """Return an order without some features that no rule has conditions on: such can be added and removed."""
    used = {feature for rule in rules for feature, _ in rule.conditions}
    return [feature for feature in order if feature in used or draw(st.booleans())]


@st.composite
def changes(draw: st.DrawFn) -> tuple[Behaviour, Behaviour]:
    """Draw a setting before and after a change of its rules, its default, or the order of features."""
    before = draw(behaviours())
    default = before.default_value if draw(st.booleans()) else draw(some_values)
    rules = draw(some_rules(before.rules))
    missing = [feature for feature in FEATURES if feature not in before.feature_order]
    order = [*before.feature_order, *missing] if draw(st.booleans()) else draw(st.permutations(FEATURES))
    return before, Behaviour(rules, default, trim(draw, order, rules))


def is_in(point: Conditions, region: Region, exceptions: Sequence[Conditions]) -> bool:
    """Return whether a context is in a region."""
    conditions = {feature: value or UNNAMED for feature, value in region.conditions.items()}
    return holds(point, conditions) and not any(holds(point, exception) for exception in exceptions)


@settings(max_examples=MANY)
@given(changes())
def test_consequences_are_all_contexts_with_another_value(change: tuple[Behaviour, Behaviour]) -> None:
    """Each context with another value is in exactly one region, which says what the values are; no other is in any."""
    before, after = change
    found = [(each, list(each.region.find_exceptions())) for each in find_consequences(before, after)]
    points = list(list_points(FEATURES, VALUES, {}))
    for point, *ranked in zip(points, rank_matches(before, points), rank_matches(after, points), strict=True):
        winners = [matches[0] for matches in ranked]
        regions = [each for each, exceptions in found if is_in(point, each.region, exceptions)]
        values = before.read_value(winners[0]), after.read_value(winners[1])
        assert len(regions) == (not is_same_json(*values))
        for each in regions:
            assert (winners, values) == ([each.rule_before, each.rule_after], (each.before, each.after))


@settings(max_examples=MANY)
@given(behaviours(), st.dictionaries(st.sampled_from(FEATURES), st.sampled_from([*VALUES, NO_VALUE])))
def test_what_can_win_is_what_wins_in_some_context(behaviour: Behaviour, part: dict[str, str]) -> None:
    """Each context that has a given part is in exactly one region, that of the rule which wins there; none is empty."""
    found = [(rule, region, list(region.find_exceptions())) for rule, region in find_possible(behaviour.ranking, part)]
    points = list(list_points(FEATURES, VALUES, part))
    winners = [matches[0] for matches in rank_matches(behaviour, points)]
    for point, winner in zip(points, winners, strict=True):
        assert [winner] == [rule for rule, region, exceptions in found if is_in(point, region, exceptions)]
    assert all(rule in winners for rule, _, _ in found)


@settings(max_examples=MANY)
@given(behaviours())
def test_rules_without_effect_can_be_removed_and_no_others(behaviour: Behaviour) -> None:
    """A rule has an effect if there is a context in which it wins, and the next rule has another value."""
    changing = set()
    for winner, *others in rank_matches(behaviour, list(list_points(FEATURES, VALUES, {}))):
        if winner is not None and not is_same_json(winner.value, behaviour.read_value(others[0])):
            changing.add(winner.rule_id)
    assert [rule for rule in behaviour.rules if rule.rule_id not in changing] == list(find_idle(behaviour))


@settings(max_examples=200)
@given(behaviours(), st.dictionaries(st.sampled_from(FEATURES), st.sampled_from(VALUES)))
def test_examples_are_of_their_region(behaviour: Behaviour, part: dict[str, str]) -> None:
    """In each example, what the region's rule is wins; no example is told twice."""
    for rule, region in find_possible(behaviour.ranking, part):
        examples = list(region.find_examples())
        assert len(examples) == len({frozenset(example.items()) for example in examples})
        assert all(matches[0] == rule for matches in rank_matches(behaviour, examples))
