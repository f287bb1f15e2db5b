"""A storage in an SQL database, SQLite or PostgreSQL, with SQLAlchemy Core.

A unit of work is one transaction on one connection of a pool. The guarantees of ``base`` rest on four facts:

* the isolation of the connection, which the dialect sets, gives a reader its snapshot;
* a writer first locks the only row of ``write_state``, so writers of all processes take turns;
* the primary key of the change log is the revision, so no two writers can store the same one;
* constraints keep names and rules unique, and references to features valid, see ``tables``.

Only this module and those that it imports load SQLAlchemy. Loading takes a quarter of a second, so ``location`` imports
this module only for services with a database.
"""

import threading
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Final, TypeVar

from sqlalchemy import Connection, Engine, select

from heksher.server.storage.base import NOBODY, Expectation, Notes, Origin, Reader, Storage, Writer, Written
from heksher.server.storage.dialects import dialect_for
from heksher.server.storage.listener import Listener
from heksher.server.storage.schema import migrate, read_versions, require_version
from heksher.server.storage.sql_proposals import SqlProposals
from heksher.server.storage.sql_pruning import find_first_kept, list_revisions_in_use, remove_oldest
from heksher.server.storage.sql_reader import SqlReader
from heksher.server.storage.sql_statements import Statements
from heksher.server.storage.sql_writer import Clock, SqlWriter
from heksher.server.storage.stamp import make_stamp
from heksher.server.storage.storage_errors import StorageError, StorageUnavailableError
from heksher.server.storage.tables import HEKSHER_VERSION
from heksher.server.storage.unit import UnitOfWork, require_expected

T = TypeVar("T")

_CHECK: Final = select(HEKSHER_VERSION.c.version_num)


class SqlStorage(Storage):
    """A storage in an SQL database.

    Args:
        database: a file path, ``sqlite:///FILE`` or ``postgresql://USER:PASSWORD@HOST:PORT/DATABASE``.
        now: returns the time for log entries, in any time zone.
        stamp: returns the stamps for log entries.

    Raises:
        StorageError: ``database`` does not name a usable database.
    """

    def __init__(
        self,
        database: str,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        stamp: Callable[[], str] = make_stamp,
    ) -> None:
        self._dialect = dialect_for(database)
        self._clock = Clock(now, stamp)
        # Held during a unit of writing work. The database serializes writers anyway, but here they wait without each
        # holding a connection that readers would then lack.
        self._write_lock = threading.Lock()
        # None while the storage is not open.
        self._engine: Engine | None = None

    def open(self) -> None:
        if self._engine is not None:
            return
        engine = self._dialect.make_engine()
        try:
            done = migrate(self._dialect, engine)
            self._dialect.check_place()
            self._dialect.note_start(is_migrated=bool(done))
        except BaseException:
            self._dialect.close_engine(engine)
            raise
        self._engine = engine

    def close(self) -> None:
        engine, self._engine = self._engine, None
        if engine is not None:
            self._dialect.close_engine(engine)

    def check(self) -> None:
        engine = self._open_engine().execution_options(**self._dialect.quick_reader_options)
        self._dialect.check_place()
        with self._dialect.connecting(engine) as connection, self._dialect.translating("checking"):
            connection.execute(_CHECK).all()

    def check_writes(self) -> None:
        self._dialect.check_writes(self._open_engine())

    def read(self, work: Callable[[Reader], T]) -> T:
        engine = self._open_engine().execution_options(**self._dialect.quick_reader_options)
        with self._dialect.connecting(engine) as connection:
            return work(SqlReader(connection, self._dialect))

    def write(
        self, work: Callable[[Writer], T], origin: Origin = NOBODY, expected: Expectation | None = None
    ) -> Written[T]:
        unit = UnitOfWork(self.ceilings)
        with self._writing(origin, unit) as (connection, writer):
            require_expected(writer, expected)
            result = work(writer)
            is_to_store = unit.is_to_store()
            written = writer.make_written(result)
            if is_to_store:
                writer.finish()
                self._dialect.announce(connection, written.revision)
                self._dialect.commit(connection)
            return written

    def note(self, work: Callable[[Notes], T]) -> T:
        # With the lock for writing, so that no unit of work replaces a token meanwhile with what it has read of it.
        with self._writing(NOBODY, UnitOfWork()) as (connection, writer):
            result = work(writer)
            self._dialect.commit(connection)
            return result

    def prune(self, before: datetime) -> int:
        engine = self._open_engine()
        with self._dialect.connecting(engine.execution_options(**self._dialect.reader_options)) as connection:
            statements = Statements(connection, self._dialect)
            first_kept = find_first_kept(statements, before)
            in_use = list_revisions_in_use(statements, first_kept)
        self._remove_proposals(before)
        removed = 0
        while batch := self._remove_oldest(first_kept, in_use):
            removed += batch
        return removed

    def _remove_proposals(self, before: datetime) -> None:
        with self._writing(NOBODY, UnitOfWork()) as (connection, _):
            SqlProposals(Statements(connection, self._dialect)).prune(before)
            self._dialect.commit(connection)

    def _remove_oldest(self, first_kept: int, in_use: Collection[int]) -> int:
        with self._writing(NOBODY, UnitOfWork()) as (connection, _):
            removed = remove_oldest(Statements(connection, self._dialect), first_kept, in_use)
            self._dialect.commit(connection)
            return removed

    def listen(self) -> Listener:
        return self._dialect.listen()

    @property
    def poll_interval_s(self) -> float:
        return self._dialect.poll_interval_s

    @contextmanager
    def _writing(self, origin: Origin, unit: UnitOfWork) -> Iterator[tuple[Connection, SqlWriter]]:
        """Yield a connection whose transaction has the lock for writing, and a writer on it."""
        engine = self._open_engine().execution_options(**self._dialect.writer_options)
        self._dialect.check_access()
        with self._taking_turns(), self._dialect.connecting(engine) as connection:
            self._dialect.check_place()
            writer = SqlWriter(connection, self._dialect, unit, origin, self._clock)
            self._lock(writer)
            yield connection, writer

    def _lock(self, writer: SqlWriter) -> None:
        try:
            writer.lock()
        except StorageError as error:
            if isinstance(error, StorageUnavailableError) and error.reason != "schema missing":
                raise
            # A later schema may lack what the statement asks for.
            require_version(read_versions(self._dialect, self._open_engine()), self._dialect.place)
            raise

    def _open_engine(self) -> Engine:
        if self._engine is None:
            raise StorageUnavailableError(f"the storage {self._dialect.place} is not open: call open() first")
        return self._engine

    @contextmanager
    def _taking_turns(self) -> Iterator[None]:
        timeout_s = self._dialect.lock_timeout_s
        if not self._write_lock.acquire(timeout=timeout_s):
            raise StorageUnavailableError(
                f"writing to {self._dialect.place} failed: other writes of this process took {timeout_s:g} seconds",
                "busy",
            )
        try:
            yield
        finally:
            self._write_lock.release()
