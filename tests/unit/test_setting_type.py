"""The types of settings: their texts, what they make of JSON and of Python values, and what stands for them."""

import dataclasses
import json
import math
import typing
from collections import OrderedDict, UserList, deque
from collections.abc import Iterable, Mapping, Sequence
from enum import Enum, Flag, IntEnum, IntFlag, StrEnum
from types import MappingProxyType

import pytest

from heksher.exceptions import InvalidTypeError
from heksher.read_only_dict import ReadOnlyDict
from heksher.setting_type import (
    Conversion,
    HeksherEnum,
    HeksherFlags,
    HeksherMapping,
    HeksherSequence,
    SettingType,
    setting_type,
)
from heksher.value_type import JSON

HUGE = 10**400  # larger than any float


class Color(Enum):
    """Values of several types, one of which Python takes for another."""

    GREEN = "green"
    BLUE = "blue"
    ONE = 1
    HALF = 0.5
    NO = False


class Level(IntEnum):
    """Members that equal their values."""

    LOW = 1
    HIGH = 2


class Word(str, Enum):  # noqa: UP042 - str(Word.YES) is not the word, unlike that of a StrEnum
    """Members that are strings."""

    YES = "yes"


class Permission(IntFlag):
    """Single bits, and names that stand for no, for several or for the same bits."""

    NONE = 0
    RW = 3
    WRITE = 2
    READ = 1
    LOOK = 1
    EXECUTE = 8


class Holey(IntFlag):
    """Has a member with a bit (4) that has no name."""

    A = 1
    C = 5


class Money(SettingType[tuple[int, str]]):
    """A type that a program brings along, with conversions that fail in many ways."""

    def heksher_string(self) -> str:
        return "str"

    def convert_from_heksher(self, x: object) -> Conversion[tuple[int, str]]:
        assert isinstance(x, str)
        amount, currency = x.split(" ")
        return Conversion((int(amount), currency.upper()), () if currency.isupper() else ("currency in lower case",))

    def convert_to_heksher(self, x: tuple[int, str]) -> JSON:
        return f"{x[0]} {x[1]}"


def fail_to_convert(setting_type: SettingType[object], value: object) -> str:
    """Convert a value from the service, which must be refused, and return the message."""
    with pytest.raises(TypeError) as caught:
        setting_type.convert_from_heksher(value)
    return str(caught.value)


class TestConversion:
    def test_fields_are_positional(self) -> None:
        """A conversion is made of a value and coercions, in this order, and gives them back by name."""
        conversion = Conversion(3, ["lost"])
        assert (3, ["lost"]) == (conversion.value, conversion.coercions)

    def test_nothing_is_lost_unless_said(self) -> None:
        """A conversion that names no coercions has none."""
        assert Conversion(3, ()) == Conversion(3)

    def test_fields_can_be_replaced(self) -> None:
        """A conversion is a dataclass, as in the existing client, so a type can derive one from another."""
        assert Conversion(4, ["lost"]) == dataclasses.replace(Conversion(3, ["lost"]), value=4)


class TestText:
    @pytest.mark.parametrize(
        ("python_type", "text"),
        [
            (int, "int"),
            (float, "float"),
            (str, "str"),
            (bool, "bool"),
            (Color, 'Enum["blue","green",0.5,1,false]'),
            (Level, "Enum[1,2]"),
            (Word, 'Enum["yes"]'),
            (Permission, 'Flags["EXECUTE","LOOK","NONE","READ","RW","WRITE"]'),
            (Holey, 'Flags["A","C"]'),
            (Enum("empty", {}), "Enum[]"),
            (IntFlag("empty", {}), "Flags[]"),
            (Sequence[Color], 'Sequence<Enum["blue","green",0.5,1,false]>'),
            (Mapping[str, Sequence[int]], "Mapping<Sequence<int>>"),
        ],
    )
    def test_types_are_written_in_canonical_form(self, python_type: type, text: str) -> None:
        """Each type has the canonical text of the wire, as heksher_string and as str, and shows it in its repr."""
        converted = setting_type(python_type)
        assert text == converted.heksher_string() == str(converted)
        assert text == str(converted.value_type)
        assert f"<{type(converted).__name__} {text}>" == repr(converted)

    def test_equal_when_written_the_same(self) -> None:
        """Types are equal, and have one hash, exactly when they have one text, whatever their classes are."""
        other = Enum("Other", {"B": 2, "A": 1})
        assert HeksherEnum(Level) == HeksherEnum(other)
        assert hash(HeksherEnum(Level)) == hash(HeksherEnum(other))
        assert setting_type(str) == Money()
        assert setting_type(str) != setting_type(int)
        assert setting_type(str) != "str"


