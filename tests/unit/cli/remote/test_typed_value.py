"""Values as arguments."""

import pytest

from heksher.cli.remote.exit_status import CommandError
from heksher.cli.remote.typed_value import read_typed_value


@pytest.mark.parametrize(
    ("text", "type_text", "expected"),
    [
        ("10", "int", 10),
        ("10", "str", "10"),
        ('"10"', "str", "10"),
        ("dark", "str", "dark"),
        ("", "str", ""),
        ("true", "bool", True),
        ("true", "str", "true"),
        ("dark", 'Enum["dark","light"]', "dark"),
        ("1", "Enum[1,2]", 1),
        ("1.5", "float", 1.5),
        ('["a"]', "Sequence<str>", ["a"]),
        ('{"a": [1]}', "Mapping<Sequence<int>>", {"a": [1]}),
    ],
)
def test_a_value_is_json_or_a_text(text: str, type_text: str, expected: object):
    """By what the setting can have."""
    assert expected == read_typed_value(text, "s", type_text)


@pytest.mark.parametrize(
    ("text", "type_text"),
    [("a", "int"), ("1.5", "int"), ('{"a": 1', "Mapping<int>"), ("[" * 100_000, "int"), ("True", "bool")],
)
def test_what_is_no_value_is_named(text: str, type_text: str):
    """With the type."""
    with pytest.raises(CommandError, match=f"is no value of setting 's', whose type is {type_text}: write it as JSON"):
        read_typed_value(text, "s", type_text)
