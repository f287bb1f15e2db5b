"""How answers begin on the wire, and the whole of those with which a connection is refused."""

from collections.abc import Iterable
from http import HTTPStatus
from typing import Final

from heksher.server.catalog.answer import NOSNIFF, HeaderField
from heksher.server.json_bytes import encode


def _write_status_line(status: int) -> bytes:
    try:
        phrase = HTTPStatus(status).phrase
    except ValueError:
        phrase = ""
    return f"HTTP/1.1 {status} {phrase}\r\n".encode("ascii")


_STATUS_LINES: Final = {status: _write_status_line(status) for status in range(100, 600)}


def write_head(status: int, date_line: bytes, fields: Iterable[HeaderField]) -> bytes:
    """Return the beginning of an answer, up to the empty line.

    Raises:
        ValueError: a field has a line break in it: it would be read as several fields, or as another answer.
    """
    parts = [_STATUS_LINES[status], date_line]
    lines = 3
    for name, value in fields:
        parts += (name, b": ", value, b"\r\n")
        lines += 1
    parts.append(b"\r\n")
    head = b"".join(parts)
    if head.count(b"\n") != lines or head.count(b"\r") != lines:
        raise ValueError("a header field of the answer has a line break in it")
    return head


def write_refusal(status: int, date_line: bytes, detail: str) -> tuple[bytes, int]:
    """Return a whole answer in the API's format, after which the connection is closed, and the size of its body."""
    body = encode({"detail": detail})
    fields = [
        (b"content-type", b"application/json"),
        (b"content-length", b"%d" % len(body)),
        NOSNIFF,
        (b"connection", b"close"),
    ]
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        fields.append((b"retry-after", b"1"))
    return write_head(status, date_line, fields) + body, len(body)
