"""Values and types in words, for error messages.

``repr()`` will not do for a value from elsewhere: it fails on integers of thousands of digits, and can be megabytes
long.
"""

import json
import re
from collections.abc import Collection, Mapping
from enum import Enum, Flag
from types import UnionType
from typing import ForwardRef, Union, get_origin

from heksher.value_type import shorten

# Longer integers are described by their length.
_MAX_SHOWN_BITS = 256

# What may stand before the host of a URL, and after its path.
_HIDDEN_PATTERN = r"(?s:.*@|[?#].*)"

# In the order in which they are tried: a str is a Collection, too.
_REPLACEMENTS = (
    (Flag, "derive the class from IntFlag"),
    (str, "use str"),
    (Mapping, "use Mapping[str, T], such as Mapping[str, int]"),
    (Collection, "use Sequence[T], such as Sequence[int]"),
)


def describe_value(value: object) -> str:
    """Show a value, whatever it is, in a few words.

    Strings stand in double quotes, so that a message with one is in single quotes when it is itself shown with repr().
    """
    if isinstance(value, Enum):
        return f"{type(value).__name__}.{value.name}"
    if isinstance(value, str):
        return json.dumps(shorten(value))
    if isinstance(value, int) and value.bit_length() > _MAX_SHOWN_BITS:
        return f"an integer of {value.bit_length()} bits"
    if value is None or isinstance(value, int | float):
        return repr(value)
    return f"a value of type {type(value).__name__}"


def show_value(value: object) -> str:
    """Show a value as Python does, shortened; by its type where that fails, as a program's own class may have it."""
    try:
        return shorten(repr(value))
    except Exception:  # noqa: BLE001 - see above
        return describe_value(value)


def show_text(text: str) -> str:
    """Show a text that is no valid value, shortened, and without what may be a password, if it is a URL."""
    return shorten(repr(hide_secrets(text)))


def hide_secrets(text: str) -> str:
    """Return a text without what may be a password, if it is a URL."""
    return re.sub(_HIDDEN_PATTERN, "...", text)


def describe_type(python_type: object) -> str:
    """Show what stands where a type is expected: a class by its name, anything else as Python shows it."""
    return python_type.__name__ if isinstance(python_type, type) else shorten(repr(python_type))


def hint_at_replacement(python_type: object) -> str:
    """Say what to use in place of a type that no setting can have; empty where nothing better is known."""
    origin = get_origin(python_type) or python_type
    if origin is Union or origin is UnionType:
        return ". A setting has values of one type, and None is none of them: let its default stand for no value"
    if isinstance(origin, str | ForwardRef):
        return ". A type in quotes is not looked up: give the type itself"
    if isinstance(origin, type):
        return next((f"; {hint}" for wrong, hint in _REPLACEMENTS if issubclass(origin, wrong)), "")
    return ""
