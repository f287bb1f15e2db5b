"""The types of setting values as they stand on the wire: parse, print, validate, and the subtype order.

Theory
------
A type is a set of JSON values. Five forms exist::

    primitive   int | float | str | bool
    options     Enum["a",1,true] (one of them) | Flags["a","b"] (an array of some of them, without repeats)
    generic     Sequence<T> (arrays of T) | Mapping<T> (objects of T)

Two types are equal when they are written the same in canonical form, where options are compared as JSON: ``1`` is
``1.0`` and ``1`` is not ``true``. ``is_subtype`` is a partial order, and a value of a subtype is a value of its
supertypes.

Source: docs/reference/compatibility.md, *Types*.
"""

import json
import math
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from typing import Final, TypeAlias, TypeGuard

from heksher.exceptions import InvalidTypeError

JSON: TypeAlias = "bool | int | float | str | Sequence[JSON] | Mapping[str, JSON] | None"
Primitive: TypeAlias = bool | int | float | str

# Each level of Sequence<...> or Mapping<...> is a level of recursion when a value is validated. Nobody nests settings
# this deep; without a bound, one hostile declaration exhausts the stack (known fault 44).
MAX_NESTING = 32
MAX_TYPE_CHARACTERS = 100_000

_OPTIONS_PATTERN: Final = r"(?s:(Enum|Flags)\s*(\[.*\]))"
_GENERIC_PATTERN: Final = r"(?s:(Sequence|Mapping)\s*<(.*)>)"
# That of JSON, which may stand around the options anyway.
_WHITE_SPACE: Final = " \t\n\r"


class ValueType(ABC):
    """A type of setting values. Immutable and hashable; ``str()`` is its canonical text."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    @abstractmethod
    def accepts(self, value: object) -> bool:
        """Return whether a JSON value is one of this type's values."""

    def is_subtype(self, other: "ValueType") -> bool:
        """Return whether this type is ``other`` or comes before it in the subtype order."""
        return self == other

    def __str__(self) -> str:
        return self._text

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._text}>"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ValueType):
            return NotImplemented
        return self._text == other._text

    def __hash__(self) -> int:
        return hash(self._text)


class PrimitiveType(ValueType):
    """``int``, ``float``, ``str`` or ``bool``."""

    __slots__ = ()

    def accepts(self, value: object) -> bool:
        return _PRIMITIVE_CHECKS[self._text](value)

    def is_subtype(self, other: ValueType) -> bool:
        return self == other or (self._text == "int" and other == _PRIMITIVES["float"])


class OptionsType(ValueType):
    """What ``Enum`` and ``Flags`` share: a set of primitives that values are made of."""

    __slots__ = ("_keys", "options")

    def __init__(self, keyword: str, options: Iterable[Primitive]) -> None:
        distinct = {json_key(option): option for option in options}
        self.options: tuple[Primitive, ...] = tuple(sorted(distinct.values(), key=_write_option))
        self._keys = frozenset(distinct)
        super().__init__(f"{keyword}[{','.join(map(_write_option, self.options))}]")

    def has_option(self, value: object) -> bool:
        """Return whether a JSON value is one of the options."""
        return is_primitive(value) and json_key(value) in self._keys

    def is_subtype(self, other: ValueType) -> bool:
        return isinstance(other, OptionsType) and type(self) is type(other) and self._keys <= other._keys


class EnumType(OptionsType):
    """``Enum[...]``: one of the options."""

    __slots__ = ()

    def __init__(self, options: Iterable[Primitive]) -> None:
        super().__init__("Enum", options)

    def accepts(self, value: object) -> bool:
        return self.has_option(value)


class FlagsType(OptionsType):
    """``Flags[...]``: an array of some of the options, without repeats."""

    __slots__ = ()

    def __init__(self, options: Iterable[Primitive]) -> None:
        super().__init__("Flags", options)

    def accepts(self, value: object) -> bool:
        if not isinstance(value, list | tuple) or not all(self.has_option(element) for element in value):
            return False
        return len({json_key(element) for element in value}) == len(value)


class GenericType(ValueType):
    """What ``Sequence`` and ``Mapping`` share: the type of their elements."""

    __slots__ = ("element",)

    def __init__(self, keyword: str, element: ValueType) -> None:
        self.element: ValueType = element
        super().__init__(f"{keyword}<{element}>")

    def is_subtype(self, other: ValueType) -> bool:
        return isinstance(other, GenericType) and type(self) is type(other) and self.element.is_subtype(other.element)


class SequenceType(GenericType):
    """``Sequence<T>``: an array of T."""

    __slots__ = ()

    def __init__(self, element: ValueType) -> None:
        super().__init__("Sequence", element)

    def accepts(self, value: object) -> bool:
        return isinstance(value, list | tuple) and all(self.element.accepts(element) for element in value)


class MappingType(GenericType):
    """``Mapping<T>``: an object whose values are T."""

    __slots__ = ()

    def __init__(self, element: ValueType) -> None:
        super().__init__("Mapping", element)

    def accepts(self, value: object) -> bool:
        return isinstance(value, Mapping) and all(
            isinstance(key, str) and self.element.accepts(element) for key, element in value.items()
        )


