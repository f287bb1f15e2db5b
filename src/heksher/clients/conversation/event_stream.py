"""Server-sent events, read from the bytes of a stream as they come in.

What comes in is not taken on trust: neither a line nor an event may be longer than any that a Heksher service sends.
Nothing is said of bytes that are no events, as the format asks for; whoever reads has to notice that no sense comes.

Source: the HTML standard, section 9.2 (server-sent events).
"""

import re
from typing import Final, NamedTuple

# An event of the service has less than 100 bytes.
MAX_EVENT_BYTES: Final = 64 * 1024

# What the kind of a comment is. A service sends them to show that it is there.
COMMENT: Final = ":"

_LINE_END_PATTERN: Final = rb"\r\n|\r|\n"
_BOM: Final = b"\xef\xbb\xbf"
# Longer numbers would be no number of milliseconds that anybody waits for.
_MILLISECONDS_PATTERN: Final = r"[0-9]{1,9}"


class EventStreamError(Exception):
    """A stream has something that cannot be an event."""


class ServerEvent(NamedTuple):
    """An event, or a comment.

    Attributes:
        kind: ``COMMENT``, or what the event calls itself, ``"message"`` if it does not.
        data: its lines, joined by line feeds; that of a comment is empty.
        last_id: the last identifier that the stream had up to here.
        retry_ms: the time before reconnecting that comes with this event; ``None`` if none does.
    """

    kind: str
    data: str = ""
    last_id: str = ""
    retry_ms: int | None = None


class EventReader:
    """Reads one stream."""

    def __init__(self) -> None:
        # The line that is not at its end yet.
        self._rest = bytearray()
        # Whether a line feed that comes next belongs to a line end that was counted already.
        self._is_after_cr = False
        self._is_first_line = True
        self._last_id = ""
        # Of the event that is not at its end yet. An event has begun with a field that means something.
        self._kind = ""
        self._data: list[str] = []
        self._retry_ms: int | None = None
        self._is_begun = False
        self._event_bytes = 0

    def feed(self, chunk: bytes) -> list[ServerEvent]:
        """Take what has come in; return what is complete with it.

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
