"""The types on the wire: what is read and written, what is a value of which type, which type comes before which."""

import math
from collections.abc import Hashable
from types import MappingProxyType

import pytest

from heksher.exceptions import InvalidTypeError
from heksher.value_type import (
    JSON,
    MAX_NESTING,
    MAX_TYPE_CHARACTERS,
    EnumType,
    FlagsType,
    MappingType,
    SequenceType,
    is_float,
    is_int,
    is_primitive,
    json_key,
    parse_value_type,
    shorten,
)


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("int", "int"),
        ("float", "float"),
        ("str", "str"),
        ("bool", "bool"),
        ('Enum["blue","green",0,1,3.5]', 'Enum["blue","green",0,1,3.5]'),
        ('Enum[3.5, 1, 0, "green", "blue"]', 'Enum["blue","green",0,1,3.5]'),
        ("Enum[true,false,1,0]", "Enum[0,1,false,true]"),
        ("Enum[1.0]", "Enum[1]"),
        ("Enum[-0.0]", "Enum[0]"),
        ("Enum[1e3]", "Enum[1000]"),
        ("Enum[1e16]", "Enum[10000000000000000]"),
        ("Enum[1,1.0,1]", "Enum[1]"),
        ('Enum["é"]', 'Enum["\\u00e9"]'),
        ('Enum["]"]', 'Enum["]"]'),
        ('Flags["b","a"]', 'Flags["a","b"]'),
        ("Flags[]", "Flags[]"),
        ("Flags[ ]", "Flags[]"),
        ("Flags [\n1 ]", "Flags[1]"),
        ("Sequence<int>", "Sequence<int>"),
        ("Sequence <int>", "Sequence<int>"),
        ("Sequence < Mapping<\tstr > >", "Sequence<Mapping<str>>"),
        ("Mapping< Enum[ 1 , 2 ] >", "Mapping<Enum[1,2]>"),
        ("Mapping<Sequence<Enum [2, 1]>>", "Mapping<Sequence<Enum[1,2]>>"),
        ('Mapping<Enum[">"]>', 'Mapping<Enum[">"]>'),
    ],
)
def test_types_are_written_in_canonical_form(text: str, canonical: str) -> None:
    """A type is read in any spelling that is allowed, and written in one."""
    assert canonical == str(parse_value_type(text))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "'' is not a type"),
        ("integer", "'integer' is not a type"),
        ("Int", "'Int' is not a type"),
        (" int", "' int' is not a type"),
        ("int\n", "is not a type"),
        ("Enum[1]\n", "is not a type"),
        ("enum[1]", "is not a type"),
        ("Enum", "'Enum' is not a type"),
        ("Enum[1", "is not a type"),
        ("Enum(1)", "is not a type"),
        ("Sequence", "'Sequence' is not a type"),
        ("Sequence[int]", "is not a type"),
        ("Sequence<>", "'' is not a type"),
        ("Sequence< int>\n", "is not a type"),
        ("Sequence<in t>", "'in t' is not a type"),
        ("Sequence<int", "is not a type"),
        ("Sequence<Mapping<nothing>>", "'nothing' is not a type"),
        ("Mapping<str,int>", "'str,int' is not a type"),
        ("Enum[]", "an Enum needs at least one option"),
        ("Enum[red]", "are not a JSON array"),
        ("Enum[1,]", "are not a JSON array"),
        ("Enum['a']", "are not a JSON array"),
        ("Enum[1],[2]", "are not a JSON array"),
        ("Enum[[1]]", r"\[1\] is not an option"),
        ("Flags[{}]", "{} is not an option"),
        ("Enum[null]", "None is not an option"),
        ("Enum[NaN]", "nan is not an option"),
        ("Enum[1e999]", "inf is not an option"),
        ("Enum[-Infinity]", "-inf is not an option"),
        (f"Enum[{'9' * 5000}]", "are not a JSON array"),
    ],
)
def test_what_is_no_type_is_refused(text: str, message: str) -> None:
    """The error quotes the part that is wrong and says what is wrong with it."""
    with pytest.raises(InvalidTypeError, match=message):
        parse_value_type(text)


def test_refusal_lists_the_forms_that_exist() -> None:
    """Whoever misspells a type is told what types look like."""
    with pytest.raises(InvalidTypeError) as raised:
        parse_value_type("list")
    assert str(raised.value) == (
        "'list' is not a type: expected int, float, str, bool, Enum[...], Flags[...], Sequence<...> or Mapping<...>"
    )


