"""Laws of the types on the wire: printing and parsing, the subtype order, validation, equality as JSON."""

import json
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heksher.exceptions import InvalidTypeError
from heksher.value_type import (
    JSON,
    EnumType,
    Primitive,
    ValueType,
    json_key,
    parse_value_type,
)
from tests.support.json_strategies import (
    json_values,
    primitives,
    respell_json,
    supertypes,
    value_types,
    values_of,
)


@st.composite
def typed_values(draw: st.DrawFn) -> tuple[ValueType, JSON]:
    """Draw a type and a value of it."""
    value_type = draw(value_types())
    return value_type, draw(values_of(value_type))


@st.composite
def chains(draw: st.DrawFn) -> tuple[ValueType, ValueType, ValueType]:
    """Draw three types, each mostly a supertype of the one before: any three would rarely be related."""
    first = draw(value_types())
    second = draw(supertypes(first) | value_types())
    return first, second, draw(supertypes(second) | supertypes(first) | value_types())


@given(value_types())
def test_parsing_undoes_printing(value_type: ValueType) -> None:
    """The text of a type is read as the same type, which has the same text."""
    parsed = parse_value_type(str(value_type))
    assert value_type == parsed
    assert str(value_type) == str(parsed)
    assert hash(value_type) == hash(parsed)


@given(st.text(max_size=30) | st.text('EnumFlags[]<>",1Sequence ', max_size=30))
def test_parsing_any_text_gives_a_type_or_the_one_error(text: str) -> None:
    """Whatever the text, reading it never fails in another way than by ``InvalidTypeError``."""
    try:
        parsed = parse_value_type(text)
    except InvalidTypeError:
        return
    assert parsed == parse_value_type(str(parsed))


@given(st.lists(primitives(), min_size=1, max_size=6), st.randoms(use_true_random=False))
def test_option_order_and_spelling_do_not_matter(options: list[Primitive], random: Random) -> None:
    """Options in another order, repeated, or numbers spelled in another way, give an equal type with the same text."""
    other = [respell_json(option) for option in options] + options[:2]
    random.shuffle(other)
    first, second = EnumType(options), parse_value_type(f"Enum {json.dumps(other)}")
    assert first == second
    assert str(first) == str(second)
    assert hash(first) == hash(second)


@given(value_types(), value_types())
def test_equal_types_are_written_the_same(first: ValueType, second: ValueType) -> None:
    """Two types are equal exactly when their canonical texts are."""
    assert (first == second) == (str(first) == str(second))


@given(value_types())
def test_order_is_reflexive(value_type: ValueType) -> None:
    """Each type is a subtype of itself."""
    assert value_type.is_subtype(value_type)


@given(chains())
def test_order_is_antisymmetric(chain: tuple[ValueType, ValueType, ValueType]) -> None:
    """Two types that are subtypes of one another are equal."""
    first, second, _ = chain
    assert (first.is_subtype(second) and second.is_subtype(first)) == (first == second)


@given(chains())
def test_order_is_transitive(chain: tuple[ValueType, ValueType, ValueType]) -> None:
    """A subtype of a subtype is a subtype."""
    first, second, third = chain
    if first.is_subtype(second) and second.is_subtype(third):
        assert first.is_subtype(third)


@given(value_types(), st.data())
def test_order_holds_what_its_definition_says(value_type: ValueType, data: st.DataObject) -> None:
    """What is built as a supertype is one."""
    assert value_type.is_subtype(data.draw(supertypes(value_type)))


@given(typed_values(), st.data())
def test_value_of_a_subtype_is_a_value_of_its_supertypes(
    typed_value: tuple[ValueType, JSON], data: st.DataObject
) -> None:
    """Validation agrees with the order."""
    value_type, value = typed_value
    other = data.draw(supertypes(value_type) | value_types())
    assert value_type.accepts(value)
    if value_type.is_subtype(other):
        assert other.accepts(value)


@given(typed_values())
def test_validation_looks_at_the_json_value_only(typed_value: tuple[ValueType, JSON]) -> None:
    """Another Python object for the same JSON value is a value of the type just so."""
    value_type, value = typed_value
    assert value_type.accepts(respell_json(value))


@given(value_types(), json_values())
def test_validation_never_fails(value_type: ValueType, value: JSON) -> None:
    """Any JSON value is either accepted or not."""
    assert value_type.accepts(value) in {True, False}


@given(json_values())
def test_json_key_does_not_see_the_spelling(value: JSON) -> None:
    """Two Python objects for one JSON value have one key."""
    assert json_key(value) == json_key(respell_json(value))
    assert hash(json_key(value)) == hash(json_key(respell_json(value)))


@given(json_values(), json_values())
def test_json_key_is_equality_as_json(first: JSON, second: JSON) -> None:
    """Two values have one key exactly when they are written the same, with numbers in one spelling."""
    assert (json_key(first) == json_key(second)) == (write_plainly(first) == write_plainly(second))


def write_plainly(value: JSON) -> str:
    """Write a JSON value such that equal values have equal texts: a slow oracle for ``json_key``."""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, list | tuple):
        return f"[{','.join(map(write_plainly, value))}]"
    if isinstance(value, dict):
        return f"{{{','.join(sorted(f'{json.dumps(key)}:{write_plainly(inner)}' for key, inner in value.items()))}}}"
    return json.dumps(value)


@pytest.mark.trap(17)
@given(st.text(), st.booleans())
def test_strings_are_no_arrays_and_booleans_no_numbers(text: str, boolean: bool) -> None:
    """No type of arrays accepts a string, and no type of numbers a boolean."""
    for name in ("Sequence<str>", 'Flags["a","b"]', "Mapping<str>"):
        assert not parse_value_type(name).accepts(text)
    for name in ("int", "float", "Enum[0,1]"):
        assert not parse_value_type(name).accepts(boolean)
