"""JSON as the service sends it: UTF-8 without spaces. Written by the standard library: numbers keep every digit."""

import json

from heksher.value_type import JSON


def encode(content: object) -> bytes:
    """Write JSON. Never fails on a text: what is no character is written as the escape that it came from."""
    text = json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.encode("utf-8", "backslashreplace")


def decode(text: bytes) -> dict[str, JSON]:
    """Read a JSON object that ``encode`` wrote."""
    content: dict[str, JSON] = json.loads(text)
    return content