def test_refusal_is_short() -> None:
    """A long text is not repeated whole in the message."""
    for text in ("x" * 10_000, f"Enum[{'x' * 10_000}]", f"Enum[[{'1,' * 10_000}1]]"):
        with pytest.raises(InvalidTypeError) as raised:
            parse_value_type(text)
        assert len(str(raised.value)) < 300


@pytest.mark.trap(44)
@pytest.mark.parametrize("keyword", ["Sequence", "Mapping"])
def test_nesting_has_a_limit(keyword: str) -> None:
    """A type nested thousands deep is refused with a message, and one at the limit still works."""
    allowed = parse_value_type(f"{keyword}<" * MAX_NESTING + "int" + ">" * MAX_NESTING)
    assert allowed == parse_value_type(str(allowed))
    for depth in (MAX_NESTING + 1, 3_000):
        with pytest.raises(InvalidTypeError, match=f"nested too deep: at most {MAX_NESTING} levels"):
            parse_value_type(f"{keyword}<" * depth + "int" + ">" * depth)


@pytest.mark.trap(44)
@pytest.mark.parametrize("depth", [100, 3_000, 40_000])
def test_nested_options_are_refused(depth: int) -> None:
    """Arrays in the options, however deep, are refused like any other wrong option."""
    with pytest.raises(InvalidTypeError):
        parse_value_type(f"Enum[{'[' * depth}{']' * depth}]")


@pytest.mark.trap(44)
def test_length_has_a_limit() -> None:
    """A text of many characters is refused before anything is made of it."""
    with pytest.raises(InvalidTypeError, match=f"too long: at most {MAX_TYPE_CHARACTERS} are allowed"):
        parse_value_type(f'Enum["{"x" * MAX_TYPE_CHARACTERS}"]')


@pytest.mark.trap(44)
@pytest.mark.parametrize("options", [f'"{"é" * 20_000}"', ",".join(f"{number}e300" for number in range(1, 500))])
def test_canonical_text_has_the_same_limit(options: str) -> None:
    """A type whose canonical text is too long is refused as well: it could not be read again."""
    text = f"Enum[{options}]"
    assert len(text) < MAX_TYPE_CHARACTERS
    with pytest.raises(InvalidTypeError, match="too long"):
        parse_value_type(text)


@pytest.mark.parametrize(
    ("text", "accepted", "refused"),
    [
        ("int", [0, -1, 2.0, 10**400, 1e300], [1.5, True, "1", None, [], math.inf, math.nan]),
        ("float", [0, 1.5, 2.0, 10**400], [False, "1.5", None, math.inf, -math.inf, math.nan]),
        ("str", ["", "a", "\n"], [1, None, b"a", ["a"]]),
        ("bool", [True, False], [0, 1, "true", None]),
        ('Enum["a",1,true]', ["a", 1, 1.0, True], ["b", "1", 0, False, None, ["a"], {}]),
        (
            'Flags["a",1]',
            [[], ["a"], [1, "a"], ["a", 1.0], ("a",)],
            [["a", "a"], [1, 1.0], ["b"], [True], "a", None, {}],
        ),
        ("Flags[]", [[]], [["a"], [[]], None]),
        ("Sequence<int>", [[], [1, 2], [1, 1], (1,)], [[1, "2"], [True], "12", {"0": 1}, None, [[1]]]),
        ("Sequence<str>", [["a"]], ["abc", [1]]),
        ("Mapping<int>", [{}, {"a": 1}, MappingProxyType({"a": 1})], [{"a": "1"}, {1: 1}, [], [["a", 1]], "a", None]),
        ("Mapping<Sequence<bool>>", [{"a": [True], "b": []}], [{"a": True}, {"a": [1]}]),
    ],
)
def test_values_of_a_type(text: str, accepted: list[object], refused: list[object]) -> None:
    """Each type accepts its values and no others."""
    value_type = parse_value_type(text)
    assert [value for value in accepted if not value_type.accepts(value)] == []
    assert [value for value in refused if value_type.accepts(value)] == []


