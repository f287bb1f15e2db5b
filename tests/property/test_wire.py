"""Laws of context filters: reading undoes writing, and a rule is let through as a brute force says."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heksher.context_value import find_value_fault, write_value
from heksher.wire import (
    FeatureFilter,
    format_context_filters,
    lets_through,
    parse_conditions,
    parse_context_filters,
    version_key,
)
from tests.support.context_values import context_values

NAMES = st.text("ABab019_", min_size=1, max_size=4)
FEATURES = st.sampled_from(["a", "A", "b", "user_id"])
VALUES = st.sampled_from(["x", "X", "0", "_"])


def filters_over(
    features: st.SearchStrategy[str], values: st.SearchStrategy[str]
) -> st.SearchStrategy[dict[str, FeatureFilter]]:
    return st.dictionaries(features, st.none() | st.frozensets(values, min_size=1), max_size=5)


@pytest.mark.trap(31)
@given(filters_over(NAMES, NAMES | context_values()))
def test_reading_undoes_writing(filters: dict[str, FeatureFilter]) -> None:
    """Filters come back from their text as they were."""
    assert filters == parse_context_filters(format_context_filters(filters))


@given(st.dictionaries(NAMES, context_values(), min_size=1, max_size=4))
def test_conditions_are_read_as_they_are_written(conditions: dict[str, str]) -> None:
    """Whatever the values are, a search for them is read as it was meant."""
    written = ",".join(f"{feature}:{write_value(value)}" for feature, value in conditions.items())
    assert conditions == parse_conditions(written)


@given(context_values())
def test_any_text_is_a_value(text: str) -> None:
    """One line in the normal form NFC is a value, whatever its characters are."""
    assert None is find_value_fault(text)


@given(filters_over(NAMES, NAMES | context_values()))
def test_writing_does_not_depend_on_the_order(filters: dict[str, FeatureFilter]) -> None:
    """The same filters in another order have the same text."""
    assert format_context_filters(filters) == format_context_filters(dict(reversed(filters.items())))


@given(st.text('a:*(),x"\\\n ', max_size=15) | st.text(max_size=10))
def test_any_text_is_read_or_refused(text: str) -> None:
    """Whatever the text, it is either refused with a ``ValueError`` or says the same when it is written again."""
    try:
        filters = parse_context_filters(text)
    except ValueError:
        return
    assert filters == parse_context_filters(format_context_filters(filters))


@given(filters_over(FEATURES, VALUES), st.dictionaries(FEATURES, VALUES, min_size=1))
def test_filtering_agrees_with_brute_force(filters: dict[str, FeatureFilter], conditions: dict[str, str]) -> None:
    """A rule is let through exactly when each of its conditions is in the list of all that the filters allow."""
    allowed = [
        (feature, value)
        for feature, values in filters.items()
        for value in (["x", "X", "0", "_"] if values is None else values)
    ]
    assert lets_through(filters, conditions.items()) == all(condition in allowed for condition in conditions.items())


@given(st.tuples(st.integers(0, 10**18 - 1), st.integers(0, 10**18 - 1)), st.integers(0, 3))
def test_version_key_gives_the_numbers(numbers: tuple[int, int], zeros: int) -> None:
    """A version is compared by its two numbers, with leading zeros or without."""
    assert numbers == version_key(f"{'0' * zeros}{numbers[0]}.{'0' * zeros}{numbers[1]}")
