"""What the options of the service can be."""

import pytest

from heksher.server.errors import StartupError
from heksher.server.option_kind import Choice, FeatureNames, Number, OptionKind, OptionValue, Text, Truth

BOUNDED = Number("port", least=1, most=10)
OR_NONE = Number("number of bytes", least=5, most=10, is_zero_valid=True)


@pytest.mark.parametrize(
    ("kind", "text", "expected"),
    [
        (Text("PATH"), " a ", " a "),
        (Number("port"), "0", 0),
        (Number("port"), "007", 7),
        (BOUNDED, "1", 1),
        (BOUNDED, "10", 10),
        (OR_NONE, "0", 0),
        (OR_NONE, "5", 5),
        (Truth(), "YES", True),
        (Truth(), "0", False),
        (Choice(("a", "b")), "b", "b"),
        (FeatureNames(), "a;b", ("a", "b")),
    ],
)
def test_a_text_is_read(kind: OptionKind, text: str, expected: OptionValue):
    """As its kind says."""
    value = kind.read("HEKSHER_X", text)
    assert (type(expected), expected) == (type(value), value)


@pytest.mark.parametrize(
    ("kind", "text", "message"),
    [
        (Text("PATH"), "", "HEKSHER_X: '' is empty; leave it out for the default"),
        (Text("PATH"), " \t", "HEKSHER_X: ' \\t' is empty; leave it out for the default"),
        (Number("port"), "-1", "HEKSHER_X: '-1' is no port"),
        (Number("port"), "1" * 16, f"HEKSHER_X: '{'1' * 16}' is no port"),
        (BOUNDED, "0", "HEKSHER_X: the port must be from 1 to 10, not 0"),
        (BOUNDED, "11", "HEKSHER_X: the port must be from 1 to 10, not 11"),
        (OR_NONE, "4", "HEKSHER_X: the number of bytes must be 0, or from 5 to 10, not 4"),
        (Number("port", least=1), "0", "HEKSHER_X: the port must be from 1 on, not 0"),
        (Truth(), "maybe", "HEKSHER_X: 'maybe' is neither true nor false"),
        (Choice(("a", "b")), "A", "HEKSHER_X: 'A' is none of a, b"),
        (FeatureNames(), "a;a", "HEKSHER_X: the context feature 'a' stands twice"),
    ],
)
def test_a_text_that_makes_no_sense_is_refused(kind: OptionKind, text: str, message: str):
    """The message says where it stands, and what it should be."""
    with pytest.raises(StartupError) as raised:
        kind.read("HEKSHER_X", text)
    assert message == str(raised.value)


def test_features_are_written_in_another_way_on_the_command_line():
    """With commas, which a shell leaves alone; everything else is written in the same way."""
    assert ("a", "b") == FeatureNames().read_argument("--x", "a,b")
    assert "b" == Choice(("a", "b")).read_argument("--x", "b")