class TestPrimitives:
    @pytest.mark.parametrize(
        ("python_type", "value", "expected"),
        [
            (int, 2, 2),
            (int, 2.0, 2),
            (int, 1e300, int(1e300)),
            (int, HUGE, HUGE),
            (int, Level.HIGH, 2),
            (float, 1.5, 1.5),
            (float, 2, 2.0),
            (float, -0.0, -0.0),
            (str, "", ""),
            (str, "a\ud800", "a\ud800"),
            (str, Word.YES, "yes"),
            (bool, True, True),
            (bool, False, False),
        ],
    )
    def test_values_of_the_type_are_taken_both_ways(self, python_type: type, value: JSON, expected: object) -> None:
        """A value of the type is converted to the plain Python value, in both directions, and nothing is lost."""
        converted = setting_type(python_type).convert_from_heksher(value)
        assert Conversion(expected, ()) == converted
        assert type(expected) is type(converted.value)
        written = setting_type(python_type).convert_to_heksher(value)
        assert (expected, type(expected)) == (written, type(written))

    @pytest.mark.trap(17)
    @pytest.mark.parametrize(
        ("python_type", "value"),
        [
            *((int, value) for value in (1.5, "1", True, False, None, [1], {}, math.nan, math.inf)),
            *((float, value) for value in ("1", True, None, [1.5], {}, math.nan, -math.inf, HUGE, -HUGE)),
            *((str, value) for value in (1, True, None, ["a"], {"a": "a"}, HUGE, b"a")),
            *((bool, value) for value in (0, 1, 0.0, "true", None, [])),
        ],
    )
    def test_other_values_are_refused_both_ways(self, python_type: type, value: JSON) -> None:
        """Nothing but values of the type is converted: no booleans for numbers, no NaN, no number too large."""
        with pytest.raises(TypeError):
            setting_type(python_type).convert_from_heksher(value)
        with pytest.raises(TypeError):
            setting_type(python_type).convert_to_heksher(value)

    @pytest.mark.parametrize(
        ("python_type", "value", "message"),
        [
            (int, 1.5, "expected int (a whole number), got 1.5"),
            (int, "it's", 'expected int (a whole number), got "it\'s"'),
            (float, math.nan, "expected float (a finite number), got nan"),
            (bool, None, "expected bool (true or false), got None"),
            (str, Level.LOW, "expected str (a string), got Level.LOW"),
            (str, [1], "expected str (a string), got a value of type list"),
            (float, HUGE, f"an integer of {HUGE.bit_length()} bits is too large for a float"),
        ],
    )
    def test_error_names_type_and_value(self, python_type: type, value: object, message: str) -> None:
        """The message says what was expected and what came, and is never longer than one can read."""
        assert message == fail_to_convert(setting_type(python_type), value)

    def test_number_that_cannot_be_written_is_refused_all_the_same(self) -> None:
        """A number with more digits than Python is willing to write does not spoil the message."""
        assert (
            fail_to_convert(setting_type(str), 1 << 20_000) == "expected str (a string), got an integer of 20001 bits"
        )


