"""The schema of an SQL database: checks whether it is up to date, and migrates it.

Several processes may start at once on an empty or an old database: one of them takes a lock and runs all due migrations
in one transaction; the others wait for it and find nothing left to do.
"""

import logging
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from sqlalchemy import Connection, Engine, insert, inspect, select

from heksher.server.storage.dialect import Dialect
from heksher.server.storage.migration import Migration
from heksher.server.storage.storage_errors import SchemaChangedError, StorageError
from heksher.server.storage.tables import HEKSHER_VERSION, MIGRATION, SCHEMA_VERSION
from heksher.version import __version__

logger: logging.Logger = logging.getLogger(__name__)

_VERSION: Final = select(HEKSHER_VERSION.c.version_num)


def migrate(dialect: Dialect, engine: Engine) -> list[Migration]:
    """Bring the schema of a database up to date if it is not; return the migrations that were run.

    Raises:
        StorageError: the database belongs to another program, or to a newer version of this one.
    """
    if not list_due_migrations(dialect, engine):
        return []
    with dialect.connecting(engine.execution_options(**dialect.writer_options)) as connection:
        done = migrate_within(dialect, connection)
        dialect.commit(connection)
    for migration in done:
        logger.info("%s: ran the migration %s (%s)", dialect.place, migration.version, migration.title)
    return done


def migrate_within(dialect: Dialect, connection: Connection) -> list[Migration]:
    """Bring the schema up to date in a transaction of the caller, as ``migrate`` does in one of its own."""
    with dialect.translating("migrating"):
        dialect.lock_schema(connection)
        due = _list_due(connection, dialect)
        if not due:
            return []
        versions = ", ".join(migration.version for migration in due)
        logger.info("%s: running the migrations %s, in one transaction", dialect.place, versions)
        # Loading Alembic takes a tenth of a second, and there is nearly always nothing to migrate.
        from heksher.server.storage.migrations import run_migrations  # noqa: PLC0415 -- see above

        done = run_migrations(connection)
        connection.execute(insert(MIGRATION), [_note(migration) for migration in done])
        return done


def require_version(versions: Sequence[str], place: str) -> None:
    """Check that a database, which this process has opened, still has the schema that it works with.

    Args:
        versions: what the database says of its schema.
        place: names the database in the message.

    Raises:
        SchemaChangedError: it has another one.
    """
    if list(versions) != [SCHEMA_VERSION]:
        raise SchemaChangedError(
            f"{place} has the schema version {', '.join(versions) or 'none'} now, and this process works with"
            f" {SCHEMA_VERSION}: another version of heksher has migrated it. This process writes no more; replace it by"
            " one of that version"
        )


def read_versions(dialect: Dialect, engine: Engine) -> list[str]:
    """Return what a database says of its schema: one version, unless somebody has changed it by hand."""
    with (
        dialect.connecting(engine.execution_options(**dialect.reader_options)) as connection,
        dialect.translating("looking for the version"),
    ):
        return list(connection.execute(_VERSION).scalars())


def list_due_migrations(dialect: Dialect, engine: Engine) -> list[Migration]:
    """Return the migrations that a database lacks.

    Raises:
        StorageError: the database belongs to another program, or to a newer version of this one.
    """
    with dialect.connecting(engine.execution_options(**dialect.reader_options)) as connection:
        return _list_due(connection, dialect)


def has_tables(dialect: Dialect, engine: Engine) -> bool:
    """Return whether a database has any tables."""
    with (
        dialect.connecting(engine.execution_options(**dialect.reader_options)) as connection,
        dialect.translating("looking for tables"),
    ):
        return bool(inspect(connection).get_table_names())


def _list_due(connection: Connection, dialect: Dialect) -> list[Migration]:
    with dialect.translating("looking for migrations"):
        tables = inspect(connection).get_table_names()
        versions = list(connection.execute(_VERSION).scalars()) if HEKSHER_VERSION.name in tables else []
    if versions == [SCHEMA_VERSION]:
        return []
    from heksher.server.storage.migrations import list_migrations  # noqa: PLC0415 -- as above

    migrations = list_migrations()
    if not tables:
        return migrations
    if HEKSHER_VERSION.name not in tables:
        raise StorageError(
            f"{dialect.place} holds tables of another program ({', '.join(sorted(tables)[:3])} ...):"
            " give heksher a database or a schema of its own; what an existing Heksher service has comes into it with"
            " 'heksher import-from URL', while that service runs"
        )
    known = [migration.version for migration in migrations]
    if len(versions) != 1 or versions[0] not in known:
        raise StorageError(
            f"{dialect.place} has the schema version {', '.join(versions) or 'none'}, but this version of"
            f" heksher works with {SCHEMA_VERSION}: it was written by another version of heksher; use that one"
        )
    return migrations[known.index(versions[0]) + 1 :]


def _note(migration: Migration) -> dict[str, str]:
    now = datetime.now(UTC).isoformat(timespec="seconds")
    return {"version": migration.version, "applied_at": now, "heksher_version": __version__}
