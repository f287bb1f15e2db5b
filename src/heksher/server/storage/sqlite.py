"""How the SQL storage uses SQLite.

The file is in WAL mode, so readers see the snapshot that was current when they began and do not block writers. ``BEGIN
IMMEDIATE`` takes the only write lock at the start: a transaction that begins with reading may fail when it first
writes. ``synchronous=FULL``: a commit is on the disk when it returns.
"""

import math
import os
import sqlite3
import time
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Final

from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.exc import DBAPIError

from heksher.server.storage.dialect import MAX_POOL_OVERFLOW, POOL_SIZE, Dialect, first_line
from heksher.server.storage.listener import Listener
from heksher.server.storage.storage_errors import StorageCorruptError, StorageError, StorageUnavailableError


class SqliteDialect(Dialect):
    """An SQLite file.

    SQLite does not announce the writes of other processes, but polling for them costs only microseconds.

    Args:
        url: ``?timeout=SECONDS`` sets how long to wait for locks of other processes, instead of ``LOCK_TIMEOUT_S``.
    """

    poll_interval_s: float = 0.1

    def __init__(self, url: URL) -> None:
        if url.database in {None, "", ":memory:"}:
            raise StorageError("an SQLite database needs a file, such as sqlite:///heksher.db; for a test use memory:")
        # A relative path would mean another file once the process changes its directory.
        self._path = Path(str(url.database)).absolute()
        # The file that connections are open to, once known.
        self._inode: int | None = None
        super().__init__(str(self._path), {"heksher_begin": "BEGIN"}, {"heksher_begin": "BEGIN IMMEDIATE"})
        # How long to wait for other processes; the URL can override it.
        self._file_lock_timeout_s = _read_lock_timeout(url, self.lock_timeout_s)

    @classmethod
    def of_file(cls, file: Path) -> "SqliteDialect":
        """Return the dialect for a file, whatever its name looks like."""
        return cls(URL.create("sqlite", database=str(file)))

    def make_engine(self) -> Engine:
        self._inode = None
        engine = create_engine(
            URL.create("sqlite", database=str(self._path)),
            creator=self._connect,
            pool_size=POOL_SIZE,
            max_overflow=MAX_POOL_OVERFLOW,
            pool_timeout=self.lock_timeout_s,
        )
        event.listen(engine, "begin", _begin)
        return engine

    def lock_schema(self, connection: Connection) -> None:
        # BEGIN IMMEDIATE has taken the lock.
        pass

    def lock_writers(self, connection: Connection) -> None:
        # BEGIN IMMEDIATE has taken the lock.
        pass

    def announce(self, connection: Connection, revision: int) -> None:
        # No other process could receive it.
        pass

    def listen(self) -> Listener:
        return Listener()

    def check_exists(self) -> None:
        if not self._path.exists():
            raise StorageUnavailableError(f"there is no database file {self.place}")

    def check_place(self) -> None:
        # A deleted file stays usable while it is open, so a write would succeed and be lost with the process.
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
            timeout=self._file_lock_timeout_s,
            # Transactions begin in _begin: on its own, the driver would begin one too late for readers.
            isolation_level=None,
            # The pool passes a connection from thread to thread, but never to two at once.
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
        deadline = time.monotonic() + self._file_lock_timeout_s
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
        # The lowest byte of an extended result code is the primary one. Errors of the driver itself have no code.
        code = getattr(error.orig, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
        message = f"{doing} failed on the database file {self.place}: {first_line(error)}"
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


def copy_file(file: Path, copy: Path) -> None:
    """Copy a database, including the files that SQLite keeps beside it, as of one moment, without writing to it.

    Raises:
        StorageError: the file does not exist, or cannot be read.
    """
    source = SqliteDialect.of_file(file)
    source.check_exists()
    try:
        with (
            closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True)) as reading,
            closing(sqlite3.connect(copy)) as writing,
        ):
            reading.backup(writing)
    except sqlite3.DatabaseError as error:
        raise StorageError(f"{file} cannot be copied: {error}") from error


def finish_file(file: Path) -> None:
    """Turn a closed database into a single file, and make sure that it is on the disk."""
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA journal_mode = DELETE")
    with file.open("rb") as written:
        os.fsync(written.fileno())


def _read_lock_timeout(url: URL, default_s: float) -> float:
    if unknown := sorted(url.query.keys() - {"timeout"}):
        raise StorageError(f"unknown parameter {unknown[0]!r} in the database URL: SQLite's has only timeout=SECONDS")
    try:
        timeout_s = float(str(url.query.get("timeout", default_s)))
        if not 0 <= timeout_s < math.inf:
            raise ValueError
    except ValueError:
        raise StorageError(f"timeout={url.query['timeout']!r} in the database URL is no number of seconds") from None
    return timeout_s


def _try_wal(connection: sqlite3.Connection) -> str | None:
    try:
        return str(connection.execute("PRAGMA journal_mode = WAL").fetchone()[0])
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode != sqlite3.SQLITE_BUSY:
            raise
        return None


def _begin(connection: Connection) -> None:
    connection.exec_driver_sql(connection.get_execution_options().get("heksher_begin", "BEGIN"))
