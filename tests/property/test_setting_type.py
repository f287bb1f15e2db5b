"""Laws of the conversions between JSON and Python values."""

from collections.abc import Mapping
from enum import Enum, IntFlag

from hypothesis import given
from hypothesis import strategies as st

from heksher.setting_type import HeksherMapping, HeksherSequence, SettingType, setting_type
from heksher.value_type import JSON
from tests.support.json_strategies import json_values, respell_json, values_of


class Mixed(Enum):
    """Members that Python, or a careless reader, takes for one another."""

    NUMBER = 1
    TEXT = "1"
    NO = False
    HALF = 0.5


class Permission(IntFlag):
    """Single bits with a gap, a second name and a name for two bits."""

    READ = 1
    LOOK = 1
    EXECUTE = 8
    ALL = 9


def setting_types() -> st.SearchStrategy[SettingType[object]]:
    """Draw any setting type."""
    innermost: st.SearchStrategy[SettingType[object]] = st.sampled_from(
        [setting_type(python_type) for python_type in (int, float, str, bool, Mixed, Permission)]
    )
    return st.recursive(innermost, lambda inner: inner.map(HeksherSequence) | inner.map(HeksherMapping), max_leaves=3)


@st.composite
def typed_values(draw: st.DrawFn) -> tuple[SettingType[object], JSON]:
    """Draw a type and a JSON value of it."""
    drawn = draw(setting_types())
    # Floats without an upper bound include integers too large for a float; those are refused by a test of their own.
    return drawn, draw(values_of(drawn.value_type).filter(is_small))


def is_small(value: JSON) -> bool:
    """Return whether no integer in a value is too large for a float."""
    if isinstance(value, Mapping):
        return all(is_small(inner) for inner in value.values())
    if isinstance(value, list):
        return all(is_small(inner) for inner in value)
    return not isinstance(value, int) or abs(value) < 2**1023


@given(typed_values())
def test_values_of_the_wire_type_lose_nothing(typed_value: tuple[SettingType[object], JSON]) -> None:
    """Each value that the service can send for the type is converted without coercions."""
    drawn, value = typed_value
    assert not drawn.convert_from_heksher(value).coercions


@given(typed_values())
def test_conversion_looks_at_the_json_value_only(typed_value: tuple[SettingType[object], JSON]) -> None:
    """Another Python object for the same JSON value is converted to the same value."""
    drawn, value = typed_value
    assert drawn.convert_from_heksher(value) == drawn.convert_from_heksher(respell_json(value))


@given(typed_values())
def test_values_come_back_as_they_were_sent(typed_value: tuple[SettingType[object], JSON]) -> None:
    """A Python value is written as a value of the wire type, which is read as an equal Python value."""
    drawn, value = typed_value
    python_value = drawn.convert_from_heksher(value).value
    written = drawn.convert_to_heksher(python_value)
    assert drawn.value_type.accepts(written)
    read = drawn.convert_from_heksher(written)
    assert (python_value, []) == (read.value, list(read.coercions))


@given(setting_types(), json_values())
def test_any_json_gives_a_value_of_the_type_or_a_type_error(drawn: SettingType[object], value: JSON) -> None:
    """Whatever arrives, conversion fails with nothing but a TypeError, and what it gives is a value of the type."""
    try:
        converted = drawn.convert_from_heksher(value)
    except TypeError:
        return
    assert drawn.value_type.accepts(drawn.convert_to_heksher(converted.value))
