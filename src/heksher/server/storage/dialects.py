"""What each database does in its own way. This is the only module that names a database.

Both give the guarantees of ``base`` by the means that they have:

* SQLite: a file in WAL mode, so that readers see the snapshot that was current when they began and hinder no writer.
  ``BEGIN IMMEDIATE`` takes the one write lock at the start: a transaction that began by reading could only fail when
  it wants to write later. ``synchronous=FULL``: a commit is on the disk when it returns.
* PostgreSQL: a reader's transaction is ``REPEATABLE READ``. A writer's is ``READ COMMITTED``: it waits for a row lock
  in its first statement, and what it reads after that must be as new as the lock, not as old as the transaction.
"""

import importlib.util
import sqlite3
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from sqlalchemy import URL, BigInteger, Connection, Engine, Integer, create_engine, event, make_url, text
from sqlalchemy.exc import ArgumentError, DBAPIError, IntegrityError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from heksher.server.storage.errors import ContractError, StorageCorruptError, StorageError, StorageUnavailableError

# A key of 64 bits. SQLite's integers have that many, but only INTEGER is the row's own number there.
BIG_KEY: Final = BigInteger().with_variant(Integer(), "sqlite")
MAX_BIG_KEY: Final = 2**63 - 1

# How long a call waits for a lock that another process holds, or for a free connection, before it is unavailable.
LOCK_TIMEOUT_S: Final = 10.0

_FORMS: Final = "a file path, sqlite:///FILE, postgresql://USER:PASSWORD@HOST:PORT/DATABASE or memory:"


class Dialect(ABC):
    """A database, and how it is used.

    Attributes:
        place: which database it is, for messages; never with a password.
        reader_options, writer_options: execution options of SQLAlchemy for units of work.
    """

    def __init__(self, place: str, reader_options: Mapping[str, object], writer_options: Mapping[str, object]) -> None:
        self.place = place
        self.reader_options = reader_options
        self.writer_options = writer_options

    @abstractmethod
    def make_engine(self) -> Engine:
        """Make the engine; nothing is connected yet.

        Raises:
            StorageError: a library that is needed for this database is not installed.
        """

    @abstractmethod
    def lock_schema(self, connection: Connection) -> None:
        """Keep other processes from creating tables until the transaction's end."""

    @abstractmethod
    def check_place(self) -> None:
        """Raise ``StorageUnavailableError`` if open connections lead to a database that has left its place."""

    @contextmanager
    def translating(self, doing: str) -> Iterator[None]:
        """Turn the errors of SQLAlchemy and the driver into those of this package.

        Args:
            doing: what the block does, for messages: ``adding rule 7 ...``.
        """
        try:
            yield
        except IntegrityError as error:
            raise ContractError(f"{doing} contradicts what is stored in {self.place}: {_first_line(error)}") from error
        except DBAPIError as error:
            raise self._translate(error, doing) from error
        except PoolTimeoutError as error:
            raise StorageUnavailableError(
                f"{doing} failed: all connections to {self.place} were in use for {LOCK_TIMEOUT_S:.0f} seconds"
            ) from error

    @abstractmethod
    def _translate(self, error: DBAPIError, doing: str) -> StorageError:
        """Give the error of this package that an error of the driver means."""


