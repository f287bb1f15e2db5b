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
Values that come out are immutable (tuples, read-only mappings), for they are shared by all threads that read a setting.

Source: docs/reference/compatibility.md, *Types*.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from enum import Enum, Flag, IntFlag
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar, get_args, get_origin, overload

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
T_co = TypeVar("T_co", covariant=True)
KeyT = TypeVar("KeyT")
PrimitiveT = TypeVar("PrimitiveT", bound=Primitive)
EnumT = TypeVar("EnumT", bound=Enum)
FlagsT = TypeVar("FlagsT", bound=IntFlag)


class Conversion(NamedTuple, Generic[T_co]):
    """A Python value made from a JSON value.

    Attributes:
        value: the Python value.
        coercions: what was lost on the way, in words; empty if nothing was.
    """

    value: T_co
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
    def convert_from_heksher(self, value: object) -> Conversion[T]:
        """Make a Python value of a JSON value.

        Args:
            value: what ``json.loads`` gives, of any shape.

        Raises:
            TypeError: nothing of it can be used. The types of this module raise nothing else.
        """

    @abstractmethod
    def convert_to_heksher(self, value: T) -> JSON:
        """Make a JSON value of a Python value.

        Raises:
            TypeError: the value is not of this type; the message names the part that is wrong.
        """

    @property
    def value_type(self) -> ValueType:
        """The type on the wire, for code that compares types or validates JSON."""
        return parse_value_type(self.heksher_string())

    def freeze(self, value: T) -> T:
        """Check a Python value, and return it as the service would send it back: immutable, nested parts too.

        Raises:
            TypeError: the value is not of this type.
        """
        frozen, coercions = self.convert_from_heksher(self.convert_to_heksher(value))
        if coercions:  # never with a type of this module, by the first law
            raise TypeError(f"the value would not come back from the service as it is: {'; '.join(coercions)}")
        return frozen

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

    def convert_from_heksher(self, value: object) -> Conversion[PrimitiveT]:
        return Conversion(self._convert(value))

    def convert_to_heksher(self, value: PrimitiveT) -> JSON:
        return self._convert(value)

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
        enum_class: a class whose member values are strings, finite numbers, true or false. For flags see
            ``HeksherFlags``.

    Raises:
        TypeError: it is no such class.
    """

    __slots__ = ("_members", "enum_class")

    def __init__(self, enum_class: type[EnumT]) -> None:
        _check_class(enum_class, Enum)
        if issubclass(enum_class, Flag):
            raise TypeError(
                f"{enum_class.__name__} has flags, which can be combined: use HeksherFlags, with an IntFlag"
            )
        self.enum_class: type[EnumT] = enum_class
        # Looked up here, not with enum_class(value): to Python, True is the member whose value is 1, and a _missing_
        # hook may make a member of anything.
        self._members: dict[Hashable, EnumT] = {json_key(_primitive_of(member)): member for member in enum_class}
        super().__init__(EnumType(_primitive_of(member) for member in enum_class))

    def convert_from_heksher(self, value: object) -> Conversion[EnumT]:
        member = self._members.get(json_key(value)) if is_primitive(value) else None
        if member is None:
            raise TypeError("value is not a valid enum member")
        return Conversion(member)

    def convert_to_heksher(self, value: EnumT) -> JSON:
        # By identity: a member of an IntEnum equals its number, which is no member.
        if not any(value is member for member in self._members.values()):
            raise TypeError(f"expected a member of {self.enum_class.__name__}, got {describe_value(value)}")
        return _primitive_of(value)


class HeksherFlags(_StandardType[FlagsT]):
    """Any combination of the members of an ``IntFlag`` class; on the wire, an array of the names of its single bits.

    A name for several bits (``RW = R | W``), for none, or a second name for one is not in the wire type, as it adds no
    value. It is understood when it arrives all the same: a program with another Python may have declared it.

    Raises:
        TypeError: it is no such class.
    """

    __slots__ = ("_bits_by_name", "_names_by_bit", "flags_class")

    def __init__(self, flags_class: type[FlagsT]) -> None:
        _check_class(flags_class, IntFlag)
        self.flags_class: type[FlagsT] = flags_class
        self._names_by_bit: dict[int, str] = {}
        for name, member in flags_class.__members__.items():
            if member > 0 and int(member).bit_count() == 1:
                self._names_by_bit.setdefault(int(member), name)  # the first name is the canonical one
        # A member with bits that have no name of their own could not be written back, so it is as good as unknown.
        self._bits_by_name = {
            name: int(member) for name, member in flags_class.__members__.items() if not self._has_unnamed(member)
        }
        super().__init__(FlagsType(self._names_by_bit.values()))

    def convert_from_heksher(self, value: object) -> Conversion[FlagsT]:
        if not isinstance(value, list | tuple):
            raise TypeError(f"expected an array of names of flags, got {describe_value(value)}")
        bits = 0
        coercions = []
        for name in value:
            known = self._bits_by_name.get(name) if isinstance(name, str) else None
            if known is None:
                shown = name if isinstance(name, str) else describe_value(name)
                coercions.append(f"server sent a flag value not found in the python type ({shown})")
            else:
                bits |= known
        return Conversion(self._combine(bits), tuple(coercions))

    def convert_to_heksher(self, value: FlagsT) -> JSON:
        if not isinstance(value, self.flags_class):
            raise TypeError(f"expected a value of {self.flags_class.__name__}, got {describe_value(value)}")
        if self._has_unnamed(value):
            raise TypeError(f"{value!r} has bits that no member of {self.flags_class.__name__} stands for")
        return sorted(name for bit, name in self._names_by_bit.items() if int(value) & bit)

    def _combine(self, bits: int) -> FlagsT:
        try:
            return self.flags_class(bits)
        except ValueError as error:  # a _missing_ hook that knows single members only
            raise TypeError(f"{self.flags_class.__name__} cannot combine its members: {error}") from error

    def _has_unnamed(self, value: int) -> bool:
        return int(value) & ~sum(self._names_by_bit) != 0


class HeksherSequence(_StandardType[Sequence[T]]):
    """A list of values of one type; a tuple in Python.

    Args:
        element_type: whatever ``setting_type`` accepts.
    """

    __slots__ = ("element_type",)

    def __init__(self, element_type: "SettingType[T] | TypeForm[T]") -> None:
        self.element_type: SettingType[T] = setting_type(element_type)
        super().__init__(SequenceType(self.element_type.value_type))

    def convert_from_heksher(self, value: object) -> Conversion[Sequence[T]]:
        # A str is a Sequence to Python, but no array (known fault 17).
        if not isinstance(value, list | tuple):
            raise TypeError(f"expected an array, got {describe_value(value)}")
        elements, coercions = _read_elements(self.element_type, enumerate(value), "element {}", "element {}")
        return Conversion(tuple(elements.values()), coercions)

    def convert_to_heksher(self, value: Sequence[T]) -> JSON:
        if isinstance(value, str | bytes | bytearray | memoryview) or not isinstance(value, Sequence):
            raise TypeError(f"expected a sequence, such as a list or a tuple, got {describe_value(value)}")
        return [_write_element(self.element_type, f"element {index}", element) for index, element in enumerate(value)]


class HeksherMapping(_StandardType[Mapping[str, T]]):
    """Values of one type under keys that are strings; a read-only mapping in Python.

    Args:
        element_type: the type of the values: whatever ``setting_type`` accepts.
    """

    __slots__ = ("element_type",)

    def __init__(self, element_type: "SettingType[T] | TypeForm[T]") -> None:
        self.element_type: SettingType[T] = setting_type(element_type)
        super().__init__(MappingType(self.element_type.value_type))

    def convert_from_heksher(self, value: object) -> Conversion[Mapping[str, T]]:
        if not isinstance(value, Mapping):
            raise TypeError(f"expected an object, got {describe_value(value)}")
        elements, coercions = _read_elements(self.element_type, value.items(), "value for key {}", "{}")
        return Conversion(MappingProxyType(elements), coercions)

    def convert_to_heksher(self, value: Mapping[str, T]) -> JSON:
        if not isinstance(value, Mapping):
            raise TypeError(f"expected a mapping, such as a dict, got {describe_value(value)}")
        for key in value:
            if not isinstance(key, str):
                raise TypeError(f"the keys of a mapping must be strings, got {describe_value(key)}")
        return {key: _write_element(self.element_type, key, element) for key, element in value.items()}


_PRIMITIVES: dict[object, SettingType[Any]] = {
    int: HeksherPrimitive("int", "a whole number", int),
    float: HeksherPrimitive("float", "a finite number", float),
    # str(member) of a class that is both str and Enum would be its name.
    str: HeksherPrimitive("str", "a string", str.__str__),
    bool: HeksherPrimitive("bool", "true or false", bool),
}


@overload
def setting_type(python_type: SettingType[T]) -> SettingType[T]: ...
@overload
def setting_type(python_type: "TypeForm[T]") -> SettingType[T]: ...
def setting_type(python_type: Any) -> SettingType[Any]:
    """Return the setting type that stands for a Python type.

    Args:
        python_type: ``int``, ``float``, ``str``, ``bool``, a class derived from ``Enum`` or ``IntFlag``,
            ``Sequence[T]`` or ``Mapping[str, T]`` (of ``typing`` or ``collections.abc``) where T is one of all these,
            or a ``SettingType``, which is returned as it is.

    Raises:
        TypeError: it is something else; the message says what to use instead, where that is known.
    """
    if isinstance(python_type, SettingType):
        return python_type
    if isinstance(python_type, type):
        if python_type in _PRIMITIVES:
            return _PRIMITIVES[python_type]
        if issubclass(python_type, IntFlag):
            return HeksherFlags(python_type)
        if issubclass(python_type, Enum) and not issubclass(python_type, Flag):
            return HeksherEnum(python_type)
    match get_origin(python_type), get_args(python_type):
        case origin, (element_type,) if origin is Sequence:
            return HeksherSequence(element_type)
        case origin, (key_type, element_type) if origin is Mapping:
            if key_type is not str:
                raise TypeError(f"the keys of a mapping must be str, not {describe_type(key_type)}")
            return HeksherMapping(element_type)
    raise TypeError(
        f"{describe_type(python_type)} is no type that a setting can have: expected int, float, str, bool, an Enum"
        " class, an IntFlag class, Sequence[T] or Mapping[str, T] where T is one of these, or a SettingType"
        + hint_at_replacement(python_type)
    )


def _check_class(python_type: object, base: type[Enum]) -> None:
    if not isinstance(python_type, type) or not issubclass(python_type, base):
        raise TypeError(f"expected a class derived from {base.__name__}, got {describe_type(python_type)}")
    if not python_type.__members__:
        raise TypeError(f"{python_type.__name__} has no members: a setting of this type could have no value")


def _primitive_of(member: Enum) -> Primitive:
    if is_primitive(member.value):
        return member.value
    shown = describe_value(member.value)
    raise TypeError(f"{describe_value(member)} is {shown}, but must be a string, a finite number or a boolean")


def _read_elements(
    element_type: SettingType[T], items: Iterable[tuple[KeyT, object]], name_of_lost: str, name_of_kept: str
) -> tuple[dict[KeyT, T], tuple[str, ...]]:
    elements: dict[KeyT, T] = {}
    coercions: list[str] = []
    for key, value in items:
        try:
            elements[key], inner = element_type.convert_from_heksher(value)
        except Exception as error:  # noqa: BLE001 - a program's own type may fail in any way, the others are good (known fault 6)
            coercions.append(f"failed to convert {name_of_lost.format(key)}: {error!r}")
        else:
            coercions.extend(f"{name_of_kept.format(key)}: {coercion}" for coercion in inner)
    return elements, tuple(coercions)


def _write_element(element_type: SettingType[T], place: str, element: T) -> JSON:
    try:
        return element_type.convert_to_heksher(element)
    except TypeError as error:
        raise TypeError(f"{place}: {error}") from None
