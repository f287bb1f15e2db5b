"""Laws of consequences, for any rules: what is found by looking at few contexts is what is found by looking at each."""

from collections.abc import Sequence

from hypothesis import given, settings
from hypothesis import strategies as st

from heksher.consequences import Behaviour, find_consequences
from heksher.rule_set import Rule
from tests.support.exhaustive import find_winner, holds, is_same_json, list_points

FEATURES = ("a", "b", "c", "d")
VALUES = ("x", "y")
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
def changes(draw: st.DrawFn) -> tuple[Behaviour, Behaviour]:
    """Draw a setting before and after a change of its rules, its default, or the order of features."""
    order = draw(st.permutations(FEATURES))
    before = Behaviour(draw(some_rules()), draw(some_values), order)
    default = before.default_value if draw(st.booleans()) else draw(some_values)
    new_order = order if draw(st.booleans()) else draw(st.permutations(FEATURES))
    return before, Behaviour(draw(some_rules(before.rules)), default, new_order)


@settings(max_examples=2000)
@given(changes())
def test_consequences_are_all_contexts_with_another_value(change: tuple[Behaviour, Behaviour]) -> None:
    """Each context with another value is in exactly one region, which says what the values are; no other is in any."""
    before, after = change
    found = [(each, list(each.region.find_exceptions())) for each in find_consequences(before, after)]
    for point in list_points(FEATURES, VALUES, {}):
        regions = [
            each
            for each, exceptions in found
            if holds(point, each.region.conditions) and not any(holds(point, exception) for exception in exceptions)
        ]
        winners = find_winner(before, point), find_winner(after, point)
        values = before.read_value(winners[0]), after.read_value(winners[1])
        assert len(regions) == (not is_same_json(*values))
        for each in regions:
            assert (winners, values) == ((each.rule_before, each.rule_after), (each.before, each.after))