class TestEnum:
    @pytest.mark.parametrize(
        ("value", "member"),
        [
            ("green", Color.GREEN),
            (1, Color.ONE),
            (1.0, Color.ONE),
            (0.5, Color.HALF),
            (False, Color.NO),
        ],
    )
    def test_options_become_members(self, value: object, member: Color) -> None:
        """An option is converted to the member with this value, where 1 is 1.0."""
        assert Conversion(member, ()) == HeksherEnum(Color).convert_from_heksher(value)

    @pytest.mark.parametrize(
        "value", ["red", "GREEN", True, 0, 0.0, 2, HUGE, None, [], ["green"], {}, {"green": 1}, math.nan, math.inf]
    )
    def test_other_values_are_refused(self, value: object) -> None:
        """What is no option is no member: unknown ones, true for 1, 0 for false, and things that cannot be hashed."""
        assert fail_to_convert(HeksherEnum(Color), value) == "value is not a valid enum member"

    def test_members_that_python_takes_for_one_are_the_first(self) -> None:
        """Where Python makes one member of 1 and True, the option is the first value, and JSON true is none."""
        both = Enum("both", [("ONE", 1), ("YES", True)])
        converter = HeksherEnum(both)
        assert converter.heksher_string() == "Enum[1]"
        assert fail_to_convert(converter, True) == "value is not a valid enum member"

    def test_hook_makes_no_members(self) -> None:
        """A class's own idea of unknown values does not turn them into members."""

        class Lenient(Enum):
            A = "a"

            @classmethod
            def _missing_(cls, value: object) -> "Lenient":
                return cls.A

        assert fail_to_convert(HeksherEnum(Lenient), "b") == "value is not a valid enum member"

    @pytest.mark.parametrize("member", Color)
    def test_members_become_their_values(self, member: Color) -> None:
        """A member is written as its value."""
        written = HeksherEnum(Color).convert_to_heksher(member)
        assert (member.value, type(member.value)) == (written, type(written))

    @pytest.mark.parametrize(("value", "shown"), [(1, "1"), ("a", '"a"'), (None, "None"), (Color.ONE, "Color.ONE")])
    def test_only_members_are_written(self, value: Level, shown: str) -> None:
        """A value in place of the member, or a member of another class, is refused."""
        with pytest.raises(TypeError) as caught:
            HeksherEnum(Level).convert_to_heksher(value)
        assert f"expected a member of Level, got {shown}" == str(caught.value)

    @pytest.mark.parametrize("value", [(1, 2), None, math.nan, b"a", []])
    def test_members_must_be_primitives(self, value: object) -> None:
        """A class with a member that JSON has no primitive for is refused, by the name of the member."""
        with pytest.raises(TypeError, match=r"^odd\.BAD is .*, but must be a string, a finite number or a boolean$"):
            HeksherEnum(Enum("odd", {"GOOD": 1, "BAD": value}))

    @pytest.mark.parametrize(
        ("enum_type", "message"),
        [
            (int, "expected a class derived from Enum, got int"),
            (Color.ONE, "expected a class derived from Enum, got <Color.ONE: 1>"),
            (Permission, "Permission has flags, which can be combined: use HeksherFlags, with an IntFlag"),
        ],
    )
    def test_takes_classes_of_single_members(self, enum_type: type[Enum], message: str) -> None:
        """What is no enum class, or has flags, is refused."""
        with pytest.raises(TypeError) as caught:
            HeksherEnum(enum_type)
        assert message == str(caught.value)


