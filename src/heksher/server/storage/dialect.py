"""The interface between the SQL storage and a particular database."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Final

from sqlalchemy import BigInteger, Connection, Engine, Integer, event
from sqlalchemy.exc import DBAPIError, IntegrityError, InvalidRequestError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.pool import ConnectionPoolEntry

from heksher.server.storage.listener import Listener
from heksher.server.storage.storage_errors import ContractError, Reason, StorageError, StorageUnavailableError

# A 64-bit key. SQLite's integers have 64 bits anyway, but only an INTEGER key is the row id itself.
BIG_KEY: Final = BigInteger().with_variant(Integer(), "sqlite")
MAX_BIG_KEY: Final = 2**63 - 1

# How long a call waits for a lock held by another write or process, or for a free connection, before it fails as
# unavailable.
LOCK_TIMEOUT_S: Final = 10.0
# The same for readers of a service, who can be answered from memory.
READER_LOCK_TIMEOUT_S: Final = 1.0

# Connections of one process: those kept open, and those opened in addition while all of them are in use. By default
# PostgreSQL accepts 97 connections of ordinary users: enough for eight processes with all of theirs, plus a listening
# one each.
POOL_SIZE: Final = 3
MAX_POOL_OVERFLOW: Final = 8

# A connection keeps what held when it was opened: a file that was read-only, a search_path, a default of its role. When
# that is mended, only new connections notice.
_STALE: Final[frozenset[Reason]] = frozenset({"read-only", "schema missing"})


class Dialect(ABC):
    """A database, and how the storage uses it.

    Attributes:
        place: names the database in messages; never includes a password.
        reader_options, writer_options: SQLAlchemy's execution options for units of work.
        quick_reader_options: the same for readers that do not wait for locks, or only shortly.
        lock_timeout_s: how long a call waits for a lock or a free connection.
        poll_interval_s: how often to look for writes of other processes.
    """

    poll_interval_s: float

    def __init__(self, place: str, reader_options: Mapping[str, object], writer_options: Mapping[str, object]) -> None:
        self.place = place
        self.reader_options = reader_options
        self.quick_reader_options = reader_options
        self.writer_options = writer_options
        self.lock_timeout_s = LOCK_TIMEOUT_S

    @abstractmethod
    def make_engine(self) -> Engine:
        """Return the engine; it has not connected yet. Its errors quote no values, some of which are secrets.

        Raises:
            StorageError: a library that this database needs is not installed.
        """

    def close_engine(self, engine: Engine) -> None:
        """Close an engine's connections: those that are idle at once, those in use as soon as they are given back."""
        # A pool that is disposed of keeps what is given back later, and so does the one that takes its place.
        event.listen(engine, "checkin", _close_returned)
        engine.dispose()

    @abstractmethod
    def note_start(self, *, is_migrated: bool) -> None:
        """Leave a mark in the database, if copies of its files that were made before have to differ from it.

        Args:
            is_migrated: whether this process has just migrated it.
        """

    @abstractmethod
    def lock_schema(self, connection: Connection) -> None:
        """Keep other processes from migrating until the transaction ends, which may take long."""

    @abstractmethod
    def lock_writers(self, connection: Connection) -> None:
        """Keep other transactions from writing until this one ends, from the next statement on."""

    @abstractmethod
    def check_exists(self) -> None:
        """Raise ``StorageUnavailableError`` if the database does not exist yet and connecting would create it."""

    @abstractmethod
    def check_makeable(self) -> None:
        """Raise ``StorageUnavailableError`` if connecting could not create a database that does not exist yet."""

    @abstractmethod
    def check_place(self) -> None:
        """Raise ``StorageUnavailableError`` if open connections lead to a database that is no longer in its place."""

    @abstractmethod
    def check_access(self) -> None:
        """Do what ``check_place`` does, and raise the same if open connections could write what new ones could not."""

    @abstractmethod
    def check_writes(self, engine: Engine) -> None:
        """Raise ``StorageUnavailableError`` if no write can succeed now, without writing anything."""

    @abstractmethod
    def announce(self, connection: Connection, revision: int) -> None:
        """Announce a revision to other processes when the transaction commits, if the database supports that."""

    @abstractmethod
    def listen(self) -> Listener:
        """Return a listener for the announcements of other processes."""

    def commit(self, connection: Connection) -> None:
        """Store the changes of a transaction."""
        with self.translating("storing a change"):
            connection.commit()

    @contextmanager
    def connecting(self, engine: Engine) -> Iterator[Connection]:
        """Yield a connection for the block; changes not committed by its end are rolled back."""
        with self.translating("connecting"):
            connection = engine.connect()
        try:
            yield connection
        except StorageUnavailableError as error:
            if error.reason in _STALE:
                _drop(connection, engine)
            raise
        finally:
            # A broken connection has nothing to roll back, and the error that matters is being raised already.
            with suppress(SQLAlchemyError):
                connection.close()

    @contextmanager
    def translating(self, doing: str) -> Iterator[None]:
        """Translate errors of SQLAlchemy and the driver into those of this package.

        Args:
            doing: what the block does, for messages: ``adding rule 7 ...``.
        """
        try:
            yield
        except IntegrityError as error:
            raise ContractError(f"{doing} contradicts what is stored in {self.place}: {first_line(error)}") from error
        except DBAPIError as error:
            raise self._translate(error, doing) from error
        except PoolTimeoutError as error:
            raise StorageUnavailableError(
                f"{doing} failed: all connections to {self.place} were in use for {self.lock_timeout_s:g} seconds"
            ) from error
        except InvalidRequestError as error:
            # SQLAlchemy raises this if a unit of work continues after its connection was lost.
            raise StorageUnavailableError(f"{doing} failed: the connection to {self.place} was lost before") from error

    @abstractmethod
    def _translate(self, error: DBAPIError, doing: str) -> StorageError:
        """Return the error of this package that corresponds to a driver's error."""


def _drop(connection: Connection, engine: Engine) -> None:
    """Have no connection used again that is there now."""
    with suppress(SQLAlchemyError):
        connection.invalidate()
    engine.dispose()


def _close_returned(_connection: object, entry: ConnectionPoolEntry) -> None:
    entry.close()


def first_line(error: DBAPIError) -> str:
    """Return the first line of the driver's own message: SQLAlchemy's message quotes the statement."""
    return str(error.orig).partition("\n")[0]
