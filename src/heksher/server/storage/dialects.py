"""Finds the dialect for the text that names an SQL database."""

import re
from typing import Final

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from heksher.server.storage.dialect import Dialect
from heksher.server.storage.postgres import PostgresDialect
from heksher.server.storage.sqlite import SqliteDialect
from heksher.server.storage.storage_errors import StorageError

_FORMS: Final = "a file path, sqlite:///FILE, postgresql://USER:PASSWORD@HOST:PORT/DATABASE or memory:"

# What people write who mean a server, but is no URL. Taken for the name of a file, it would be shown with its password,
# and an empty database would be made there.
_SERVER_TEXT: Final = re.compile(
    r"postgres.*:|.*\b(pass(word|wd)|host|hostaddr|dbname|user)\s*=|(//)?[^/\\]*:[^/\\]*@", re.IGNORECASE | re.DOTALL
)
# What people write who mean a file or memory, in another form than is known here.
_OTHER_FORM: Final = re.compile(r"memory:?|(sqlite|file):.*", re.IGNORECASE | re.DOTALL)
_URL: Final = re.compile(r"[^/\\]*://")
# User and password in a URL, as SQLAlchemy reads it, and what follows.
_AFTER_USER: Final = re.compile(r"[^:]*://(?:[^:/]*(?::[^@]*)?@)?(.*)", re.DOTALL)


def is_file_name(text: str) -> bool:
    """Return whether a text can only be meant as the path of a file; anything else may contain a password."""
    return not any(pattern.match(text) for pattern in (_URL, _SERVER_TEXT)) and not _OTHER_FORM.fullmatch(text)


def dialect_for(database: str) -> Dialect:
    """Return the dialect for a database.

    Args:
        database: a file path, ``sqlite:///FILE``, or ``postgresql://USER:PASSWORD@HOST:PORT/DATABASE`` (a driver named
            in the URL is ignored, because the storage chooses it).

    Raises:
        StorageError: the text is none of these. The message does not quote it, because it may contain a password.
    """
    if "://" not in database:
        if _SERVER_TEXT.match(database):
            raise StorageError(f"the database is named as a server would be, but not by a URL: expected {_FORMS}")
        if _OTHER_FORM.fullmatch(database):
            raise StorageError(f"the database is not named in a form that is known: expected {_FORMS}")
        return SqliteDialect(URL.create("sqlite", database=database))
    url = _read_url(database)
    backend = url.get_backend_name()
    if backend == "sqlite":
        if url.host or url.username:
            raise StorageError("the URL of an SQLite file has three slashes before a relative path, and four before /")
        return SqliteDialect(url)
    if backend in {"postgresql", "postgres"}:
        # What stands before such a sign was cut off too early, so the rest of a password would pass for an address.
        if "@" in f"{url.host}{url.database}":
            raise StorageError(
                "the URL of the database has an @ after its host: write @ / ? # and % of the user and the password as"
                " %40 %2F %3F %23 and %25"
            )
        return PostgresDialect(url)
    raise StorageError(f"databases of the kind {backend!r} are not supported: expected {_FORMS}")


def _read_url(database: str) -> URL:
    try:
        database.encode()
        url = make_url(database)
    except (ArgumentError, ValueError):
        raise StorageError(f"the URL of the database cannot be read: expected {_FORMS}") from None
    if "%00" in database:
        # The driver would cut the password off there, and log in with what is left.
        raise StorageError("the URL of the database has a zero byte, %00, which no database takes")
    if (match := _AFTER_USER.match(database)) and "#" in match[1]:
        # It would be shown as a part of the database's name, and nobody knows what it is.
        raise StorageError("the URL of the database has a # after its host: write %23 if that belongs to a name")
    return url