def parse_value_type(text: str) -> ValueType:
    """Read a type as it stands on the wire.

    Args:
        text: such as ``Sequence<Enum["a",1]>``. White space is allowed between a name and its bracket, and inside the
            brackets, nowhere else.

    Raises:
        InvalidTypeError: the text is no type; the message quotes the part that is wrong.

    Source: docs/reference/compatibility.md, *Types*.
    """
    _check_length(text)
    wrappers: list[str] = []
    while generic := re.fullmatch(_GENERIC_PATTERN, text):
        wrappers.append(generic[1])
        if len(wrappers) > MAX_NESTING:
            raise InvalidTypeError(f"the type is nested too deep: at most {MAX_NESTING} levels of Sequence and Mapping")
        text = generic[2].strip(_WHITE_SPACE)
    parsed = _parse_innermost(text)
    for keyword in reversed(wrappers):
        parsed = SequenceType(parsed) if keyword == "Sequence" else MappingType(parsed)
    # The canonical text can be the longer one (1e300, or letters that JSON writes as \uXXXX). What has been accepted
    # must be readable again from its canonical text.
    _check_length(str(parsed))
    return parsed


def _check_length(text: str) -> None:
    if len(text) > MAX_TYPE_CHARACTERS:
        raise InvalidTypeError(
            f"a type of {len(text)} characters is too long: at most {MAX_TYPE_CHARACTERS} are allowed"
        )


def _parse_innermost(text: str) -> ValueType:
    if text in _PRIMITIVES:
        return _PRIMITIVES[text]
    if match := re.fullmatch(_OPTIONS_PATTERN, text):
        options = _parse_options(match[2])
        if match[1] == "Flags":
            return FlagsType(options)
        if options:
            return EnumType(options)
        raise InvalidTypeError("Enum[] has no values: an Enum needs at least one option")
    raise InvalidTypeError(
        f"{shorten(text)!r} is not a type:"
        " expected int, float, str, bool, Enum[...], Flags[...], Sequence<...> or Mapping<...>"
    )


def _parse_options(array: str) -> list[Primitive]:
    try:
        options = json.loads(array)
    except (ValueError, RecursionError) as error:
        raise InvalidTypeError(f"the options {shorten(array)} are not a JSON array: {error}") from None
    for option in options:
        if not is_primitive(option):
            raise InvalidTypeError(
                f"{shorten(repr(option))} is not an option: options are strings, finite numbers, true or false"
            )
    return list(options)


def is_int(value: object) -> bool:
    """Return whether a JSON value is a whole number: ``2.0`` is one, ``true`` is not."""
    return (isinstance(value, int) and not isinstance(value, bool)) or (isinstance(value, float) and value.is_integer())


def is_float(value: object) -> bool:
    """Return whether a JSON value is a finite number: ``2`` is one, ``true`` is not."""
    if isinstance(value, float):
        return math.isfinite(value)
    return isinstance(value, int) and not isinstance(value, bool)


def is_primitive(value: object) -> TypeGuard[Primitive]:
    """Return whether a JSON value is a string, a finite number, true or false."""
    return isinstance(value, str | bool) or is_float(value)


def json_key(value: object) -> Hashable:
    """Return a key that two JSON values share exactly when they are equal as JSON.

    Python's own equality will not do: to it ``1 == True``, and lists cannot be hashed.
    """
    if isinstance(value, bool) or value is None:
        return (type(value), value)
    if isinstance(value, list | tuple):
        return (list, tuple(json_key(element) for element in value))
    if isinstance(value, Mapping):
        return (dict, frozenset((key, json_key(element)) for key, element in value.items()))
    return value


def is_written_same(value: JSON, other: JSON) -> bool:
    """Return whether JSON values that are equal to Python are written the same: ``1`` is not ``1.0`` nor ``true``."""
    if type(value) is not type(other):
        return False
    if isinstance(value, Mapping) and isinstance(other, Mapping):
        return all(is_written_same(element, other[key]) for key, element in value.items())
    if isinstance(value, list) and isinstance(other, list):
        return all(map(is_written_same, value, other))
    return True


def shorten(text: str, max_characters: int = 80) -> str:
    """Cut a text of unknown length to one that fits an error message."""
    return text if len(text) <= max_characters else f"{text[:max_characters]}…"


def _write_option(option: Primitive) -> str:
    # 1, 1.0 and 1e0 are one number, and so are 1e16 and 10000000000000000: whole numbers are written in digits alone,
    # so that equal types have one canonical text.
    if isinstance(option, float) and option.is_integer():
        return str(int(option))
    return json.dumps(option)


_PRIMITIVES: dict[str, ValueType] = {name: PrimitiveType(name) for name in ("int", "float", "str", "bool")}
_PRIMITIVE_CHECKS: dict[str, Callable[[object], bool]] = {
    "int": is_int,
    "float": is_float,
    "str": lambda value: isinstance(value, str),
    "bool": lambda value: isinstance(value, bool),
}
