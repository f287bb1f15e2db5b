"""Which texts are values of context features, why others are none, and how values are written in filters."""

import pytest

from heksher.context_value import (
    find_listed_fault,
    find_value_fault,
    is_plain_value,
    read_value,
    write_value,
)

VALUES = [
    "a",
    "0",
    "x" * 256,
    "é" * 256,
    "alice@example.com",
    "eu-west-1",
    "acme.com",
    "café",
    "6ba7b810-9dad-11d1-80b4-00c04fd430c8",
    "two words",
    "non\u00a0breaking",
    "zero\u200dwidth",
    "a*",
    "none",
    "<None>",
    "a,b",
    "a:(b)",
    '"quoted"',
    "back\\slash",
    "'",
    "💩",
    "\ue000",
    "\ufeffa",
    "null",
    "true",
]


@pytest.mark.parametrize("text", VALUES)
def test_values(text: str) -> None:
    """Any text in the normal form NFC, of 1 to 256 characters in one line, is a value."""
    assert (None, None) == (find_value_fault(text), find_listed_fault(text))


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "it is empty"),
        ("é" * 257, "it has 257 characters, and 256 are allowed"),
        ("*", "it begins with *, which stands for every value"),
        ("*mia", "it begins with *, which stands for every value"),
        ("<none>", "it stands for no value"),
        ("a\nb", "it has a control character, U+000A"),
        ("a\n", "it has a control character, U+000A"),
        ("\x00", "it has a control character, U+0000"),
        ("\x7f", "it has a control character, U+007F"),
        ("\x85", "it has a control character, U+0085"),
        ("a\u2028b", "it has a line separator, U+2028"),
        ("a\u2029b", "it has a paragraph separator, U+2029"),
        ("a\ud800", "it has half a surrogate pair, U+D800"),
        (" a", "it begins or ends with white space"),
        ("a ", "it begins or ends with white space"),
        ("a\u3000", "it begins or ends with white space"),
        ("\u00a0", "it begins or ends with white space"),
        (
            "cafe\u0301",
            "it is not in the normal form NFC of Unicode: send what unicodedata.normalize('NFC', text) gives",
        ),
    ],
)
def test_what_is_no_value(text: str, fault: str) -> None:
    """Of any other text it is said why it is none."""
    assert fault == find_value_fault(text)


@pytest.mark.parametrize("text", ["*", "x" * 257, "x" * 10_000])
def test_what_a_filter_lists_besides(text: str) -> None:
    """Plain values of any length, as existing clients send them, and a star, which inside a list is that text."""
    assert None is find_listed_fault(text)
    assert None is not find_value_fault(text)


@pytest.mark.parametrize("text", ["", "*mia", "<none>", " a", "é" * 257, "cafe\u0301"])
def test_what_no_filter_lists(text: str) -> None:
    """Every other text that no rule can have is refused: what was meant by it would never be found."""
    assert find_value_fault(text) == find_listed_fault(text)


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("guest", "guest"),
        ("Z9_", "Z9_"),
        ("a@b", '"a@b"'),
        ("café", '"café"'),
        ('a"b', r'"a\"b"'),
        ("a\\b", r'"a\\b"'),
        ("*", '"*"'),
    ],
)
def test_values_as_they_are_written(value: str, written: str) -> None:
    """Plain ones as they are, others as JSON strings; reading undoes writing."""
    assert (written, value) == (write_value(value), read_value(written))


def test_a_plain_value_may_be_quoted() -> None:
    """It is the same value."""
    assert ["x", "x"] == [read_value('"x"'), read_value(r'"\u0078"')]


@pytest.mark.parametrize("text", ["", "a-b", "é", "a\n", "\u0663", "*"])
def test_what_is_not_plain(text: str) -> None:
    """Only ASCII letters, digits and underscores are."""
    assert not is_plain_value(text)
