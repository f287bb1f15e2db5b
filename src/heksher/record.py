"""Results that programs read, in a form that ``json.dumps`` takes.

Such a result is a frozen dataclass that is built by keywords: later versions can add fields, because nobody takes it
apart by position.
"""

import dataclasses
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from enum import Enum, IntFlag

from heksher.setting_type import HeksherFlags
from heksher.value_type import JSON


class Record:
    """The base of a result. Its class is a ``dataclass(frozen=True, kw_only=True, slots=True)``."""

    __slots__ = ()

    def as_dict(self) -> dict[str, JSON]:
        """Return all fields in a form that ``json.dumps`` takes.

        Enum members are their values, flags the names of their members, moments ISO 8601 text, sequences lists.
        """
        # Each subclass is a dataclass, which a type checker cannot know of this one.
        fields = dataclasses.fields(self)  # type: ignore[arg-type]
        return {field.name: to_json(getattr(self, field.name)) for field in fields}


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
    # Dates and times, without importing their module for that.
    return str(value.isoformat()) if hasattr(value, "isoformat") else str(value)


def _flags_to_json(value: IntFlag) -> JSON:
    try:
        return HeksherFlags(type(value)).convert_to_heksher(value)
    except TypeError:
        # Some of its bits have no name.
        return int(value)
