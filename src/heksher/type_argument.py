"""What type checkers know of the argument ``type`` of a setting: which objects it can be, and what they imply.

For type checkers only; the program itself never needs it.

Theory
------
``type[T]`` and ``TypeForm[T]`` are covariant: ``int`` is a ``type[float]`` as well, and ``Sequence[int]`` a
``type[Sequence[object]]``. Were a parameter ``type: type[T]`` and the next one ``default_value: T``, a wrong default
would not be an error: it would make ``T`` wide enough for both.

So ``T`` has to follow from ``type`` alone. It does where a class is described by a method that it holds, taken from the
class and not from an object: ``Sequence[int].__iter__`` is a function from ``Sequence[int]`` to ``Iterator[int]``; its
result says that ``T`` is at least ``int``, its parameter that it is at most ``int``. The primitives are told apart by a
call, or a method, that only one of them has.

An enum class has no such method, so that a member of another enum class passes for a default. The setting itself
refuses it as soon as it is created.

Source: tests/typing, which shows it for mypy and pyright.
"""

from collections.abc import Iterator, Mapping, Sequence, ValuesView
from enum import Enum
from typing import Protocol, TypeAlias, TypeVar

Value: TypeAlias = "bool | int | float | str | Enum | Sequence[Value] | Mapping[str, Value]"

EnumT = TypeVar("EnumT", bound=Enum)
ElementT = TypeVar("ElementT", bound="bool | int | float | str | Enum | Sequence[Value] | Mapping[str, Value]")

BoolClass: TypeAlias = type[bool]
EnumClass: TypeAlias = type[EnumT]


class IntClass(Protocol):
    """``int``: not ``bool`` nor an ``IntEnum``, which take no base."""

    def __call__(self, text: str, /, base: int) -> int: ...


class FloatClass(Protocol):
    """``float``: not ``int``, which cannot read hexadecimal floats."""

    def fromhex(self, text: str, /) -> float: ...


class StrClass(Protocol):
    """``str``: not a ``StrEnum``, which takes no encoding."""

    def __call__(self, object: bytes, encoding: str) -> str: ...  # noqa: A002 - the name of the parameter of str


class SequenceClass(Protocol[ElementT]):
    """``Sequence[ElementT]``: not ``str``, ``list`` or ``tuple``, whose methods are for themselves only."""

    def __iter__(self, sequence: Sequence[ElementT], /) -> Iterator[ElementT]: ...

    # Mapping has an __iter__ that would pass, but no index.
    def index(self, sequence: Sequence[ElementT], element: ElementT, /) -> int: ...


class MappingClass(Protocol[ElementT]):
    """``Mapping[str, ElementT]``: not ``dict``, whose methods are for itself only."""

    def values(self, mapping: Mapping[str, ElementT], /) -> ValuesView[ElementT]: ...
