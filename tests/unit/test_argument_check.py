"""Arguments of a setting that are of a wrong type."""

from typing import Any

import pytest

from heksher import ArgumentTypeError, HeksherError, Setting

ARGUMENTS: dict[str, Any] = {"name": "s", "type": int, "configurable_features": ["a"], "default_value": 0}


@pytest.mark.parametrize(
    ("argument", "value", "text"),
    [
        ("name", 5, "the name of a setting must be a str, not 5"),
        ("configurable_features", 5, "setting 's': configurable_features must be names, such as ['user'], not 5"),
        ("configurable_features", ["a", 5], "setting 's': configurable_features must be names, not 5"),
        ("metadata", ["a"], "setting 's': metadata must be a mapping, not a value of type list"),
        ("metadata", {5: "a"}, "setting 's': a key of metadata must be a str, not 5"),
        ("alias", 5, "setting 's': alias must be a str, not 5"),
        ("version", 1, "setting 's': version must be a str such as '1.0', not 1"),
        ("version", None, "setting 's': version must be a str such as '1.0', not None"),
    ],
)
def test_argument_of_a_wrong_type(argument: str, value: object, text: str) -> None:
    """The error names setting, argument and value, and is both ours and a TypeError."""
    with pytest.raises(ArgumentTypeError) as raised:
        Setting(**{**ARGUMENTS, argument: value})
    assert (text, True, True) == (
        str(raised.value),
        isinstance(raised.value, TypeError),
        isinstance(raised.value, HeksherError),
    )
