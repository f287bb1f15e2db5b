"""How the service logs: lines for people or JSON for programs, each with the id of its request.

The code that answers a request sets ``request_id`` for its duration. A context variable follows the request through the
event loop and onto threads, so no function has to pass the id on.

Clients cannot inject text into log lines: a malformed id is replaced, and what a request's line has of the request is
quoted and cut off. A token that somebody puts into a path by mistake does not get there.
"""

import json
import logging
import re
import secrets
from collections.abc import Iterable
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Literal
from urllib.parse import quote

from heksher.server.access.token import hide_tokens

LogFormat = Literal["text", "json"]

# None outside of a request.
request_id: ContextVar[str | None] = ContextVar("heksher_request_id", default=None)

access_logger: logging.Logger = logging.getLogger("heksher.access")

_REQUEST_ID_HEADER = b"x-request-id"
_SANE_ID = re.compile(rb"[A-Za-z0-9._-]{1,128}")
# The characters that a path may contain unquoted: RFC 3986, section 3.3. Brackets, which are none, stand around ids.
_PATH_CHARACTERS = "/:@!$&'()*+,;=-._~"
# A field of a request's line is cut off after this many characters.
_MAX_FIELD_CHARACTERS = 1000
_CUT_OFF = "..."
# The attributes that every record has. All others were passed as ``extra`` by the caller.
_USUAL_ATTRIBUTES = {*vars(logging.makeLogRecord({})), "message", "asctime", "taskName"}


def configure_logging(log_format: LogFormat, level: int = logging.INFO) -> None:
    """Log to standard error, unless the program has already configured logging.

    Args:
        log_format: writes each record as one line of text or as one JSON object.
        level: the lowest level that is logged.
    """
    handler = logging.StreamHandler()
    handler.setFormatter(TextFormatter() if log_format == "text" else JsonFormatter())
    logging.basicConfig(level=level, handlers=[handler])
    # Alembic logs its configuration on every run. The service logs the migrations itself.
    logging.getLogger("alembic").setLevel(logging.WARNING)


def new_request_id() -> str:
    """Return a new, unique request id."""
    return secrets.token_hex(8)


def read_request_id(headers: Iterable[tuple[bytes, bytes]]) -> str:
    """Return the id from the request's ``X-Request-ID`` header, or a new one if it is missing or malformed.

    Args:
        headers: header fields of the request, with names in lower case.
    """
    for name, value in headers:
        if name == _REQUEST_ID_HEADER and _SANE_ID.fullmatch(value):
            return value.decode("ascii")
    return new_request_id()


def log_request(method: str, path: str, status: int, seconds: float, size_bytes: int, client: str | None) -> None:
    """Log an answered request.

    Args:
        method: the method of the request.
        path: the path without the query, which may hold private data.
        status: the status of the answer.
        seconds: the time until the answer was complete.
        size_bytes: the size of the answer's body.
        client: the address of the client; ``None`` if unknown.
    """
    method, path = _escape(method), _escape(path)
    client = None if client is None else _escape(client)
    duration_ms = round(seconds * 1000, 3)
    access_logger.info(
        "%s %s %d, %d bytes in %s ms to %s", method, path, status, size_bytes, duration_ms, client or "?",
        extra={
            "method": method, "path": path, "status": status, "bytes": size_bytes, "duration_ms": duration_ms,
            "client": client,
        },
    )  # fmt: skip


def _escape(text: str) -> str:
    """Return a text of a request as a field of its line: percent-encoded, and cut off where it is long."""
    # Cut off first as well: a path can be as long as a request may be.
    shown = hide_tokens(text)[: _MAX_FIELD_CHARACTERS + 1]
    quoted = quote(shown, safe=_PATH_CHARACTERS, errors="replace")
    if len(quoted) <= _MAX_FIELD_CHARACTERS:
        return quoted
    return quoted[: _MAX_FIELD_CHARACTERS - len(_CUT_OFF)] + _CUT_OFF


class TextFormatter(logging.Formatter):
    """Formats a record as a line for people, with the id of the request if there is one."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 -- the name is the base class's
        text = super().formatMessage(record)
        return text if (current := request_id.get()) is None else f"{text} [{current}]"


class JsonFormatter(logging.Formatter):
    """Formats a record as a JSON object on one line; values passed as ``extra`` become fields."""

    def format(self, record: logging.LogRecord) -> str:
        fields = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if (current := request_id.get()) is not None:
            fields["request_id"] = current
        if record.exc_info:
            fields["exception"] = self.formatException(record.exc_info)
        extra = {name: value for name, value in vars(record).items() if name not in _USUAL_ATTRIBUTES | fields.keys()}
        return json.dumps(fields | extra, default=str)
