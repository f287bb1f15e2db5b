"""Copies whole databases: a backup into a file, and back into an empty database of either kind.

A backup is an SQLite database, whatever kind it was made from, so a service can also run on it. It is consistent
because one transaction reads everything, while services keep writing. The history of migrations is not copied: the
target has its own. Rows pass through memory in batches.

What is restored has the same history as what was copied: the same entries, with their stamps. If there are people or a
signing key, one entry follows, by which their cookies are void (``access_renewal``). It must be in the log: a service
that knows the newest entry of the backup already, and whose database was emptied and restored into, would otherwise
find nothing new, and go on with the cookies. And the people who were changed have the revision of that change.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from sqlalchemy import Connection, Table, insert, literal, select, update

from heksher.server import scratch
from heksher.server.storage.access_records import TokenRecord
from heksher.server.storage.access_renewal import list_valid_tokens, renew_access
from heksher.server.storage.dialect import Dialect
from heksher.server.storage.maintenance import find_dialect, using
from heksher.server.storage.records import Origin
from heksher.server.storage.schema import has_tables, list_due_migrations, migrate, migrate_within
from heksher.server.storage.sql_reader import SqlReader
from heksher.server.storage.sql_writer import Clock, SqlWriter
from heksher.server.storage.sqlite import SqliteDialect, copy_file, finish_file
from heksher.server.storage.sqlite_file import copy_owner, require_apart
from heksher.server.storage.stamp import make_stamp
from heksher.server.storage.storage_errors import StorageError
from heksher.server.storage.tables import (
    CLIENT,
    HEKSHER_VERSION,
    LEASE,
    LOG_VALUE,
    METADATA,
    MIGRATION,
    RULE,
    SETTING,
    SETTING_USE,
    USAGE_STATE,
    WRITE_STATE,
)
from heksher.server.storage.unit import UnitOfWork

# Tables that rows refer to come before the tables of those rows.
_NOT_COPIED: Final = {HEKSHER_VERSION, LEASE, MIGRATION, WRITE_STATE, SETTING_USE, CLIENT, USAGE_STATE}
_TABLES: Final = [table for table in METADATA.sorted_tables if table not in _NOT_COPIED]
# This many rows are a few hundred kilobytes, unless their values are huge.
_BATCH_ROWS: Final = 1000
# For rows that are always long.
_BATCH_LONG_ROWS: Final = 16

_RESTORER: Final = Origin("heksher", "restored from a backup: who was signed in has to sign in anew")


@dataclass(frozen=True, slots=True)
class Copied:
    """How much was copied.

    Attributes:
        settings, rules: the numbers of them.
        revision: the newest one of the copy.
        valid_tokens: of a database that was restored, the tokens that are valid, by name; empty for a backup.
        told_webhooks: of such a database, the names of the webhooks that are on.
    """

    settings: int
    rules: int
    revision: int
    valid_tokens: tuple[TokenRecord, ...] = ()
    told_webhooks: tuple[str, ...] = ()


def back_up(database: str, file: Path, *, is_replacing: bool = False) -> Copied:
    """Copy a database into a new file. At the end there is either a complete backup, or no new file.

    Args:
        database: the database to copy; services may be running on it.
        file: the path of the backup, which only its owner can read; a link is followed.
        is_replacing: whether to replace an existing file, unless that is one of a database in use.

    Raises:
        StorageError: the database cannot be read, or the file cannot be written; the message says which.
    """
    source = find_dialect(database)
    source.check_exists()
    source_file = source.file if isinstance(source, SqliteDialect) else None
    place = file.resolve()
    require_apart(place, source_file)
    if place.exists() and not place.is_file():
        raise StorageError(f"{file} is no file: a backup can only be one, and takes the place of nothing else")
    if place.exists() and not is_replacing:
        raise StorageError(f"{file} is there already: choose another name, or add --force to replace it")
    try:
        with scratch.scratch_directory(scratch.BACKUP, place.parent) as directory:
            unfinished = directory / "backup.db"
            copied = _copy_into_file(source, unfinished)
            if source_file is not None:
                copy_owner(unfinished, source_file)
            unfinished.replace(place)
        _sync(place.parent)
    except OSError as error:
        raise StorageError(f"the backup {file} cannot be written: {error.strerror}") from error
    return copied


def restore(file: Path, database: str) -> Copied:
    """Copy a backup, or a service's database file, into an empty database: completely or not at all.

    Args:
        file: an SQLite file with any version of the schema up to the current one; only read.
        database: the target; if it is a file that does not exist, it is created, with the owner and the mode of the
            backup, but without rights for others.

    Raises:
        StorageError: the file is not a backup, or the database is not empty.
    """
    target = find_dialect(database)
    if isinstance(target, SqliteDialect):
        if target.file == file.resolve():
            raise StorageError(f"{file} is the database itself: restore from another file")
        target.belong_like(file)
    with scratch.scratch_directory(scratch.RESTORE) as directory:
        # A copy, because it may have to be migrated, and because SQLite may create auxiliary files beside the file it
        # opens.
        copy = directory / "backup.db"
        copy_file(file, copy)
        source = SqliteDialect.of_file(copy)
        source.place = str(file)
        with using(source) as source_engine:
            if not has_tables(source, source_engine):
                raise StorageError(f"{file} is empty: it is no backup")
            migrate(source, source_engine)
        return _copy(source, target, is_restored=True)


def _copy_into_file(source: Dialect, file: Path) -> Copied:
    with using(source) as engine:
        if list_due_migrations(source, engine):
            raise StorageError(f"the schema of {source.place} is not that of this version: run 'heksher migrate' first")
    copied = _copy(source, SqliteDialect.of_file(file))
    finish_file(file)
    return copied


def _copy(source: Dialect, target: Dialect, *, is_restored: bool = False) -> Copied:
    """Copy everything but the records of migrations into an empty database, in one transaction on each side.

    The schema is made in the same transaction: a service that runs on the target never sees it empty in between.

    Args:
        source: what is copied.
        target: an empty database.
        is_restored: whether the copy takes the place of a database, so that access is renewed.
    """
    with using(source) as source_engine, using(target) as target_engine:
        is_new = bool(list_due_migrations(target, target_engine))
        with (
            source.connecting(source_engine.execution_options(**source.reader_options)) as reading,
            target.connecting(target_engine.execution_options(**target.writer_options)) as writing,
        ):
            if is_new:
                migrate_within(target, writing)
            _lock_empty(writing, target)
            counts = {table: _copy_table(table, reading, source, writing, target) for table in _TABLES}
            _copy_write_state(reading, source, writing, target)
            valid_tokens = _renew(writing, target) if is_restored else ()
            copy = SqlReader(writing, target)
            revision = copy.revision()
            told_webhooks = [webhook.name for webhook in copy.webhooks() if is_restored and webhook.off_reason is None]
            target.announce(writing, revision)
            target.commit(writing)
    return Copied(counts[SETTING], counts[RULE], revision, valid_tokens, tuple(told_webhooks))


def _renew(connection: Connection, dialect: Dialect) -> tuple[TokenRecord, ...]:
    """Make all cookies void, have uses counted anew, and return the tokens that are valid."""
    now = datetime.now(UTC)
    writer = SqlWriter(connection, dialect, UnitOfWork(), _RESTORER, Clock(lambda: now, make_stamp))
    writer.lock()
    # Uses may be known of the time before the restore, but none of what was restored.
    writer.forget_count()
    renew_access(writer)
    writer.finish()
    return list_valid_tokens(writer.access(), now)


def _lock_empty(connection: Connection, dialect: Dialect) -> None:
    """Keep others from writing, and refuse a database that has ever been written to."""
    with dialect.translating("restoring"):
        last_rule_id = connection.execute(select(WRITE_STATE.c.last_rule_id).with_for_update()).scalar()
        used = [table.name for table in _TABLES if connection.execute(select(literal(1)).select_from(table)).first()]
    if used or last_rule_id != 0:
        raise StorageError(
            f"{dialect.place} is not empty ({', '.join(used) or 'there were rules'}): restore into a new database"
        )


def _copy_table(table: Table, reading: Connection, source: Dialect, writing: Connection, target: Dialect) -> int:
    count = 0
    for rows in _read_batches(table, reading, source):
        with target.translating(f"writing the table {table.name}"):
            writing.execute(insert(table), rows)
        count += len(rows)
    return count


def _read_batches(table: Table, connection: Connection, dialect: Dialect) -> Iterator[Sequence[Mapping[str, object]]]:
    with dialect.translating(f"reading the table {table.name}"):
        batch_rows = _BATCH_LONG_ROWS if table is LOG_VALUE else _BATCH_ROWS
        result = connection.execute(select(table), execution_options={"yield_per": batch_rows})
        for rows in result.mappings().partitions():
            yield [{**row} for row in rows]


def _copy_write_state(reading: Connection, source: Dialect, writing: Connection, target: Dialect) -> None:
    with source.translating("reading the last ids"):
        state = {**reading.execute(select(WRITE_STATE)).mappings().one()}
    with target.translating("storing the last ids"):
        # Updated, not replaced, because other writers wait for the lock on this row.
        writing.execute(update(WRITE_STATE).values({name: state[name] for name in state.keys() - {"id"}}))


def _sync(directory: Path) -> None:
    # Makes sure that the file's name is on the disk too.
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