class SqliteDialect(Dialect):
    """An SQLite file.

    Args:
        url: with ``?timeout=SECONDS``, another time than ``LOCK_TIMEOUT_S`` to wait for locks.
    """

    def __init__(self, url: URL) -> None:
        if url.database in {None, "", ":memory:"}:
            raise StorageError("an SQLite database needs a file, such as sqlite:///heksher.db; for a test use memory:")
        # A relative path would mean another file as soon as the process changes its directory.
        self._path = Path(str(url.database)).absolute()
        # The file that connections are open to, once it is known.
        self._inode: int | None = None
        self._lock_timeout_s = _read_lock_timeout(url)
        super().__init__(str(self._path), {"heksher_begin": "BEGIN"}, {"heksher_begin": "BEGIN IMMEDIATE"})

    def make_engine(self) -> Engine:
        self._inode = None
        engine = create_engine(
            URL.create("sqlite", database=str(self._path)), creator=self._connect, pool_timeout=LOCK_TIMEOUT_S
        )
        event.listen(engine, "begin", _begin)
        return engine

    def lock_schema(self, connection: Connection) -> None:
        # BEGIN IMMEDIATE has done it.
        pass

    def check_place(self) -> None:
        # A deleted file stays usable for those who have it open, so a write would succeed and be lost with the process.
        try:
            inode = self._path.stat().st_ino
        except OSError as error:
            raise StorageUnavailableError(f"the database file {self.place} is gone: {error}") from error
        if self._inode is None:
            self._inode = inode
        elif self._inode != inode:
            raise StorageUnavailableError(
                f"the database file {self.place} was replaced by another one while in use: restart the service"
            )

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self._path,
            timeout=self._lock_timeout_s,
            # Transactions begin in _begin: left to itself, the driver begins one too late for readers.
            isolation_level=None,
            # The pool hands a connection to one thread after another, never to two at once.
            check_same_thread=False,
        )
        try:
            connection.execute("PRAGMA foreign_keys = ON")
            connection.execute("PRAGMA synchronous = FULL")
            self._switch_to_wal(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _switch_to_wal(self, connection: sqlite3.Connection) -> None:
        deadline = time.monotonic() + self._lock_timeout_s
        # When several processes open a new file at once, SQLite refuses all but one of them without waiting.
        while (mode := _try_wal(connection)) is None:
            if time.monotonic() > deadline:
                raise StorageUnavailableError(f"the database file {self.place} is locked by another process")
            time.sleep(0.01)
        if mode != "wal":
            raise StorageUnavailableError(
                f"the database file {self.place} cannot be used in WAL mode (SQLite chose {mode!r}):"
                " its file system does not support it; put the file on a local disk"
            )

    def _translate(self, error: DBAPIError, doing: str) -> StorageError:
        # Extended result codes have the primary one in their lowest byte. Errors of the driver itself have none.
        code = getattr(error.orig, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
        message = f"{doing} failed on the database file {self.place}: {_first_line(error)}"
        if code in {sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT}:
            return StorageCorruptError(f"{message}; restore it from a backup, or name another file")
        if code not in _SQLITE_REMEDIES:
            return StorageError(message)
        if not self._path.parent.is_dir():
            return StorageUnavailableError(f"{message}; create the directory {self._path.parent} first")
        return StorageUnavailableError(f"{message}; {_SQLITE_REMEDIES[code]}")


_ACCESS_REMEDY: Final = "this process must be able to write the file and its directory"
_SQLITE_REMEDIES: Final[Mapping[int, str]] = {
    sqlite3.SQLITE_BUSY: "another process holds its lock: find out which (fuser, lsof), or try again",
    sqlite3.SQLITE_LOCKED: "another process holds its lock: find out which (fuser, lsof), or try again",
    sqlite3.SQLITE_FULL: "make room on the disk",
    sqlite3.SQLITE_IOERR: "look at the disk and its file system",
    sqlite3.SQLITE_CANTOPEN: _ACCESS_REMEDY,
    sqlite3.SQLITE_PERM: _ACCESS_REMEDY,
    sqlite3.SQLITE_READONLY: _ACCESS_REMEDY,
}


class PostgresDialect(Dialect):
    """A PostgreSQL database; parameters of libpq may follow the URL's ``?``."""

    def __init__(self, url: URL) -> None:
        user = f"{url.username}@" if url.username else ""
        port = f":{url.port}" if url.port else ""
        place = f"postgresql://{user}{url.host or ''}{port}/{url.database or ''}"
        super().__init__(
            place,
            reader_options={"isolation_level": "REPEATABLE READ", "postgresql_readonly": True},
            writer_options={"isolation_level": "READ COMMITTED"},
        )
        self._url = url.set(drivername="postgresql+psycopg")

    def make_engine(self) -> Engine:
        if importlib.util.find_spec("psycopg") is None:
            raise StorageError(f"{self.place} needs the PostgreSQL driver: pip install 'heksher[server,postgres]'")
        given = self._url.query
        settings = {name: value for name, value in _LIBPQ_DEFAULTS.items() if name not in given}
        # Of two values for one setting the server takes the later one, so what the URL says wins.
        settings["options"] = f"-clock_timeout={LOCK_TIMEOUT_S:.0f}s {given.get('options', '')}"
        # Pre-ping: a server that was restarted has closed the pool's connections, which is no reason for an error.
        return create_engine(self._url, connect_args=settings, pool_timeout=LOCK_TIMEOUT_S, pool_pre_ping=True)

    def lock_schema(self, connection: Connection) -> None:
        connection.execute(text("SELECT pg_advisory_xact_lock(hashtext('heksher schema'))"))

    def check_place(self) -> None:
        # A connection to a server that is gone fails by itself.
        pass

    def _translate(self, error: DBAPIError, doing: str) -> StorageError:
        # None where no server answered, where the connection broke off, and where the driver refuses by itself.
        state: str | None = getattr(error.orig, "sqlstate", None)
        message = f"{doing} failed on {self.place}: {_first_line(error)}"
        if state is None and isinstance(error, OperationalError | InterfaceError):
            return StorageUnavailableError(f"{message}; is the server running, and are host and port right?")
        if state is None:
            return StorageError(message)
        if state in {"XX001", "XX002"}:
            return StorageCorruptError(f"{message}; restore it from a backup")
        if state.startswith(_UNAVAILABLE_STATES):
            return StorageUnavailableError(message)
        return StorageError(message)


# Values of libpq, for whatever the URL does not say. Units: seconds; milliseconds.
_LIBPQ_DEFAULTS: Final[Mapping[str, str | int]] = {
    "connect_timeout": 5,
    "tcp_user_timeout": 10_000,
    "application_name": "heksher",
}

# Connection; read-only (a standby after a failover); authorization; no such database; rolled back for another's sake;
# resources; lock timeout; shutdown and cancellation. Source: PostgreSQL's documentation, appendix A.
_UNAVAILABLE_STATES: Final = ("08", "25006", "28", "3D", "40", "53", "55P03", "57")


def dialect_for(database: str) -> Dialect:
    """Find the dialect for a database.

    Args:
        database: a file path, ``sqlite:///FILE``, or ``postgresql://USER:PASSWORD@HOST:PORT/DATABASE`` (the driver is
            ours to choose, so one that is named in the URL is ignored).

    Raises:
        StorageError: it is none of them. The message does not quote it, because there may be a password in it.
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


def _first_line(error: DBAPIError) -> str:
    # Only the driver's own words: those of SQLAlchemy quote the statement and its values.
    return str(error.orig).partition("\n")[0]


def _read_lock_timeout(url: URL) -> float:
    if unknown := sorted(url.query.keys() - {"timeout"}):
        raise StorageError(f"unknown parameter {unknown[0]!r} in the database URL: SQLite's has only timeout=SECONDS")
    try:
        return float(str(url.query.get("timeout", LOCK_TIMEOUT_S)))
    except ValueError:
        raise StorageError(f"timeout={url.query['timeout']!r} in the database URL is no number of seconds") from None


def _try_wal(connection: sqlite3.Connection) -> str | None:
    try:
        return str(connection.execute("PRAGMA journal_mode = WAL").fetchone()[0])
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode != sqlite3.SQLITE_BUSY:
            raise
        return None


def _begin(connection: Connection) -> None:
    connection.exec_driver_sql(connection.get_execution_options().get("heksher_begin", "BEGIN"))