class TestFlags:
    @pytest.mark.parametrize(
        ("value", "expected"),
        [
            ([], Permission(0)),
            (["READ"], Permission.READ),
            (["WRITE", "READ"], Permission.READ | Permission.WRITE),
            (["READ", "READ"], Permission.READ),
            (("READ", "EXECUTE"), Permission.READ | Permission.EXECUTE),
            (["LOOK"], Permission.READ),
            (["RW", "EXECUTE"], Permission(11)),
            (["NONE"], Permission(0)),
        ],
    )
    def test_names_become_a_combination(self, value: object, expected: Permission) -> None:
        """Names are combined to a value of the class; second names and names of combinations are understood, too."""
        converted = HeksherFlags(Permission).convert_from_heksher(value)
        assert Conversion(expected, []) == converted
        assert Permission is type(converted.value)

    @pytest.mark.parametrize("name", ["c", "read", ""])
    def test_unknown_names_are_dropped(self, name: str) -> None:
        """A name that the class does not have is left out and reported; the others count."""
        coercion = f"server sent a flag value not found in the python type ({name})"
        assert Conversion(Permission.READ, [coercion]) == HeksherFlags(Permission).convert_from_heksher([name, "READ"])

    @pytest.mark.parametrize(
        ("element", "shown"), [(1, "1"), (True, "True"), (None, "None"), (["READ"], "a value of type list")]
    )
    def test_what_is_no_name_rejects_the_whole(self, element: object, shown: str) -> None:
        """An array with anything but names is no array of flags."""
        message = fail_to_convert(HeksherFlags(Permission), ["READ", element])
        assert message == f"expected names of flags, got {shown} among them"

    @pytest.mark.trap(17)
    @pytest.mark.parametrize("value", ["READ", "", 1, None, True, {"READ": 1}])
    def test_only_arrays_are_converted(self, value: object) -> None:
        """What is no array is refused, a string and the number of the flags, too."""
        assert fail_to_convert(HeksherFlags(Permission), value).startswith("expected an array of names of flags, got ")

    def test_member_with_an_unnamed_bit_is_unknown(self) -> None:
        """A name that stands for a bit without a name is dropped, as it could not be written back."""
        coercion = "server sent a flag value not found in the python type (C)"
        assert Conversion(Holey.A, [coercion]) == HeksherFlags(Holey).convert_from_heksher(["A", "C"])

    @pytest.mark.parametrize(
        ("value", "names"),
        [
            (Permission.NONE, []),
            (Permission.LOOK, ["READ"]),
            (Permission.RW, ["WRITE", "READ"]),
            (Permission.EXECUTE | Permission.WRITE, ["WRITE", "EXECUTE"]),
            (0, []),
            (3, ["WRITE", "READ"]),
        ],
    )
    def test_combinations_become_names(self, value: Permission, names: list[str]) -> None:
        """A value, or its number, is written as the names of its bits, in the order in which the class has them."""
        assert names == HeksherFlags(Permission).convert_to_heksher(value)

    @pytest.mark.parametrize(
        ("value", "message"),
        [
            (True, "expected a value of Permission, got True"),
            (Holey.A, "expected a value of Permission, got Holey.A"),
            (None, "expected a value of Permission, got None"),
            (["READ"], "expected a value of Permission, got a value of type list"),
        ],
    )
    def test_only_values_of_the_class_are_written(self, value: Permission, message: str) -> None:
        """A boolean, a value of another class, and names are refused."""
        with pytest.raises(TypeError) as caught:
            HeksherFlags(Permission).convert_to_heksher(value)
        assert message == str(caught.value)

    @pytest.mark.parametrize("value", [Permission(4), Permission.READ | 16, ~Permission.READ, 4, -1])
    def test_bits_without_a_name_are_refused(self, value: Permission) -> None:
        """A value with a bit that no member stands for cannot be written."""
        with pytest.raises(TypeError, match="has bits that no member of Permission stands for"):
            HeksherFlags(Permission).convert_to_heksher(value)

    def test_complement_of_all_named_bits_is_written(self) -> None:
        """``~`` gives a value that can be written when the named bits have no gap."""
        dense = IntFlag("dense", ["A", "B", "C"])
        assert HeksherFlags(dense).convert_to_heksher(~dense.B) == ["A", "C"]

    def test_class_that_cannot_combine_is_a_type_error(self) -> None:
        """A class that refuses to combine its members fails with a TypeError, as every value that cannot be used."""

        class Single(IntFlag):
            A = 1
            B = 2

            @classmethod
            def _missing_(cls, value: object) -> None:
                return None

        message = fail_to_convert(HeksherFlags(Single), ["A", "B"])
        assert "Single cannot combine its members: 3 is not a valid TestFlags" in message

    @pytest.mark.parametrize(
        ("flags_type", "message"),
        [
            (Color, "expected a class derived from IntFlag, got Color"),
            (Flag("plain", ["A"]), "expected a class derived from IntFlag, got plain"),
            (3, "expected a class derived from IntFlag, got 3"),
        ],
    )
    def test_takes_classes_of_flags(self, flags_type: type[IntFlag], message: str) -> None:
        """What is no class derived from IntFlag is refused."""
        with pytest.raises(TypeError) as caught:
            HeksherFlags(flags_type)
        assert message == str(caught.value)


