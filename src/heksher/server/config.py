"""How a service is configured: by command-line options over environment variables over defaults.

====================================  ================================================================================
``HEKSHER_DB_CONNECTION_STRING``      the database: ``postgresql://user:password@host:port/db``, ``sqlite:///path``, or
                                      the path of an SQLite file; default: a file in the user's data directory
``HEKSHER_STARTUP_CONTEXT_FEATURES``  semicolon-separated; the service's list becomes exactly this one at start
``DOC_ONLY``                          ``true``: only the documentation and health routes work, there is no database
``HEKSHER_MAX_BODY_BYTES``            the largest request body that is read; default: 4 MiB
``HEKSHER_CACHE_BYTES``               how many bytes of answers to queries each worker keeps; default: 128 MiB
``HEKSHER_WORKERS``                   how many processes answer; default: 1
``HEKSHER_LOG_FORMAT``                ``text`` or ``json``; default: ``text``
``HEKSHER_ACCESS_LOG``                ``true``: each request is logged
====================================  ================================================================================

The first three are those of existing services.

Source: docs/reference/compatibility.md, *Start-up configuration of the existing service*.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from heksher.server.errors import StartupError
from heksher.server.limits import MAX_BODY_BYTES, MAX_CACHE_BYTES, MAX_CONTEXT_FEATURES, MAX_NAME_CHARACTERS
from heksher.server.logs import LogFormat
from heksher.value_type import shorten
from heksher.wire import is_feature

_DATABASE = "HEKSHER_DB_CONNECTION_STRING"
_FEATURES = "HEKSHER_STARTUP_CONTEXT_FEATURES"
_DOC_ONLY = "DOC_ONLY"
_MAX_BODY_BYTES = "HEKSHER_MAX_BODY_BYTES"
_CACHE_BYTES = "HEKSHER_CACHE_BYTES"
_WORKERS = "HEKSHER_WORKERS"
_LOG_FORMAT = "HEKSHER_LOG_FORMAT"
_ACCESS_LOG = "HEKSHER_ACCESS_LOG"
_MAX_NUMBER_DIGITS = 15  # a petabyte has one more
_LOG_FORMATS: tuple[LogFormat, ...] = ("text", "json")
# Each is a process with a catalog of its own: more than this is a slip of the finger.
MAX_WORKERS: Final = 256
_TRUTH = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False, "": False}


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


def load_config(
    environment: Mapping[str, str],
    database: str | None = None,
    context_features: str | None = None,
    *,
    workers: int | None = None,
    log_format: LogFormat | None = None,
    access_log: bool | None = None,
) -> Config:
    """Read the configuration of a service.

    All arguments but the first are those of the command line, ``None`` where they were not given.

    Args:
        environment: the environment variables.
        database: a URL, or the path of an SQLite file.
        context_features: comma-separated.
        workers: how many processes are to answer.
        log_format: how what is logged is to be written.
        access_log: whether each request is to be logged.

    Raises:
        StartupError: a part of it makes no sense; the message names it.
    """
    if context_features is not None:
        features = _check_features("--context-features", context_features.split(","))
    elif environment.get(_FEATURES):
        features = _check_features(_FEATURES, environment[_FEATURES].split(";"))
    else:
        features = None
    chosen = database or environment.get(_DATABASE)
    config = Config(
        database=chosen or str(find_default_database(environment)),
        is_default_database=not chosen,
        context_features=features,
        doc_only=_read_truth(environment, _DOC_ONLY),
        max_body_bytes=_read_number(environment, _MAX_BODY_BYTES, "bytes", MAX_BODY_BYTES),
        max_cache_bytes=_read_number(environment, _CACHE_BYTES, "bytes", MAX_CACHE_BYTES),
        workers=_read_number(environment, _WORKERS, "processes", 1) if workers is None else workers,
        log_format=log_format or _read_log_format(environment),
        has_access_log=_read_truth(environment, _ACCESS_LOG) if access_log is None else access_log,
    )
    _check_workers(config)
    return config


def find_default_database(environment: Mapping[str, str]) -> Path:
    """Return the path of the SQLite file that is used where no database is configured.

    Source: XDG Base Directory Specification 0.8 (a relative path in its variable is to be ignored).
    """
    configured = Path(environment.get("XDG_DATA_HOME", ""))
    try:
        base = configured if configured.is_absolute() else Path.home() / ".local" / "share"
    except RuntimeError:
        raise StartupError(
            f"there is no home directory to keep the database in: say where with --db or {_DATABASE}"
        ) from None
    return base / "heksher" / "heksher.db"


def _check_features(source: str, features: Sequence[str]) -> tuple[str, ...]:
    for position, feature in enumerate(features):
        if not is_feature(feature) or len(feature) > MAX_NAME_CHARACTERS:
            raise StartupError(
                f"{source}: {shorten(repr(feature))} cannot be a context feature: names consist of letters A-Z and a-z,"
                f" digits and _, at most {MAX_NAME_CHARACTERS} of them"
            )
        if feature in features[:position]:
            raise StartupError(f"{source}: the context feature {feature!r} stands twice")
    if len(features) > MAX_CONTEXT_FEATURES:
        raise StartupError(f"{source}: the service takes at most {MAX_CONTEXT_FEATURES} context features")
    return tuple(features)


def _check_workers(config: Config) -> None:
    if not 1 <= config.workers <= MAX_WORKERS:
        raise StartupError(f"{_WORKERS}: there can be 1 to {MAX_WORKERS} workers, not {config.workers}")
    if config.workers > 1 and config.database == "memory:" and not config.doc_only:
        raise StartupError(
            f"{config.workers} workers cannot share the database memory:, which is in one process; choose another one"
            f" with --db or {_DATABASE}, or one worker"
        )


def _read_truth(environment: Mapping[str, str], variable: str) -> bool:
    text = environment.get(variable, "")
    try:
        return _TRUTH[text.lower()]
    except KeyError:
        raise StartupError(f"{variable}: {shorten(repr(text))} is neither true nor false") from None


def _read_number(environment: Mapping[str, str], variable: str, unit: str, default: int) -> int:
    text = environment.get(variable, "")
    if not text:
        return default
    if not (text.isascii() and text.isdecimal() and len(text) <= _MAX_NUMBER_DIGITS):
        raise StartupError(f"{variable}: {shorten(repr(text))} is no number of {unit}")
    return int(text)


def _read_log_format(environment: Mapping[str, str]) -> LogFormat:
    text = environment.get(_LOG_FORMAT, "") or "text"
    for known in _LOG_FORMATS:
        if known == text:
            return known
    raise StartupError(f"{_LOG_FORMAT}: {shorten(repr(text))} is none of {', '.join(_LOG_FORMATS)}")
