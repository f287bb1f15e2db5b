"""JSON as the text that storages keep.

The text is ASCII with escapes for everything else, so characters that no database column accepts (U+0000, lone
surrogates) survive. Integers of any size stay exact, and ``1`` and ``1.0`` stay different.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Final

from heksher.server.storage.storage_errors import ContractError, StorageCorruptError
from heksher.value_type import JSON, shorten


def encode_json(value: JSON) -> str:
    """Return a JSON value as text.

    Raises:
        ContractError: the value is not JSON (NaN, an infinity, another type), or is nested too deeply to be written.
    """
    try:
        return _ENCODER.encode(value)
    except (TypeError, ValueError, RecursionError) as error:
        raise ContractError(f"a value cannot be stored as JSON: {error}") from error


def decode_json(text: str) -> JSON:
    """Return the JSON value of a text.

    Raises:
        StorageCorruptError: the text is not JSON.
    """
    value: JSON
    try:
        # Takes half the time of json.loads, and a start reads hundreds of thousands of values.
        value, end = _DECODER.raw_decode(text)
        return value if end == len(text) else json.loads(text)
    except (ValueError, RecursionError) as error:
        raise StorageCorruptError(f"the storage holds {shorten(text)!r} where JSON is expected: {error}") from error


def decode_json_object(text: str) -> dict[str, JSON]:
    """Return the JSON object of a text.

    Raises:
        StorageCorruptError: the text is not a JSON object.
    """
    value = decode_json(text)
    if not isinstance(value, dict):
        raise StorageCorruptError(f"the storage holds {shorten(text)!r} where a JSON object is expected")
    return value


def is_storable(name: str) -> bool:
    """Return whether a database can hold a text as it is, not as JSON.

    No stored name has such characters, and a driver refuses to ask for one: lone surrogates cannot be encoded, and
    PostgreSQL's texts end at U+0000.
    """
    return "\0" not in name and not any("\ud800" <= character <= "\udfff" for character in name)


def _make_plain(value: object) -> object:
    # json itself accepts only dict, list and tuple.
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, Sequence):
        return list(value)
    raise TypeError(f"{type(value).__name__} is no JSON type")


_DECODER: Final = json.JSONDecoder()
_ENCODER: Final = json.JSONEncoder(allow_nan=False, separators=(",", ":"), default=_make_plain)
