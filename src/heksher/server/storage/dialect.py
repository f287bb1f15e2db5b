"""What a database is to the SQL storage, whichever it is."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Final

from sqlalchemy import BigInteger, Connection, Engine, Integer, event
from sqlalchemy.exc import DBAPIError, IntegrityError, InvalidRequestError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.pool import ConnectionPoolEntry

from heksher.server.storage.listener import Listener
from heksher.server.storage.storage_errors import ContractError, StorageError, StorageUnavailableError

# A key of 64 bits. SQLite's integers have that many, but only INTEGER is the row's own number there.
BIG_KEY: Final = BigInteger().with_variant(Integer(), "sqlite")
MAX_BIG_KEY: Final = 2**63 - 1

# How long a call waits for a lock that another write or process holds, or for a free connection, before it is
# unavailable.
LOCK_TIMEOUT_S: Final = 10.0

# Connections of one process: kept open, and opened in addition while all of those are in use. PostgreSQL takes 97 of
# ordinary users unless it is told otherwise: enough for eight processes with all of theirs, and one each that listens.
POOL_SIZE: Final = 3
MAX_POOL_OVERFLOW: Final = 8


class Dialect(ABC):
    """A database, and how it is used.

    Attributes:
        place: which database it is, for messages; never with a password.
        reader_options, writer_options: execution options of SQLAlchemy for units of work.
        lock_timeout_s: how long a call waits for a lock or a free connection.
        poll_interval_s: how often to look for writes of other processes.
    """

    poll_interval_s: float

    def __init__(self, place: str, reader_options: Mapping[str, object], writer_options: Mapping[str, object]) -> None:
        self.place = place
        self.reader_options = reader_options
        self.writer_options = writer_options
        self.lock_timeout_s = LOCK_TIMEOUT_S

    @abstractmethod
    def make_engine(self) -> Engine:
        """Make the engine; nothing is connected yet.

        Raises:
            StorageError: a library that is needed for this database is not installed.
        """

    @abstractmethod
    def lock_schema(self, connection: Connection) -> None:
        """Keep other processes from migrating until the transaction's end, which may take its time."""

    @abstractmethod
    def check_exists(self) -> None:
        """Raise ``StorageUnavailableError`` if there is no database yet, and connecting would make one."""

    @abstractmethod
    def check_place(self) -> None:
        """Raise ``StorageUnavailableError`` if open connections lead to a database that has left its place."""

    @abstractmethod
    def announce(self, connection: Connection, revision: int) -> None:
        """Tell other processes of a revision, once the transaction is committed, if the database can do that."""

    @abstractmethod
    def listen(self) -> Listener:
        """Listen for what other processes announce."""

    def commit(self, connection: Connection) -> None:
        """Store what a transaction has changed."""
        with self.translating("storing a change"):
            connection.commit()

    @contextmanager
    def connecting(self, engine: Engine) -> Iterator[Connection]:
        """Return a connection for the block; what was not committed at its end is undone."""
        with self.translating("connecting"):
            connection = engine.connect()
        try:
            yield connection
        finally:
            # If it is broken there is nothing to undo, and the error that matters is on its way already.
            with suppress(SQLAlchemyError):
                connection.close()

    @contextmanager
    def translating(self, doing: str) -> Iterator[None]:
        """Turn the errors of SQLAlchemy and the driver into those of this package.

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
            # SQLAlchemy says so of a unit of work that goes on after the connection was lost.
            raise StorageUnavailableError(f"{doing} failed: the connection to {self.place} was lost before") from error

    @abstractmethod
    def _translate(self, error: DBAPIError, doing: str) -> StorageError:
        """Return the error of this package that an error of the driver means."""


def close_engine(engine: Engine) -> None:
    """Close all connections of an engine: those that are idle at once, those in use as soon as they are given back."""
    # A pool that is disposed of keeps what is given back later, and so does the one that takes its place.
    event.listen(engine, "checkin", _close_returned)
    engine.dispose()


def _close_returned(_connection: object, entry: ConnectionPoolEntry) -> None:
    entry.close()


def first_line(error: DBAPIError) -> str:
    """Return the driver's own words: those of SQLAlchemy quote the statement and its values."""
    return str(error.orig).partition("\n")[0]
