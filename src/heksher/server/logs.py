"""How the service logs: as lines for people, or as JSON for programs; and which request a line belongs to.

Whoever answers a request sets ``request_id`` for as long as it lasts. A context variable follows the request through
the event loop and onto threads, so no function has to pass the id on.

Lines say nothing that a client could have put there unchanged: an id is sane or is replaced, a path is quoted.
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

LogFormat = Literal["text", "json"]

# None outside of requests.
request_id: ContextVar[str | None] = ContextVar("heksher_request_id", default=None)

access_logger: logging.Logger = logging.getLogger("heksher.access")

_REQUEST_ID_HEADER = b"x-request-id"
_SANE_ID = re.compile(rb"[A-Za-z0-9._-]{1,128}")
# What a path may have as it is: RFC 3986, section 3.3.
_PATH_CHARACTERS = "/:@!$&'()*+,;=-._~"
# The attributes that every record has. All others were given by whoever logged, as ``extra``.
_USUAL_ATTRIBUTES = {*vars(logging.makeLogRecord({})), "message", "asctime", "taskName"}


def configure_logging(log_format: LogFormat, level: int = logging.INFO) -> None:
    """Send what is logged to the standard error, unless the program has already said where it is to go.

    Args:
        log_format: one line for each record, as a text or as a JSON object.
        level: the lowest one that is logged.
    """
    handler = logging.StreamHandler()
    handler.setFormatter(TextFormatter() if log_format == "text" else JsonFormatter())
    logging.basicConfig(level=level, handlers=[handler])
    # Its news are told by the service in other words, and its one warning says that some client does not speak HTTP.
    logging.getLogger("uvicorn").setLevel(logging.ERROR)
    # Which parts it consists of, each time. Migrations are told by the service.
    logging.getLogger("alembic").setLevel(logging.WARNING)


def new_request_id() -> str:
    """Make an id that no other request has."""
    return secrets.token_hex(8)


def read_request_id(headers: Iterable[tuple[bytes, bytes]]) -> str:
    """Return the id that a request came with in ``X-Request-ID``, or a new one if that is missing or not sane.

    Args:
        headers: of the request, with names in lower case.
    """
    for name, value in headers:
        if name == _REQUEST_ID_HEADER and _SANE_ID.fullmatch(value):
            return value.decode("ascii")
    return new_request_id()


def log_request(method: str, path: str, status: int, seconds: float, size_bytes: int, client: str | None) -> None:
    """Log that a request was answered.

    Args:
        method: of the request.
        path: without the query, which can hold what is nobody's business.
        status: of the answer.
        seconds: how long it took until the answer was complete.
        size_bytes: of the body of the answer.
        client: the address that the request came from; ``None`` if it is not known.
    """
    quoted = quote(path, safe=_PATH_CHARACTERS, errors="replace")
    duration_ms = round(seconds * 1000, 3)
    access_logger.info(
        "%s %s %d, %d bytes in %s ms to %s", method, quoted, status, size_bytes, duration_ms, client or "?",
        extra={
            "method": method, "path": quoted, "status": status, "bytes": size_bytes, "duration_ms": duration_ms,
            "client": client,
        },
    )  # fmt: skip


class TextFormatter(logging.Formatter):
    """Writes a record as a line for people, with the id of the request where there is one."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 -- the name is the base class's
        text = super().formatMessage(record)
        return text if (current := request_id.get()) is None else f"{text} [{current}]"


class JsonFormatter(logging.Formatter):
    """Writes a record as one JSON object on one line; what was given as ``extra`` are fields of it."""

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
