"""What the descriptions of classes for type checkers rely on holds when a program runs, too.

That type checkers draw the right conclusions from it is shown in ``tests/typing``.
"""

from collections.abc import Mapping, Sequence
from enum import Enum, IntEnum, IntFlag, StrEnum

import pytest

from heksher import type_argument


class Level(IntEnum):
    """Numbers that are members."""

    LOW = 1


class Word(StrEnum):
    """Strings that are members."""

    YES = "yes"


class Permission(IntFlag):
    """Numbers that are flags."""

    READ = 1


def test_only_int_takes_a_base() -> None:
    """``IntClass`` is a call that int understands, and no class derived from it."""
    assert int("ff", base=16) == 255
    for other in (bool, Level, Permission, float):
        with pytest.raises((TypeError, ValueError)):
            other("1", base=10)


def test_only_float_reads_hexadecimal_floats() -> None:
    """``FloatClass`` is a method that float has, and int does not."""
    expected = 0.5
    assert expected == float.fromhex("0x1p-1")
    assert not any(hasattr(other, "fromhex") for other in (int, bool, Level, Permission))


def test_only_str_takes_an_encoding() -> None:
    """``StrClass`` is a call that str understands; a class derived from it that is an enum does not."""
    assert str(object=b"\xc3\xa9", encoding="utf-8") == "é"
    with pytest.raises((TypeError, ValueError)):
        Word(object=b"yes", encoding="utf-8")


@pytest.mark.parametrize(("generic", "method"), [(Sequence, "__iter__"), (Sequence, "index"), (Mapping, "values")])
def test_generic_classes_have_the_methods_that_describe_them(generic: type, method: str) -> None:
    """The methods by which type checkers know a sequence and a mapping are there, in the class itself."""
    assert callable(vars(generic)[method])


def test_type_variables_are_bound_to_values_of_settings() -> None:
    """Members of enums are enums, so that a class of anything else is no type of a setting."""
    assert Enum is type_argument.EnumT.__bound__
