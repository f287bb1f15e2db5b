"""JSON as the service sends it: UTF-8 without spaces, written by the standard library, so numbers keep every digit."""

import json
from typing import Final

from heksher.value_type import JSON


def encode(content: object) -> bytes:
    """Return the JSON of some content. Never fails on a text: lone surrogates are written as escapes."""
    return _ENCODER.encode(content).encode("utf-8", "backslashreplace")


def decode(text: bytes) -> dict[str, JSON]:
    """Return the JSON object that ``encode`` wrote."""
    content: dict[str, JSON] = json.loads(text)
    return content


# Created once: creating it takes longer than encoding most values.
_ENCODER: Final = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))
