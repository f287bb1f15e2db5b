"""The fields of a logged change as the text that the SQL storage keeps.

Usually the text is a JSON object with all fields. If a value is long, it is an array of two objects instead: the fields
with short values, and for each of the other fields the digest of its value. So a long value that many changes share is
stored once.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, cast

from heksher.server.storage.json_text import decode_json, encode_json
from heksher.server.storage.records import Fields
from heksher.server.storage.storage_errors import StorageCorruptError
from heksher.value_type import JSON, shorten

# A value whose JSON is longer than this many bytes is stored separately.
MAX_INLINE_BYTES: Final = 4096


def write_fields(fields: Fields | None, long_values: dict[str, str]) -> str | None:
    """Return fields as text; ``None`` stays ``None``.

    Args:
        fields: the fields of one side of a change.
        long_values: receives the texts of long values, by their digests.

    Raises:
        ContractError: a value is not JSON.
    """
    if fields is None:
        return None
    short, digests = [], {}
    for name, value in fields.items():
        text = encode_json(value)
        if len(text) <= MAX_INLINE_BYTES:
            short.append(f"{encode_json(name)}:{text}")
        else:
            digest = hashlib.sha256(text.encode()).hexdigest()
            long_values[digest], digests[name] = text, digest
    inline = f"{{{','.join(short)}}}"
    return f"[{inline},{encode_json(digests)}]" if digests else inline


def list_digests(texts: Iterable[str | None]) -> set[str]:
    """Return the digests of the long values that the texts refer to."""
    return {digest for text in texts if text is not None and text[:1] == "[" for digest in _split(text)[1].values()}


def cut(weights: Sequence[Mapping[str, int]], most: int | None) -> int:
    """Return how many of some items there are before the one with which their weight would be above a bound.

    Args:
        weights: for each item the weights of what it has, by what that is; what several have counts once.
        most: the bound; ``None`` for none. The first item may be above it.
    """
    if most is None:
        return len(weights)
    counted: set[str] = set()
    total = 0
    for number, weight in enumerate(weights):
        total += sum(size for key, size in weight.items() if key not in counted)
        counted |= weight.keys()
        if number and total > most:
            return number
    return len(weights)


def read_fields(text: str | None, long_values: Mapping[str, str]) -> Fields | None:
    """Return the fields of a text.

    Args:
        text: the text as stored.
        long_values: the texts of long values, by their digests.

    Raises:
        StorageCorruptError: the text is malformed, or a value is missing.
    """
    if text is None:
        return None
    fields, digests = _split(text)
    for name, digest in digests.items():
        if digest not in long_values:
            raise StorageCorruptError(f"the change log lacks the value {digest} of {shorten(repr(name))}")
        fields[name] = decode_json(long_values[digest])
    return fields


def _split(text: str) -> tuple[dict[str, JSON], dict[str, str]]:
    content = decode_json(text)
    if isinstance(content, dict):
        return content, {}
    match content:
        case [dict() as fields, dict() as digests]:
            return fields, cast("dict[str, str]", digests)
    raise StorageCorruptError(f"the change log holds {shorten(text)!r} where the fields of a change are expected")