class TestSequence:
    @pytest.mark.parametrize("value", [[1, 2.0], (1, 2)])
    def test_arrays_become_tuples(self, value: object) -> None:
        """An array is converted to a tuple of its converted elements."""
        converted = HeksherSequence(int).convert_from_heksher(value)
        assert Conversion((1, 2), []) == converted
        assert tuple is type(converted.value)

    @pytest.mark.trap(6)
    def test_elements_that_fail_are_dropped(self) -> None:
        """An element that cannot be converted is left out and reported by its index; the others are kept."""
        converted = HeksherSequence(HeksherEnum(Color)).convert_from_heksher(["green", 1, "blue", "red", True])
        assert converted.value == (Color.GREEN, Color.ONE, Color.BLUE)
        assert tuple(converted.coercions) == (
            "failed to convert element 3: TypeError('value is not a valid enum member')",
            "failed to convert element 4: TypeError('value is not a valid enum member')",
        )

    def test_coercions_of_elements_are_passed_on(self) -> None:
        """What an element lost is reported with the index of the element."""
        converted = HeksherSequence(HeksherFlags(Permission)).convert_from_heksher([[], ["READ", "c"]])
        assert (Permission(0), Permission.READ) == converted.value
        assert tuple(converted.coercions) == ("element 1: server sent a flag value not found in the python type (c)",)

    def test_coercions_are_nested_like_the_types(self) -> None:
        """The report of a failure deep inside names the whole way to it."""
        converted = HeksherSequence(Mapping[str, Sequence[int]]).convert_from_heksher([{"a": [1, "x"]}, 5])
        assert converted.value == ({"a": (1,)},)
        assert tuple(converted.coercions) == (
            "element 0: a: failed to convert element 1: TypeError('expected int (a whole number), got \"x\"')",
            "failed to convert element 1: TypeError('expected an object, got 5')",
        )

    @pytest.mark.trap(17)
    @pytest.mark.parametrize("value", ["abc", "", 1, None, True, {"a": "b"}, {}])
    def test_only_arrays_are_converted(self, value: object) -> None:
        """What is no array is refused; a string is none."""
        assert fail_to_convert(HeksherSequence(str), value).startswith("expected an array, got ")

    @pytest.mark.trap(6)
    @pytest.mark.parametrize("value", [5, "5", "five eur", "1 2 3"])
    def test_type_of_the_program_may_fail_in_any_way(self, value: object) -> None:
        """An element that a program's own type stumbles over, with whatever error, costs no other element."""
        converted = HeksherSequence(Money()).convert_from_heksher([value, "5 EUR"])
        assert converted.value == ((5, "EUR"),)
        (coercion,) = converted.coercions
        assert coercion.startswith("failed to convert element 0: ")

    @pytest.mark.parametrize(
        "value",
        [[1, 2], range(1, 3), deque([1, 2]), UserList([1, 2]), {1, 2}, {1: 0, 2: 0}.keys(), {3: 1, 4: 2}.values()],
    )
    def test_sequences_become_lists(self, value: Iterable[int]) -> None:
        """Every kind of sequence, a set, and a view of a dict are written as a list of its written elements."""
        written = HeksherSequence(int).convert_to_heksher(value)
        assert written == [1, 2]
        assert json.dumps(written) == "[1, 2]"

    @pytest.mark.trap(17)
    @pytest.mark.parametrize("value", ["abc", b"abc", bytearray(b"a"), memoryview(b"a"), {1: 1}, 1, None, iter([])])
    def test_only_sequences_are_written(self, value: Sequence[str]) -> None:
        """What is no sequence is refused, and so are texts and bytes, which Python takes for sequences."""
        with pytest.raises(TypeError, match=r"^expected a sequence, such as a list or a tuple, got "):
            HeksherSequence(str).convert_to_heksher(value)

    def test_error_names_the_element(self) -> None:
        """The message for a wrong element names the way to it."""
        with pytest.raises(TypeError) as caught:
            HeksherSequence(Sequence[int]).convert_to_heksher([[1], [2, True]])
        assert str(caught.value) == "element 1: element 1: expected int (a whole number), got True"

    @pytest.mark.parametrize("inner", [int, setting_type(int)])
    def test_takes_what_stands_for_a_type(self, inner: type[int]) -> None:
        """The type of the elements is given as a Python type or as a setting type."""
        assert HeksherSequence(inner).heksher_string() == "Sequence<int>"
        assert setting_type(int) == HeksherSequence(inner).inner

    def test_type_of_the_program_must_have_a_wire_type(self) -> None:
        """A program's own type with a text that is no type is refused where it is used."""

        class Odd(Money):
            def heksher_string(self) -> str:
                return "Money"

        with pytest.raises(InvalidTypeError, match="'Money' is not a type"):
            HeksherSequence(Odd())


