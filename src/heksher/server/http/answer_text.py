"""How answers begin on the wire, and the whole of those with which a connection is refused."""

from collections.abc import Iterable
from http import HTTPStatus
from typing import Final, NamedTuple

from heksher.server.catalog.answer import NOSNIFF, HeaderField
from heksher.server.json_bytes import encode

CLOSE_LINE: Final = b"connection: close\r\n"
CHUNKED_LINE: Final = b"transfer-encoding: chunked\r\n"

# Of so many lists of fields, each at most so long, it is remembered how they are sent. Clients can make up longer ones:
# an answer that sends them elsewhere has their query in it.
_MAX_KNOWN_FIELDS: Final = 512
_MAX_KNOWN_BYTES: Final = 1024


def _write_status_line(status: int) -> bytes:
    try:
        phrase = HTTPStatus(status).phrase
    except ValueError:
        phrase = ""
    return f"HTTP/1.1 {status} {phrase}\r\n".encode("ascii")


_STATUS_LINES: Final = {status: _write_status_line(status) for status in range(100, 600)}


class FieldLines(NamedTuple):
    """Header fields of an answer, as they are sent, and what they say of it.

    Attributes:
        text: their lines.
        length_bytes: how long the body is; ``None`` if they do not say.
        says_close: whether they say that the connection ends.
    """

    text: bytes
    length_bytes: int | None
    says_close: bool


_known: dict[tuple[HeaderField, ...], FieldLines] = {}


def write_fields(fields: Iterable[HeaderField]) -> FieldLines:
    """Return header fields as they are sent.

    Most answers have the fields of one before, so those of a few short answers are remembered.

    Raises:
        ValueError: a field has a line break in it: it would be read as several fields, or as another answer.
    """
    key = tuple(fields)
    try:
        known = _known.get(key)
    except TypeError:  # lists, which an application may send as well
        key = tuple((bytes(name), bytes(value)) for name, value in key)
        known = _known.get(key)
    if known is None:
        known = _write_fields(key)
        if len(known.text) <= _MAX_KNOWN_BYTES:
            if len(_known) == _MAX_KNOWN_FIELDS:
                _known.clear()
            _known[key] = known
    return known


def _write_fields(fields: tuple[HeaderField, ...]) -> FieldLines:
    length_bytes, says_close = None, False
    for name, value in fields:
        if name == b"content-length":
            length_bytes = int(value)
        elif name == b"connection" and b"close" in value.lower():
            says_close = True
    text = b"".join(b"%b: %b\r\n" % field for field in fields)
    if text.count(b"\n") != len(fields) or text.count(b"\r") != len(fields):
        raise ValueError("a header field of the answer has a line break in it")
    return FieldLines(text, length_bytes, says_close)


def write_head(status: int, date_line: bytes, *lines: bytes) -> bytes:
    """Return the beginning of an answer, up to the empty line."""
    return b"".join((_STATUS_LINES[status], date_line, *lines, b"\r\n"))


def write_refusal(status: int, date_line: bytes, detail: str) -> tuple[bytes, int]:
    """Return a whole answer in the API's format, after which the connection is closed, and the size of its body."""
    body = encode({"detail": detail})
    fields = write_fields(((b"content-type", b"application/json"), (b"content-length", b"%d" % len(body)), NOSNIFF))
    retry = b"retry-after: 1\r\n" if status == HTTPStatus.SERVICE_UNAVAILABLE else b""
    return write_head(status, date_line, fields.text, CLOSE_LINE, retry) + body, len(body)
