"""Results that programs read: frozen, built by keywords, and easy to turn into JSON.

Later versions can add fields to such a result, because it cannot be unpacked by position. To type checkers
they are dataclasses. At run time they are not, as ``dataclasses`` would have to be loaded, and to generate code,
whenever ``heksher`` is imported.
"""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from datetime import date, time
from enum import Enum, IntFlag
from typing import Any, ClassVar, NoReturn, Self, dataclass_transform

from heksher.setting_type import HeksherFlags
from heksher.value_type import JSON


class Frozen:
    """An object whose attributes are set once, by its constructor with ``_set``."""

    __slots__ = ()

    def _set(self, **attributes: object) -> None:
        for name, value in attributes.items():
            object.__setattr__(self, name, value)

    def __setattr__(self, name: str, _value: object) -> NoReturn:
        raise AttributeError(f"{type(self).__name__} cannot be changed: {name} cannot be set")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"{type(self).__name__} cannot be changed: {name} cannot be deleted")


@dataclass_transform(frozen_default=True, kw_only_default=True)
class Record(Frozen):
    """A frozen result whose fields are the annotated names of its class. Equal to one of its class with equal fields.

    Raises:
        TypeError: a field is missing, or unknown.
    """

    __slots__ = ()

    # In the order in which they are written.
    _names: ClassVar[tuple[str, ...]] = ()

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        cls._names = (*cls._names, *cls.__annotations__)

    def __init__(self, **fields: object) -> None:
        if wrong := fields.keys() ^ set(self._names):
            name, names = type(self).__name__, ", ".join(self._names)
            raise TypeError(f"{name} has the fields {names}; missing or unknown: {', '.join(sorted(wrong))}")
        self._set(**fields)

    def as_dict(self) -> dict[str, JSON]:
        """Return all fields in a form that ``json.dumps`` takes.

        Enum members are their values, flags the names of their members, moments ISO 8601 text, sequences lists.
        """
        return {name: to_json(value) for name, value in self._fields().items()}

    def __replace__(self, /, **changes: Any) -> Self:
        """Return a copy with some fields changed, as ``copy.replace`` of Python 3.13 does."""
        return type(self)(**{**self._fields(), **changes})

    def _fields(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self._names}

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Record) or type(other) is not type(self):
            return NotImplemented
        return self._fields() == other._fields()

    def __hash__(self) -> int:
        return hash(tuple(self._fields().values()))

    def __repr__(self) -> str:
        fields = ", ".join(f"{name}={value!r}" for name, value in self._fields().items())
        return f"{type(self).__name__}({fields})"

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild, (type(self), self._fields())


def to_json(value: object) -> JSON:
    """Return a value in a form that ``json.dumps`` takes; what has none becomes text."""
    if isinstance(value, Record):
        return value.as_dict()
    if isinstance(value, Enum):
        return _flags_to_json(value) if isinstance(value, IntFlag) else to_json(value.value)
    if isinstance(value, Mapping):
        return {str(to_json(key)): to_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple | AbstractSet):
        return [to_json(item) for item in value]
    if value is None or isinstance(value, bool | int | float | str):
        return value
    # A datetime is a date.
    return value.isoformat() if isinstance(value, date | time) else str(value)


def _flags_to_json(value: IntFlag) -> JSON:
    try:
        return HeksherFlags(type(value)).convert_to_heksher(value)
    except TypeError:
        # Some of its bits have no name.
        return int(value)


def _rebuild(record_class: type[Record], fields: dict[str, Any]) -> Record:
    return record_class(**fields)
