"""The types of settings as Python sees them: JSON values to Python values, and back.

Theory
------
A setting type pairs a type on the wire (``value_type.py``) with a Python type, and converts in both directions:

* ``convert_to_heksher`` is strict: what it accepts is a value of the type, and nothing is lost on the way.
* ``convert_from_heksher`` is lenient where service and program may differ for good reasons (the program is older than a
  flag, or than the option of an enum in a list). It reports what it had to leave out as *coercions*; a value of which
  nothing can be used is a ``TypeError``.

Two laws hold both together, for every ``value`` of a type: ``convert_from_heksher(convert_to_heksher(value))`` is an
equal value without coercions, and the type's ``value_type`` accepts ``convert_to_heksher(value)``.
Values that come out are immutable (tuples, read-only dicts), for they are shared by all threads that read a setting.

Source: docs/reference/compatibility.md, *Types*.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, Flag, IntFlag
from typing import TYPE_CHECKING, Any, Generic, TypeVar, get_args, get_origin, overload

from heksher.exceptions import UnsupportedTypeError
from heksher.read_only_dict import ReadOnlyDict
from heksher.value_type import (
    JSON,
    EnumType,
    FlagsType,
    MappingType,
    Primitive,
    SequenceType,
    ValueType,
    is_primitive,
    json_key,
    parse_value_type,
)
from heksher.wording import describe_type, describe_value, hint_at_replacement

if TYPE_CHECKING:
    # Type checkers bring it along; a running program need not have it.
    from typing_extensions import TypeForm

T = TypeVar("T")
KeyT = TypeVar("KeyT")
PrimitiveT = TypeVar("PrimitiveT", bound=Primitive)
EnumT = TypeVar("EnumT", bound=Enum)
FlagsT = TypeVar("FlagsT", bound=IntFlag)


@dataclass(slots=True)
class Conversion(Generic[T]):
    """A Python value made from a JSON value.

    Attributes:
        value: the Python value.
        coercions: what was lost on the way, in words; empty if nothing was.
    """

    value: T
    coercions: Sequence[str] = ()


class SettingType(ABC, Generic[T]):
    """The type of a setting, whose Python values are of type ``T``. Immutable; equal to one that is written the same.

    Programs may derive types of their own, which have to implement the abstract methods.
    """

    __slots__ = ()

    @abstractmethod
    def heksher_string(self) -> str:
        """Write the type as it stands on the wire."""

    @abstractmethod
    def convert_from_heksher(self, x: object) -> Conversion[T]:
        """Make a Python value of a JSON value.

        Args:
            x: what ``json.loads`` gives, of any shape.

        Raises:
            TypeError: nothing of it can be used. The types of this module raise nothing else.
        """

    @abstractmethod
    def convert_to_heksher(self, x: T) -> JSON:
        """Make a JSON value of a Python value.

        Raises:
            TypeError: the value is not of this type; the message names the part that is wrong.
        """

    @property
    def value_type(self) -> ValueType:
        """The type on the wire, for code that compares types or validates JSON."""
        return parse_value_type(self.heksher_string())

    def __str__(self) -> str:
        return self.heksher_string()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.heksher_string()}>"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, SettingType):
            return NotImplemented
        return self.heksher_string() == other.heksher_string()

    def __hash__(self) -> int:
        return hash(self.heksher_string())


class _StandardType(SettingType[T]):
    """What the types of this module share: the wire type, and the text that it has."""

    __slots__ = ("_value_type",)

    def __init__(self, value_type: ValueType) -> None:
        self._value_type = value_type

    @property
    def value_type(self) -> ValueType:
        return self._value_type

    def heksher_string(self) -> str:
        return str(self._value_type)


class HeksherPrimitive(_StandardType[PrimitiveT]):
    """``int``, ``float``, ``str`` or ``bool``; ``setting_type`` has one object for each.

    Values of other classes become plain ones: an int given as ``2.0`` is ``2``, and a member of an ``IntEnum`` its
    number.
    """

    __slots__ = ("_make_plain", "_meaning")

    # Any: only what the wire type accepts is made plain.
    def __init__(self, name: str, meaning: str, make_plain: Callable[[Any], PrimitiveT]) -> None:
        super().__init__(parse_value_type(name))
        self._meaning = meaning
        self._make_plain = make_plain

    def convert_from_heksher(self, x: object) -> Conversion[PrimitiveT]:
        return Conversion(self._convert(x))

    def convert_to_heksher(self, x: PrimitiveT) -> JSON:
        return self._convert(x)

    def _convert(self, value: object) -> PrimitiveT:
        if not self._value_type.accepts(value):
            raise TypeError(f"expected {self} ({self._meaning}), got {describe_value(value)}")
        try:
            return self._make_plain(value)
        except OverflowError:
            raise TypeError(f"{describe_value(value)} is too large for a float") from None


class HeksherEnum(_StandardType[EnumT]):
    """One member of an enum class; on the wire, the member's value.

    Args:
        enum_type: a class whose member values are strings, finite numbers, true or false. For flags see
            ``HeksherFlags``.

    Raises:
        TypeError: it is no such class.
    """

    __slots__ = ("_members", "type_")

    def __init__(self, enum_type: type[EnumT]) -> None:
        _check_class(enum_type, Enum)
        if issubclass(enum_type, Flag):
            raise TypeError(f"{enum_type.__name__} has flags, which can be combined: use HeksherFlags, with an IntFlag")
        self.type_: type[EnumT] = enum_type
        # Looked up here, not with enum_type(x): to Python, True is the member whose value is 1, and a _missing_
        # hook may make a member of anything.
        self._members: dict[Hashable, EnumT] = {json_key(_primitive_of(member)): member for member in enum_type}
        super().__init__(EnumType(_primitive_of(member) for member in enum_type))

    def convert_from_heksher(self, x: object) -> Conversion[EnumT]:
        member = self._members.get(json_key(x)) if is_primitive(x) else None
        if member is None:
            raise TypeError("value is not a valid enum member")
        return Conversion(member)

    def convert_to_heksher(self, x: EnumT) -> JSON:
        # By identity: a member of an IntEnum equals its number, which is no member.
        if not any(x is member for member in self._members.values()):
            raise TypeError(f"expected a member of {self.type_.__name__}, got {describe_value(x)}")
        return _primitive_of(x)


class HeksherFlags(_StandardType[FlagsT]):
    """Any combination of the members of an ``IntFlag`` class; on the wire, an array of names.

    The wire type has every name in ``__members__``: those of single bits, of several (``RW = R | W``), of none, and
    second names. A value is written as the names of its single bits, in the order in which the class defines them.

    Raises:
        TypeError: it is no such class.
    """

    __slots__ = ("_bits_by_name", "_names_by_bit", "type_")

    def __init__(self, flags_type: type[FlagsT]) -> None:
        _check_class(flags_type, IntFlag)
        self.type_: type[FlagsT] = flags_type
        self._names_by_bit: dict[int, str] = {}
        for name, member in flags_type.__members__.items():
            if member > 0 and int(member).bit_count() == 1:
                self._names_by_bit.setdefault(int(member), name)  # the first name is the canonical one
        # A member with bits that have no name of their own could not be written back, so it is as good as unknown.
        self._bits_by_name = {
            name: int(member) for name, member in flags_type.__members__.items() if not self._has_unnamed(member)
        }
        super().__init__(FlagsType(flags_type.__members__))

    def convert_from_heksher(self, x: object) -> Conversion[FlagsT]:
        if not isinstance(x, list | tuple):
            raise TypeError(f"expected an array of names of flags, got {describe_value(x)}")
        bits = 0
        coercions = []
        for name in x:
            if not isinstance(name, str):
                raise TypeError(f"expected names of flags, got {describe_value(name)} among them")
            if name in self._bits_by_name:
                bits |= self._bits_by_name[name]
            else:
                coercions.append(f"server sent a flag value not found in the python type ({name})")
        return Conversion(self._combine(bits), coercions)

    def convert_to_heksher(self, x: FlagsT | int) -> JSON:
        # The number of a combination is one, as to IntFlag itself; a member of another class is not meant to be.
        if not isinstance(x, self.type_) and type(x) is not int:
            raise TypeError(f"expected a value of {self.type_.__name__}, got {describe_value(x)}")
        if self._has_unnamed(x):
            raise TypeError(f"{x!r} has bits that no member of {self.type_.__name__} stands for")
        return [name for bit, name in self._names_by_bit.items() if int(x) & bit]

    def _combine(self, bits: int) -> FlagsT:
        try:
            return self.type_(bits)
        except ValueError as error:  # a _missing_ hook that knows single members only
            raise TypeError(f"{self.type_.__name__} cannot combine its members: {error}") from error

    def _has_unnamed(self, value: int) -> bool:
        return int(value) & ~sum(self._names_by_bit) != 0


class HeksherSequence(_StandardType[Sequence[T]]):
    """A list of values of one type; a tuple in Python.

    Written is anything that can be iterated over again and again, such as a set or the keys of a dictionary, too.

    Args:
        inner: whatever ``setting_type`` accepts.
    """

    __slots__ = ("inner",)

    def __init__(self, inner: "SettingType[T] | TypeForm[T]") -> None:
        self.inner: SettingType[T] = setting_type(inner)
        super().__init__(SequenceType(self.inner.value_type))

    def convert_from_heksher(self, x: object) -> Conversion[Sequence[T]]:
        # A str is a Sequence to Python, but no array (known fault 17).
        if not isinstance(x, list | tuple):
            raise TypeError(f"expected an array, got {describe_value(x)}")
        elements, coercions = _read_elements(self.inner, enumerate(x), "element {}", "element {}")
        return Conversion(tuple(elements.values()), coercions)

    def convert_to_heksher(self, x: Iterable[T]) -> JSON:
        if isinstance(x, _NO_SEQUENCES) or not isinstance(x, Iterable):
            raise TypeError(f"expected a sequence, such as a list or a tuple, got {describe_value(x)}")
        return [_write_element(self.inner, f"element {index}", element) for index, element in enumerate(x)]


class HeksherMapping(_StandardType[Mapping[str, T]]):
    """Values of one type under keys that are strings; a read-only ``dict`` in Python.

    Args:
        inner: the type of the values: whatever ``setting_type`` accepts.
    """

    __slots__ = ("inner",)

    def __init__(self, inner: "SettingType[T] | TypeForm[T]") -> None:
        self.inner: SettingType[T] = setting_type(inner)
        super().__init__(MappingType(self.inner.value_type))

    def convert_from_heksher(self, x: object) -> Conversion[Mapping[str, T]]:
        if not isinstance(x, Mapping):
            raise TypeError(f"expected an object, got {describe_value(x)}")
        elements, coercions = _read_elements(self.inner, x.items(), "value for key {}", "{}")
        return Conversion(ReadOnlyDict(elements), coercions)

    def convert_to_heksher(self, x: Mapping[str, T]) -> JSON:
        if not isinstance(x, Mapping):
            raise TypeError(f"expected a mapping, such as a dict, got {describe_value(x)}")
        for key in x:
            if not isinstance(key, str):
                raise TypeError(f"the keys of a mapping must be strings, got {describe_value(key)}")
        return {key: _write_element(self.inner, key, element) for key, element in x.items()}


# Iterable, but no list of values: texts, and what can be read only once.
_NO_SEQUENCES = (str, bytes, bytearray, memoryview, Mapping, Iterator)

_PRIMITIVES: dict[object, SettingType[Any]] = {
    int: HeksherPrimitive("int", "a whole number", int),
    float: HeksherPrimitive("float", "a finite number", float),
    # str(member) of a class that is both str and Enum would be its name.
    str: HeksherPrimitive("str", "a string", str.__str__),
    bool: HeksherPrimitive("bool", "true or false", bool),
}


@overload
def setting_type(arg: SettingType[T]) -> SettingType[T]: ...
@overload
def setting_type(arg: "TypeForm[T]") -> SettingType[T]: ...
def setting_type(arg: Any) -> SettingType[Any]:
    """Return the setting type that stands for a Python type.

    Args:
        arg: ``int``, ``float``, ``str``, ``bool``, a class derived from ``Enum`` or ``IntFlag``,
            ``Sequence[T]`` or ``Mapping[str, T]`` (of ``typing`` or ``collections.abc``) where T is one of all these,
            or a ``SettingType``, which is returned as it is.

    Raises:
        UnsupportedTypeError: (a ``TypeError``, and a ``RuntimeError``) it is something else; the message says what to
            use instead, where that is known.
        TypeError: a mapping whose keys are not ``str``, or an enum class whose values JSON has no primitives for.
    """
    if isinstance(arg, SettingType):
        return arg
    if isinstance(arg, type):
        if arg in _PRIMITIVES:
            return _PRIMITIVES[arg]
        if issubclass(arg, IntFlag):
            return HeksherFlags(arg)
        if issubclass(arg, Enum) and not issubclass(arg, Flag):
            return HeksherEnum(arg)
    match get_origin(arg), get_args(arg):
        case origin, (element_type,) if origin is Sequence:
            return HeksherSequence(element_type)
        case origin, (key_type, element_type) if origin is Mapping:
            if key_type is not str:
                raise TypeError(f"the keys of a mapping must be str, not {describe_type(key_type)}")
            return HeksherMapping(element_type)
    raise UnsupportedTypeError(
        f"{describe_type(arg)} is no type that a setting can have: expected int, float, str, bool, an Enum"
        " class, an IntFlag class, Sequence[T] or Mapping[str, T] where T is one of these, or a SettingType"
        + hint_at_replacement(arg)
    )


def _check_class(python_type: object, base: type[Enum]) -> None:
    if not isinstance(python_type, type) or not issubclass(python_type, base):
        raise TypeError(f"expected a class derived from {base.__name__}, got {describe_type(python_type)}")


def _primitive_of(member: Enum) -> Primitive:
    if is_primitive(member.value):
        return member.value
    shown = describe_value(member.value)
    raise TypeError(f"{describe_value(member)} is {shown}, but must be a string, a finite number or a boolean")


def _read_elements(
    inner: SettingType[T], items: Iterable[tuple[KeyT, object]], name_of_lost: str, name_of_kept: str
) -> tuple[dict[KeyT, T], list[str]]:
    elements: dict[KeyT, T] = {}
    coercions: list[str] = []
    for key, value in items:
        try:
            conversion = inner.convert_from_heksher(value)
        except Exception as error:  # noqa: BLE001 - a program's own type may fail in any way, the others are good (known fault 6)
            coercions.append(f"failed to convert {name_of_lost.format(key)}: {error!r}")
        else:
            elements[key] = conversion.value
            coercions.extend(f"{name_of_kept.format(key)}: {coercion}" for coercion in conversion.coercions)
    return elements, coercions


def _write_element(inner: SettingType[T], place: str, element: T) -> JSON:
    try:
        return inner.convert_to_heksher(element)
    except TypeError as error:
        raise TypeError(f"{place}: {error}") from None
