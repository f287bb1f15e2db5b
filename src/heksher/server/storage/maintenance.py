"""Work on a whole database from outside a service: migrations, and what backups share with them."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from sqlalchemy import Engine

from heksher.server.storage.dialect import Dialect
from heksher.server.storage.dialects import dialect_for
from heksher.server.storage.migration import Migration
from heksher.server.storage.schema import has_tables, list_due_migrations, migrate
from heksher.server.storage.sql import SqlStorage
from heksher.server.storage.storage_errors import StorageError, StorageUnavailableError


def migrate_database(database: str) -> list[Migration]:
    """Bring the schema of a database up to date; return the migrations that were run.

    Raises:
        StorageError: the schema cannot be brought up to date; the message names the place and the remedy.
    """
    dialect = find_dialect(database)
    with using(dialect) as engine:
        return migrate(dialect, engine)


def check_database(database: str) -> list[Migration]:
    """Return the migrations that a database lacks, without changing anything.

    Raises:
        StorageError: there is no such database, or it is not one of this program.
    """
    dialect = find_dialect(database)
    dialect.check_exists()
    with using(dialect) as engine:
        return list_due_migrations(dialect, engine)


def is_unused(database: str) -> bool:
    """Return whether a database does not exist yet, or has no tables; without changing anything.

    Raises:
        StorageError: it cannot be looked at.
    """
    dialect = find_dialect(database)
    try:
        dialect.check_exists()
    except StorageUnavailableError:
        return True
    with using(dialect) as engine:
        return not has_tables(dialect, engine)


def require_makeable(database: str) -> None:
    """Check that a database can be made if it does not exist, as far as that can be seen without making it.

    Raises:
        StorageError: its file has no directory that this process can write to.
    """
    find_dialect(database).check_makeable()


def prune_database(database: str, before: datetime) -> int:
    """Remove the oldest entries of the change log, up to the first one that was made later; return how many.

    Raises:
        StorageError: there is no such database, it has the schema of another version, or it cannot be written to.
    """
    with opening(database) as storage:
        return storage.prune(before)


@contextmanager
def opening(database: str, *, is_making: bool = False) -> Iterator[SqlStorage]:
    """Yield the open storage of a database, which is not migrated, for the block.

    Args:
        database: names it.
        is_making: whether it is made if it does not exist yet, or has no tables.

    Raises:
        StorageError: there is no such database, it has the schema of another version, or it cannot be opened.
    """
    if not (is_making and is_unused(database)):
        dialect = find_dialect(database)
        dialect.check_exists()
        with using(dialect) as engine:
            if list_due_migrations(dialect, engine):
                raise StorageError(
                    f"the schema of {dialect.place} is not that of this version: run 'heksher migrate' first"
                )
    storage = SqlStorage(database)
    storage.open()
    try:
        yield storage
    finally:
        storage.close()


def find_dialect(database: str) -> Dialect:
    """Return the dialect of a database that other processes can use too.

    Raises:
        StorageError: the text names no such database.
    """
    if database == "memory:":
        raise StorageError("memory: ends with its process: name a file or a server with --db")
    return dialect_for(database)


@contextmanager
def using(dialect: Dialect) -> Iterator[Engine]:
    """Yield an engine for the block, and close all its connections at the end."""
    engine = dialect.make_engine()
    try:
        yield engine
    finally:
        dialect.close_engine(engine)
