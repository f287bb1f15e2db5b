"""How a service is configured: by command-line options over environment variables over defaults.

====================================  ================================================================================
``HEKSHER_DB_CONNECTION_STRING``      the database: ``postgresql://user:password@host:port/db``, ``sqlite:///path``, or
                                      the path of an SQLite file; default: a file in the user's data directory
``HEKSHER_STARTUP_CONTEXT_FEATURES``  semicolon-separated; the service's list becomes exactly this one at start
``DOC_ONLY``                          ``true``: only the documentation and health routes work, there is no database
``HEKSHER_MAX_BODY_BYTES``            the largest request body that is read; default: 4 MiB
====================================  ================================================================================

The first three are those of existing services.

Source: spec/http-api.md, *Start-up configuration of the existing service*.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from heksher.server.errors import StartupError
from heksher.server.limits import MAX_BODY_BYTES, MAX_CONTEXT_FEATURES, MAX_NAME_CHARACTERS
from heksher.value_type import shorten
from heksher.wire import is_feature

_DATABASE = "HEKSHER_DB_CONNECTION_STRING"
_FEATURES = "HEKSHER_STARTUP_CONTEXT_FEATURES"
_DOC_ONLY = "DOC_ONLY"
_MAX_BODY_BYTES = "HEKSHER_MAX_BODY_BYTES"
_MAX_BYTES_DIGITS = 15  # a petabyte has one more
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
    """

    database: str
    context_features: tuple[str, ...] | None = None
    doc_only: bool = False
    max_body_bytes: int = MAX_BODY_BYTES
    is_default_database: bool = False


def load_config(
    environment: Mapping[str, str], database: str | None = None, context_features: str | None = None
) -> Config:
    """Read the configuration of a service.

    Args:
        environment: the environment variables.
        database: the command-line option; ``None`` where it was not given.
        context_features: the command-line option, comma-separated; ``None`` where it was not given.

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
    return Config(
        database=chosen or str(find_default_database(environment)),
        is_default_database=not chosen,
        context_features=features,
        doc_only=_read_truth(environment),
        max_body_bytes=_read_max_body_bytes(environment),
    )


def find_default_database(environment: Mapping[str, str]) -> Path:
    """Give the path of the SQLite file that is used where no database is configured.

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


def _read_truth(environment: Mapping[str, str]) -> bool:
    text = environment.get(_DOC_ONLY, "")
    try:
        return _TRUTH[text.lower()]
    except KeyError:
        raise StartupError(f"{_DOC_ONLY}: {shorten(repr(text))} is neither true nor false") from None


def _read_max_body_bytes(environment: Mapping[str, str]) -> int:
    text = environment.get(_MAX_BODY_BYTES, "")
    if not text:
        return MAX_BODY_BYTES
    if not (text.isascii() and text.isdecimal() and len(text) <= _MAX_BYTES_DIGITS):
        raise StartupError(f"{_MAX_BODY_BYTES}: {shorten(repr(text))} is no number of bytes")
    return int(text)
