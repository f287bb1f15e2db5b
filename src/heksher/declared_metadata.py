"""The metadata of a setting as JSON, which the service keeps: programs write dates, enum members and the like in it.

Source: docs/reference/compatibility.md, *Setting*.
"""

import dataclasses
from collections.abc import Mapping
from enum import Enum

from heksher.value_type import JSON, is_primitive
from heksher.wording import describe_value


def write_metadata(value: object) -> JSON:
    """Return metadata, or a part of it, as JSON.

    Dates and times become ISO 8601 text, a UUID its text, an enum member its value, and a dataclass an object.

    Raises:
        TypeError: there is something else in it; the message says what.
        RecursionError: it is nested too deep, perhaps in itself.
    """
    if isinstance(value, Enum):
        return write_metadata(value.value)
    if value is None or is_primitive(value):
        return value
    if isinstance(value, Mapping):
        return {_check_key(key): write_metadata(element) for key, element in value.items()}
    if isinstance(value, list | tuple):
        return [write_metadata(element) for element in value]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: write_metadata(getattr(value, field.name)) for field in dataclasses.fields(value)}
    return _write_text(value)


def _check_key(key: object) -> str:
    if not isinstance(key, str):
        raise TypeError(f"the keys of metadata must be strings, got {describe_value(key)}")
    return key


def _write_text(value: object) -> str:
    # Importing them for all programs would cost more than most of this package.
    from datetime import date, time  # noqa: PLC0415 - see above
    from uuid import UUID  # noqa: PLC0415 - see above

    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, UUID):
        return str(value)
    raise TypeError(f"metadata is JSON, dates, times, UUIDs, enum members and dataclasses, got {describe_value(value)}")
