"""Finds the dialect for the text that names an SQL database."""

from typing import Final

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from heksher.server.storage.dialect import Dialect
from heksher.server.storage.postgres import PostgresDialect
from heksher.server.storage.sqlite import SqliteDialect
from heksher.server.storage.storage_errors import StorageError

_FORMS: Final = "a file path, sqlite:///FILE, postgresql://USER:PASSWORD@HOST:PORT/DATABASE or memory:"


def dialect_for(database: str) -> Dialect:
    """Return the dialect for a database.

    Args:
        database: a file path, ``sqlite:///FILE``, or ``postgresql://USER:PASSWORD@HOST:PORT/DATABASE`` (a driver named
            in the URL is ignored, because the storage chooses it).

    Raises:
        StorageError: the text is none of these. The message does not quote it, because it may contain a password.
    """
    if "://" not in database:
        return SqliteDialect(URL.create("sqlite", database=database))
    try:
        url = make_url(database)
    except (ArgumentError, ValueError):
        raise StorageError(f"the URL of the database cannot be read: expected {_FORMS}") from None
    backend = url.get_backend_name()
    if backend == "sqlite":
        return SqliteDialect(url)
    if backend in {"postgresql", "postgres"}:
        return PostgresDialect(url)
    raise StorageError(f"databases of the kind {backend!r} are not supported: expected {_FORMS}")