class TestMapping:
    def test_objects_become_read_only_mappings(self) -> None:
        """An object is converted to a mapping, in the same order, that cannot be changed."""
        converted = HeksherMapping(int).convert_from_heksher({"b": 1, "a": 2.0}).value
        assert list(converted.items()) == [("b", 1), ("a", 2)]
        assert isinstance(converted, ReadOnlyDict)

    def test_result_is_a_copy(self) -> None:
        """Changing the object afterwards does not change the mapping."""
        raw = {"a": 1}
        converted = HeksherMapping(int).convert_from_heksher(raw).value
        raw["a"] = 2
        assert converted == {"a": 1}

    @pytest.mark.trap(6)
    def test_entries_that_fail_are_dropped(self) -> None:
        """A value that cannot be converted is left out and reported by its key, however that is spelled."""
        converted = HeksherMapping(Color).convert_from_heksher({"tx": "red", "ty": "blue", "{0}": None})
        assert converted.value == {"ty": Color.BLUE}
        assert tuple(converted.coercions) == (
            "failed to convert value for key tx: TypeError('value is not a valid enum member')",
            "failed to convert value for key {0}: TypeError('value is not a valid enum member')",
        )

    def test_coercions_of_values_are_passed_on(self) -> None:
        """What a value lost is reported with its key."""
        converted = HeksherMapping(Permission).convert_from_heksher({"tx": ["READ", "c"]})
        assert converted.value == {"tx": Permission.READ}
        assert tuple(converted.coercions) == ("tx: server sent a flag value not found in the python type (c)",)

    @pytest.mark.parametrize("value", ["abc", 1, None, True, [], [["a", 1]]])
    def test_only_objects_are_converted(self, value: object) -> None:
        """What is no object is refused, an array of pairs, too."""
        assert fail_to_convert(HeksherMapping(int), value).startswith("expected an object, got ")

    @pytest.mark.parametrize("value", [{"b": 1, "a": 2}, OrderedDict(b=1, a=2), MappingProxyType({"b": 1, "a": 2})])
    def test_mappings_become_dicts(self, value: Mapping[str, int]) -> None:
        """Every kind of mapping is written as a dict of its written values."""
        assert json.dumps(HeksherMapping(int).convert_to_heksher(value)) == '{"b": 1, "a": 2}'

    @pytest.mark.parametrize(
        ("value", "message"),
        [
            ([("a", 1)], "expected a mapping, such as a dict, got a value of type list"),
            (None, "expected a mapping, such as a dict, got None"),
            ({1: 1}, "the keys of a mapping must be strings, got 1"),
            ({"a": 1, "b": "2"}, 'b: expected int (a whole number), got "2"'),
        ],
    )
    def test_only_mappings_of_values_are_written(self, value: Mapping[str, int], message: str) -> None:
        """What is no mapping, or has a wrong key or value, is refused, and the message names it."""
        with pytest.raises(TypeError) as caught:
            HeksherMapping(int).convert_to_heksher(value)
        assert message == str(caught.value)


