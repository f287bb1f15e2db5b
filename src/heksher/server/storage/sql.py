"""A storage in an SQL database, SQLite or PostgreSQL, by SQLAlchemy Core.

A unit of work is one transaction on one connection of a pool. The guarantees of ``base`` rest on four things:

* the connection's isolation, see ``dialects``, gives a reader its snapshot;
* a writer begins by locking the one row of ``write_state``, so writers of all processes take turns;
* the primary key of the change log is the revision, so no two writers could ever store the same one;
* constraints keep names, rules and features apart and together, see ``tables``.

This module and those that it imports are the only ones that load SQLAlchemy. That takes a quarter of a second, so
``location`` imports it only for those who have a database.
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import TypeVar

from sqlalchemy import Connection, Engine, insert, inspect, select
from sqlalchemy.exc import SQLAlchemyError

from heksher.server.storage.base import NOBODY, Origin, Reader, Storage, Writer, Written
from heksher.server.storage.dialects import dialect_for
from heksher.server.storage.errors import StorageError, StorageUnavailableError
from heksher.server.storage.listener import Listener
from heksher.server.storage.sql_reader import SqlReader
from heksher.server.storage.sql_writer import SqlWriter
from heksher.server.storage.tables import HEKSHER_VERSION, METADATA, SCHEMA_VERSION, WRITE_STATE
from heksher.server.storage.unit import UnitOfWork

T = TypeVar("T")

_VERSION = select(HEKSHER_VERSION.c.version_num)


class SqlStorage(Storage):
    """A storage in an SQL database.

    Args:
        database: a file path, ``sqlite:///FILE`` or ``postgresql://USER:PASSWORD@HOST:PORT/DATABASE``.
        now: gives the time that log entries carry, in any time zone.

    Raises:
        StorageError: ``database`` names none that can be used.
    """

    def __init__(self, database: str, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._dialect = dialect_for(database)
        self._now = now
        # Held for as long as a unit of writing work lasts. The database makes writers take turns anyway; but here they
        # wait without holding a connection each, which readers would then lack.
        self._write_lock = threading.Lock()
        # None while the storage is not open.
        self._engine: Engine | None = None

    def open(self) -> None:
        if self._engine is not None:
            return
        engine = self._dialect.make_engine()
        try:
            with self._connect(engine.execution_options(**self._dialect.writer_options)) as connection:
                self._prepare_schema(connection)
            self._dialect.check_place()
        except BaseException:
            engine.dispose()
            raise
        self._engine = engine

    def close(self) -> None:
        engine, self._engine = self._engine, None
        if engine is not None:
            engine.dispose()

    def check(self) -> None:
        engine = self._open_engine()
        self._dialect.check_place()
        with self._connect(engine) as connection, self._dialect.translating("checking"):
            connection.execute(_VERSION).all()

    def read(self, work: Callable[[Reader], T]) -> T:
        engine = self._open_engine().execution_options(**self._dialect.reader_options)
        with self._connect(engine) as connection:
            return work(SqlReader(connection, self._dialect))

    def write(self, work: Callable[[Writer], T], origin: Origin = NOBODY) -> Written[T]:
        engine = self._open_engine().execution_options(**self._dialect.writer_options)
        unit = UnitOfWork()
        with self._taking_turns(), self._connect(engine) as connection:
            self._dialect.check_place()
            writer = SqlWriter(connection, self._dialect, unit, origin, self._now)
            writer.lock()
            result = work(writer)
            is_to_store = unit.is_to_store()
            written = Written(result, writer.revision())
            if is_to_store:
                writer.finish()
                self._dialect.announce(connection, written.revision)
                self._dialect.commit(connection)
            return written

    def listen(self) -> Listener:
        return self._dialect.listen()

    @property
    def poll_interval_s(self) -> float:
        return self._dialect.poll_interval_s

    def _open_engine(self) -> Engine:
        if self._engine is None:
            raise StorageUnavailableError(f"the storage {self._dialect.place} is not open: call open() first")
        return self._engine

    @contextmanager
    def _taking_turns(self) -> Iterator[None]:
        timeout_s = self._dialect.lock_timeout_s
        if not self._write_lock.acquire(timeout=timeout_s):
            raise StorageUnavailableError(
                f"writing to {self._dialect.place} failed: other writes of this process took {timeout_s:g} seconds"
            )
        try:
            yield
        finally:
            self._write_lock.release()

    @contextmanager
    def _connect(self, engine: Engine) -> Iterator[Connection]:
        with self._dialect.translating("connecting"):
            connection = engine.connect()
        try:
            yield connection
        finally:
            # Gives the connection back and undoes what was not committed. If it is broken there is nothing to undo, and
            # the error that matters is on its way already.
            with suppress(SQLAlchemyError):
                connection.close()

    def _prepare_schema(self, connection: Connection) -> None:
        with self._dialect.translating("opening"):
            self._dialect.lock_schema(connection)
            tables = inspect(connection).get_table_names()
            if HEKSHER_VERSION.name in tables:
                self._check_version(connection.execute(_VERSION).scalars().all())
                return
            if tables:
                raise StorageError(
                    f"{self._dialect.place} holds tables of another program ({', '.join(sorted(tables)[:3])} ...):"
                    " give heksher a database or a schema of its own"
                )
            METADATA.create_all(connection, checkfirst=False)
            connection.execute(insert(HEKSHER_VERSION), {"version_num": SCHEMA_VERSION})
            connection.execute(insert(WRITE_STATE), {"id": 1, "last_rule_id": 0})
            connection.commit()

    def _check_version(self, versions: Sequence[str]) -> None:
        if list(versions) != [SCHEMA_VERSION]:
            raise StorageError(
                f"{self._dialect.place} has the schema version {', '.join(versions) or 'none'}, but this version of"
                f" heksher works with {SCHEMA_VERSION}: it was written by another version of heksher; use that one"
            )
