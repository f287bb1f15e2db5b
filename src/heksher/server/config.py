"""How a service is configured. Where that comes from: ``options`` says, and ``config_reader`` reads it."""

from dataclasses import dataclass
from typing import Final

from heksher.server.limits import MAX_BODY_BYTES, MAX_CACHE_BYTES
from heksher.server.logs import LogFormat

# Each is a process with a catalog of its own: more than this is a slip of the finger.
MAX_WORKERS: Final = 256


@dataclass(frozen=True, slots=True)
class Config:
    """The configuration of a service.

    Attributes:
        database: a URL, or the path of an SQLite file.
        context_features: what the list of context features is to be at start; ``None`` leaves it as it is.
        doc_only: there is no database, and only the documentation and health routes work.
        max_body_bytes: the largest request body that is read.
        is_default_database: nobody has chosen the database, so nobody has made its directory either.
        max_cache_bytes: how many bytes of answers to queries each worker keeps.
        workers: how many processes answer.
        log_format: how what is logged is written.
        has_access_log: each request is logged.
        host: the name or address to listen on.
        port: the port to listen on; 0 lets the system choose.
    """

    database: str
    context_features: tuple[str, ...] | None = None
    doc_only: bool = False
    max_body_bytes: int = MAX_BODY_BYTES
    is_default_database: bool = False
    max_cache_bytes: int = MAX_CACHE_BYTES
    workers: int = 1
    log_format: LogFormat = "text"
    has_access_log: bool = False
    host: str = "127.0.0.1"
    port: int = 8000