@pytest.mark.parametrize(
    ("lower", "upper"),
    [
        ("int", "float"),
        ("Enum[1]", "Enum[1,2]"),
        ("Enum[1]", 'Enum["a",1.0]'),
        ("Flags[]", "Flags[1]"),
        ('Flags["a"]', 'Flags["a","b"]'),
        ("Sequence<int>", "Sequence<float>"),
        ("Mapping<Sequence<Enum[1]>>", "Mapping<Sequence<Enum[1,2]>>"),
    ],
)
def test_subtypes(lower: str, upper: str) -> None:
    """The lower type is a subtype of the upper one, and not the other way round."""
    assert parse_value_type(lower).is_subtype(parse_value_type(upper))
    assert not parse_value_type(upper).is_subtype(parse_value_type(lower))


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("int", "bool"),
        ("int", "str"),
        ("Enum[true,false]", "bool"),
        ("Enum[1,2]", "int"),
        ("Enum[1]", "Enum[true]"),
        ("Enum[1,2]", "Enum[2,3]"),
        ("Enum[1]", "Flags[1]"),
        ("Flags[1,2]", "Sequence<int>"),
        ("Sequence<int>", "Mapping<int>"),
        ("Sequence<int>", "Sequence<str>"),
        ("Sequence<int>", "float"),
    ],
)
def test_unrelated_types(first: str, second: str) -> None:
    """Nothing but what the specification lists is ordered."""
    assert not parse_value_type(first).is_subtype(parse_value_type(second))
    assert not parse_value_type(second).is_subtype(parse_value_type(first))


def test_types_compare_to_types_only() -> None:
    """A type does not equal its text, nor the other form with the same options."""
    assert parse_value_type("int") != "int"
    assert parse_value_type("Enum[1]") != parse_value_type("Flags[1]")
    assert parse_value_type("Sequence<int>") != parse_value_type("Mapping<int>")


def test_types_can_be_keys() -> None:
    """Equal types find one another in a dictionary, however they came about."""
    assert {parse_value_type("Enum[1,2]"): "found"}[EnumType([2.0, 1])] == "found"
    assert {parse_value_type("Sequence<Mapping<Flags[]>>"): "found"}[
        SequenceType(MappingType(FlagsType([])))
    ] == "found"


def test_representation_names_the_type() -> None:
    """In a debugger, a type shows what it is."""
    assert repr(parse_value_type("Sequence<int>")) == "<SequenceType Sequence<int>>"


def test_options_are_at_hand() -> None:
    """The options of an Enum or Flags can be listed, in canonical order, each once."""
    assert EnumType([2, "b", 1, "a", 2.0]).options == ("a", "b", 1, 2)
    assert EnumType([1]).has_option(1.0)
    assert not EnumType([1]).has_option(True)


def test_numbers() -> None:
    """Whole and finite numbers are told by value, and booleans are none of them."""
    candidates: list[object] = [1, 1.0, 1.5, True, math.inf, math.nan, "1", None]
    assert list(filter(is_int, candidates)) == [1, 1.0]
    assert list(filter(is_float, candidates)) == [1, 1.0, 1.5]


def test_primitives() -> None:
    """Strings, finite numbers, true and false can be options; null, arrays and objects cannot."""
    assert all(map(is_primitive, ["", "a", 0, 1.5, True, False]))
    assert not any(map(is_primitive, [None, math.nan, math.inf, [], {}, b"a"]))


EQUAL: list[tuple[JSON, JSON]] = [
    (1, 1.0),
    (0.0, -0.0),
    (10**16, 1e16),
    ([1, 2], (1.0, 2.0)),
    ({"a": 1, "b": [2]}, {"b": [2.0], "a": 1.0}),
    ({"a": 1}, MappingProxyType({"a": 1})),
]
DIFFERENT: list[tuple[JSON, JSON]] = [
    (1, True),
    (0, False),
    (0, ""),
    (0, None),
    (False, None),
    ("1", 1),
    ([], {}),
    ([], None),
    ([1, 2], [2, 1]),
    ([1], [True]),
    ([[1], 2], [1, [2]]),
    ({"a": 1}, {"a": True}),
    ({"a": None}, {}),
    (2**53 + 1, float(2**53)),
    ([["a", 1]], {"a": 1}),
]


@pytest.mark.parametrize(("first", "second"), EQUAL)
def test_equal_as_json(first: JSON, second: JSON) -> None:
    """Values that are one JSON value have one key."""
    assert same_key(first, second)


@pytest.mark.parametrize(("first", "second"), DIFFERENT)
def test_different_as_json(first: JSON, second: JSON) -> None:
    """Values that are two JSON values have two keys, though Python takes some for equal."""
    assert not same_key(first, second)


def same_key(first: JSON, second: JSON) -> bool:
    keys: set[Hashable] = {json_key(first), json_key(second)}
    return len(keys) == 1


def test_shorten() -> None:
    """A text is cut only when it is too long, and then one sees that it was."""
    assert shorten("abcd", 4) == "abcd"
    assert shorten("abcde", 4) == "abcd…"