class TestSettingType:
    @pytest.mark.parametrize(
        ("python_type", "expected"),
        [
            (Color, HeksherEnum(Color)),
            (StrEnum("words", ["A"]), HeksherEnum(Enum("words", {"A": "a"}))),
            (Permission, HeksherFlags(Permission)),
            (Sequence[int], HeksherSequence(int)),
            (typing.Sequence[int], HeksherSequence(int)),
            (Mapping[str, Color], HeksherMapping(Color)),
            (typing.Mapping[str, bool], HeksherMapping(bool)),
            (Mapping[str, Sequence[Permission]], HeksherMapping(HeksherSequence(HeksherFlags(Permission)))),
            (Sequence[typing.Mapping[str, str]], HeksherSequence(HeksherMapping(str))),
        ],
    )
    def test_python_types_stand_for_setting_types(self, python_type: type, expected: SettingType[object]) -> None:
        """Enum and IntFlag classes, sequences and mappings, nested too, are turned into the types for them."""
        converted = setting_type(python_type)
        assert expected == converted
        assert type(expected) is type(converted)

    @pytest.mark.parametrize("given", [setting_type(int), HeksherEnum(Color), Money()])
    def test_setting_types_are_given_back(self, given: SettingType[object]) -> None:
        """A setting type, of a program too, stands for itself."""
        assert given is setting_type(given)

    @pytest.mark.parametrize("key_type", [int, Color, typing.Any])
    def test_keys_must_be_str(self, key_type: type) -> None:
        """A mapping with keys of another type than str is refused."""
        with pytest.raises(TypeError, match=r"^the keys of a mapping must be str, not "):
            setting_type(Mapping[key_type, int])

    @pytest.mark.parametrize(
        ("python_type", "shown", "hint"),
        [
            (list[int], "list[int]", "; use Sequence[T], such as Sequence[int]"),
            (typing.List[int], "typing.List[int]", "; use Sequence[T], such as Sequence[int]"),  # noqa: UP006 - older
            (tuple[int, ...], "tuple[int, ...]", "; use Sequence[T], such as Sequence[int]"),
            (set, "set", "; use Sequence[T], such as Sequence[int]"),
            (Sequence, "Sequence", "; use Sequence[T], such as Sequence[int]"),
            (typing.Sequence, "typing.Sequence", "; use Sequence[T], such as Sequence[int]"),
            (dict, "dict", "; use Mapping[str, T], such as Mapping[str, int]"),
            (dict[str, int], "dict[str, int]", "; use Mapping[str, T], such as Mapping[str, int]"),
            (Mapping, "Mapping", "; use Mapping[str, T], such as Mapping[str, int]"),
            (Flag("plain", ["A"]), "plain", "; derive the class from IntFlag"),
            (type("Name", (str,), {}), "Name", "; use str"),
            ("int", "'int'", ". A type in quotes is not looked up: give the type itself"),
            (
                int | None,
                "int | None",
                ". A setting has values of one type, and None is none of them: let its default stand for no value",
            ),
            (object, "object", ""),
            (None, "None", ""),
            (5, "5", ""),
            ([int], "[<class 'int'>]", ""),
            (typing.Any, "Any", ""),
            (HeksherEnum, "HeksherEnum", ""),
        ],
    )
    def test_other_types_are_refused_with_a_hint(self, python_type: type, shown: str, hint: str) -> None:
        """Anything else is refused; the message lists what is accepted and, where known, what to use instead."""
        with pytest.raises(TypeError) as caught:
            setting_type(python_type)
        assert (
            f"{shown} is no type that a setting can have: expected int, float, str, bool, an Enum class, an IntFlag"
            f" class, Sequence[T] or Mapping[str, T] where T is one of these, or a SettingType{hint}"
        ) == str(caught.value)

    @pytest.mark.parametrize("make", [HeksherSequence, HeksherMapping, lambda inner: setting_type(Sequence[inner])])
    def test_inner_types_are_checked_too(self, make: typing.Callable[[object], object]) -> None:
        """A type that is not accepted is not accepted as the type of elements, and the message names the inner one."""
        with pytest.raises(TypeError, match=r"^list\[int\] is no type"):
            make(list[int])

    def test_optional_in_both_spellings_is_refused(self) -> None:
        """``Optional`` gets the same hint as ``| None``."""
        with pytest.raises(TypeError, match="None is none of them"):
            setting_type(typing.Optional[int])  # noqa: UP045 - the older spelling
