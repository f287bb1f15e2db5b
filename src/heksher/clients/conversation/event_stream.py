"""Server-sent events, read from the bytes of a stream as they come in.

The input is not trusted: no line and no event may be much longer than those that a Heksher service sends. Bytes that
make no event are ignored, as the format demands; the caller has to notice that no events come.

Source: the HTML standard, section 9.2 (server-sent events).
"""

import re
from typing import Final, NamedTuple

# An event of the service has less than 100 bytes.
MAX_EVENT_BYTES: Final = 64 * 1024

# The kind of a comment. A service sends comments to show that it is there.
COMMENT: Final = ":"

_LINE_END_PATTERN: Final = rb"\r\n|\r|\n"
_BOM: Final = b"\xef\xbb\xbf"
# Longer numbers would be no number of milliseconds that anybody waits for.
_MILLISECONDS_PATTERN: Final = r"[0-9]{1,9}"


class EventStreamError(Exception):
    """A stream contains something that cannot be an event."""


class ServerEvent(NamedTuple):
    """An event, or a comment.

    Attributes:
        kind: ``COMMENT``, or the type of the event, by default ``"message"``.
        data: its lines, joined by line feeds; empty for a comment.
        last_id: the last identifier of the stream so far.
        retry_ms: the reconnection time that the event sets; ``None`` if it sets none.
    """

    kind: str
    data: str = ""
    last_id: str = ""
    retry_ms: int | None = None


class EventReader:
    """Reads one stream."""

    def __init__(self) -> None:
        # The line that is not complete yet.
        self._rest = bytearray()
        # Whether a line feed that comes next belongs to a line end that was handled already.
        self._is_after_cr = False
        self._is_first_line = True
        self._last_id = ""
        # Of the event that is not complete yet. An event begins with its first field that has a meaning.
        self._kind = ""
        self._data: list[str] = []
        self._retry_ms: int | None = None
        self._is_begun = False
        self._event_bytes = 0

    def feed(self, chunk: bytes) -> list[ServerEvent]:
        """Read the next bytes; return the events that they complete.

        Raises:
            EventStreamError: a line or an event is too long.
        """
        if self._is_after_cr and chunk:
            chunk = chunk.removeprefix(b"\n")
            self._is_after_cr = False
        self._is_after_cr = self._is_after_cr or chunk.endswith(b"\r")
        events: list[ServerEvent] = []
        *ends, rest = re.split(_LINE_END_PATTERN, chunk)
        for end in ends:
            events += self._read_line(bytes(self._rest) + end)
            self._rest.clear()
        self._rest += rest
        self._limit(len(self._rest))
        return events

    def _read_line(self, line: bytes) -> list[ServerEvent]:
        if self._is_first_line:
            self._is_first_line = False
            line = line.removeprefix(_BOM)
        if line.startswith(b":"):
            self._limit(len(line))
            return [ServerEvent(COMMENT, last_id=self._last_id)]
        if line:
            self._read_field(line)
            return []
        return self._end_event()

    def _read_field(self, line: bytes) -> None:
        self._event_bytes += len(line)
        self._limit(0)
        name, _, value = line.decode(errors="replace").partition(":")
        value = value.removeprefix(" ")
        if name == "event":
            self._kind = value
        elif name == "data":
            self._data.append(value)
        elif name == "id" and "\0" not in value:
            self._last_id = value
        elif name == "retry" and re.fullmatch(_MILLISECONDS_PATTERN, value):
            self._retry_ms = int(value)
        self._is_begun |= name in {"event", "data", "retry"}

    def _end_event(self) -> list[ServerEvent]:
        events = [ServerEvent(self._kind or "message", "\n".join(self._data), self._last_id, self._retry_ms)]
        is_begun = self._is_begun
        self._kind, self._data, self._retry_ms, self._is_begun, self._event_bytes = "", [], None, False, 0
        return events if is_begun else []

    def _limit(self, more_bytes: int) -> None:
        if self._event_bytes + more_bytes > MAX_EVENT_BYTES:
            raise EventStreamError(f"the stream has an event of more than {MAX_EVENT_BYTES} bytes")
