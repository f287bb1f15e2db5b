"""Values and types in the words of error messages."""

import math
from collections.abc import Mapping, Sequence
from enum import Enum, IntFlag

import pytest

from heksher.wording import describe_type, describe_value, hint_at_replacement, show_text


class Color(Enum):
    """An enum of a program."""

    RED = "red"


class Permission(IntFlag):
    """Flags of a program."""

    READ = 1
    WRITE = 2


class Unspeakable:
    """An object that cannot even be shown."""

    def __repr__(self) -> str:
        raise ValueError("no")


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, "None"),
        (True, "True"),
        (-1.5, "-1.5"),
        (math.nan, "nan"),
        (2**255, str(2**255)),
        (2**256, "an integer of 257 bits"),
        (-(2**256), "an integer of 257 bits"),
        ("", '""'),
        ("it's", '"it\'s"'),
        ('say "hi"\n', '"say \\"hi\\"\\n"'),
        (81 * "x", '"' + 80 * "x" + '\\u2026"'),
        (Color.RED, "Color.RED"),
        (Permission.READ | Permission.WRITE, "Permission.READ|WRITE"),
        ([1], "a value of type list"),
        ({}, "a value of type dict"),
        (Unspeakable(), "a value of type Unspeakable"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_values_are_described_in_a_few_words(value: object, shown: str) -> None:
    """A value is shown where that is short, and else described; this never fails."""
    assert shown == describe_value(value)


def test_message_with_a_string_keeps_its_single_quotes() -> None:
    """The repr of an error about a string is ``TypeError('...')``, whatever the string is."""
    assert repr(TypeError(describe_value("it's"))) == "TypeError('\"it\\'s\"')"


@pytest.mark.parametrize(
    ("python_type", "shown"),
    [
        (int, "int"),
        (Color, "Color"),
        (Sequence[int], "collections.abc.Sequence[int]"),
        (None, "None"),
        ("int", "'int'"),
    ],
)
def test_types_are_shown_by_their_names(python_type: object, shown: str) -> None:
    """A class is shown by its name, anything else as Python shows it."""
    assert shown == describe_type(python_type)


@pytest.mark.parametrize(
    ("python_type", "word"),
    [(list, "Sequence"), (dict[str, int], "Mapping"), (Mapping, "Mapping"), (int | None, "None"), ("int", "quotes")],
)
def test_replacement_is_named(python_type: object, word: str) -> None:
    """For a type that is nearly right, what to use in its place is said."""
    assert word in hint_at_replacement(python_type)


def test_no_replacement_is_made_up() -> None:
    """For a type that resembles none, nothing is said."""
    assert hint_at_replacement(object) == ""


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("many", "'many'"),
        ("user:pa55@host", "'...host'"),
        ("https://a:pa55\n@host/b?key=pa55", "'...host/b...'"),
        ("a" * 100, f"'{'a' * 79}…"),
    ],
)
def test_texts_are_shown_without_passwords(text: str, shown: str):
    """What may be one stands before the host of a URL, or after its path."""
    assert shown == show_text(text)
