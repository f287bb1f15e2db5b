"""How the SQL storage uses SQLite.

The file is in WAL mode, so readers see the snapshot that was current when they began and do not block writers. ``BEGIN
IMMEDIATE`` takes the only write lock at the start: a transaction that begins with reading may fail when it first
writes. ``synchronous=FULL``: a commit is on the disk when it returns.
"""

import logging
import math
import os
import re
import sqlite3
import stat
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Final, cast

from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.exc import DBAPIError

from heksher.server.storage.dialect import MAX_POOL_OVERFLOW, POOL_SIZE, Dialect
from heksher.server.storage.listener import Listener
from heksher.server.storage.sqlite_file import create_private, is_open_to_all, list_companions
from heksher.server.storage.sqlite_place import OpenPlace
from heksher.server.storage.sqlite_wal import count_commit, note_start, require_own_log
from heksher.server.storage.storage_errors import Reason, StorageCorruptError, StorageError, StorageUnavailableError

# What a small change takes, with what SQLite writes besides.
LEAST_ROOM_BYTES: Final = 256 * 1024

logger: logging.Logger = logging.getLogger(__name__)


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
        named = Path(str(url.database)).absolute()
        self._path = _follow_links(named)
        # The file whose owner and mode a new database gets; None for those of this process.
        self._original: Path | None = None
        self._open_place = OpenPlace(self._path, named)
        super().__init__(str(named), {"heksher_begin": "BEGIN"}, {"heksher_begin": "BEGIN IMMEDIATE"})
        # How long to wait for other processes; the URL can override it.
        self._file_lock_timeout_s = _read_lock_timeout(url, self.lock_timeout_s)

    @classmethod
    def of_file(cls, file: Path) -> "SqliteDialect":
        """Return the dialect for a file, whatever its name looks like."""
        return cls(URL.create("sqlite", database=str(file)))

    @property
    def file(self) -> Path:
        """The database file."""
        return self._path

    def belong_like(self, original: Path) -> None:
        """Let the database get the owner and the mode of another file, if it has to be created."""
        self._original = original

    def make_engine(self) -> Engine:
        self._open_place.forget()
        _require_own_log(self._path)
        engine = create_engine(
            URL.create("sqlite", database=str(self._path)),
            creator=self._connect,
            pool_size=POOL_SIZE,
            max_overflow=MAX_POOL_OVERFLOW,
            pool_timeout=self.lock_timeout_s,
            hide_parameters=True,
        )
        event.listen(engine, "begin", _begin)
        try:
            with self.translating("connecting"), engine.connect(), self._explaining("connecting"):
                self._open_place.open()
        except BaseException:
            engine.dispose()
            raise
        return engine

    def close_engine(self, engine: Engine) -> None:
        self._open_place.close()
        super().close_engine(engine)

    def note_start(self, *, is_migrated: bool) -> None:
        if is_open_to_all(self._path):
            # Not changed here: somebody may have wanted it so.
            logger.warning("the database file %s can be read or written by any user: chmod o-rwx it", self.place)
        if self._path.stat().st_nlink > 1:
            logger.warning(
                "the database file %s has other names (hard links): never open it by one of them, for SQLite keeps what"
                " is not in the file yet beside each name",
                self.place,
            )
        note_start(self._path, is_migrated=is_migrated)

    def lock_schema(self, connection: Connection) -> None:
        # BEGIN IMMEDIATE has taken the lock.
        pass

    def lock_writers(self, connection: Connection) -> None:
        # BEGIN IMMEDIATE has taken the lock.
        pass

    def announce(self, connection: Connection, revision: int) -> None:
        # No other process could receive it.
        pass

    def commit(self, connection: Connection) -> None:
        with self._explaining("storing a change"):
            self._open_place.check_content()
            count_commit(_get_driver(connection))
        super().commit(connection)

    def listen(self) -> Listener:
        return Listener()

    def check_exists(self) -> None:
        if not self._path.exists():
            raise StorageUnavailableError(f"there is no database file {self.place}")

    def check_makeable(self) -> None:
        directory = self._path.parent
        if not self._path.exists() and not (directory.is_dir() and os.access(directory, os.W_OK | os.X_OK)):
            raise StorageUnavailableError(
                f"the database file {self.place} cannot be made: create the directory {directory} first, and let this"
                " process write to it"
            )

    def check_place(self) -> None:
        self._open_place.check()

    def check_access(self) -> None:
        self.check_place()
        # An open file can be written to whatever its mode has become, until the service is started again.
        if not os.access(self._path, os.W_OK):
            raise StorageUnavailableError(f"the database file {self.place} is read-only; {_ACCESS_REMEDY}", "read-only")
        for path in list_companions(self._path):
            if path.exists() and not os.access(path, os.W_OK):
                self._lend_mode(path)

    def check_writes(self, engine: Engine) -> None:
        try:
            self.check_access()
        except StorageUnavailableError:
            self._rescue_log(engine)
            raise
        with self._explaining("checking"):
            self._open_place.check_content()
        room = os.statvfs(self._path)
        # Of what is reserved for root, others can use nothing.
        free_blocks = room.f_bfree if os.geteuid() == 0 else room.f_bavail
        if free_blocks * room.f_frsize < LEAST_ROOM_BYTES:
            raise StorageUnavailableError(
                f"the file system of {self.place} has less than {LEAST_ROOM_BYTES:,} bytes left; make room on the disk",
                "disk full",
            )

    def _rescue_log(self, engine: Engine) -> None:
        """Move what is in a log that was removed into the database, so that it survives this process."""
        if self._open_place.is_log_gone():
            with suppress(StorageError), self._explaining("moving the log"), self.connecting(engine) as connection:
                self._open_place.check_content()
                _get_driver(connection).execute("PRAGMA wal_checkpoint(PASSIVE)")

    def _lend_mode(self, path: Path) -> None:
        """Give a file beside the database the mode of that, as SQLite did when the database was read-only."""
        try:
            path.chmod(stat.S_IMODE(self._path.stat().st_mode))
        except OSError:
            raise StorageUnavailableError(f"the file {path} is read-only; {_ACCESS_REMEDY}", "read-only") from None

    def _connect(self) -> sqlite3.Connection:
        # Once the file is known, it is never made anew: in place of one that was deleted, new connections would have an
        # empty database.
        is_known = self._open_place.is_known
        if is_known:
            self.check_place()
        else:
            create_private(self._path, self._original)
        connection = sqlite3.connect(
            f"{self._path.as_uri()}?mode={'rw' if is_known else 'rwc'}",
            uri=True,
            timeout=self._file_lock_timeout_s,
            # Transactions begin in _begin: on its own, the driver would begin one too late for readers.
            isolation_level=None,
            # The pool passes a connection from thread to thread, but never to two at once.
            check_same_thread=False,
        )
        try:
            # The file may have been replaced since the look above.
            self._open_place.check_file()
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

    @contextmanager
    def _explaining(self, doing: str) -> Iterator[None]:
        """Do for errors of the driver what ``translating`` does for those of SQLAlchemy."""
        try:
            yield
        except sqlite3.Error as error:
            raise self._explain(error, doing) from error

    def _translate(self, error: DBAPIError, doing: str) -> StorageError:
        return self._explain(error.orig, doing)

    def _explain(self, error: BaseException | None, doing: str) -> StorageError:
        # A file that was written over shows itself in any error at all.
        if (fault := self._open_place.find_fault()) is not None:
            return fault
        # The lowest byte of an extended result code is the primary one. Errors of the driver itself have no code.
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
        message = f"{doing} failed on the database file {self.place}: {error}"
        if code in {sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT}:
            return StorageCorruptError(f"{message}; restore it from a backup, or name another file")
        if code == sqlite3.SQLITE_ERROR and _MISSING.match(str(error)):
            return StorageUnavailableError(f"{message}; were the tables dropped?", "schema missing")
        if code not in _SQLITE_REMEDIES:
            return StorageError(message)
        reason, remedy = _SQLITE_REMEDIES[code]
        if not self._path.parent.is_dir():
            remedy = f"create the directory {self._path.parent} first"
        return StorageUnavailableError(f"{message}; {remedy}", reason)


_ACCESS_REMEDY: Final = "this process must be able to write the file and its directory"
_LOCK_REMEDY: Final = "another process holds its lock: find out which (fuser, lsof), or try again"
_SQLITE_REMEDIES: Final[Mapping[int, tuple[Reason, str]]] = {
    sqlite3.SQLITE_BUSY: ("locked", _LOCK_REMEDY),
    sqlite3.SQLITE_LOCKED: ("locked", _LOCK_REMEDY),
    sqlite3.SQLITE_FULL: ("disk full", "make room on the disk"),
    sqlite3.SQLITE_IOERR: ("disk error", "look at the disk and its file system"),
    sqlite3.SQLITE_CANTOPEN: ("database down", _ACCESS_REMEDY),
    sqlite3.SQLITE_PERM: ("read-only", _ACCESS_REMEDY),
    sqlite3.SQLITE_READONLY: ("read-only", _ACCESS_REMEDY),
}
# SQLite has no code of its own for it.
_MISSING: Final = re.compile("no such (table|column)")


def copy_file(file: Path, copy: Path) -> None:
    """Copy a database, including the files that SQLite keeps beside it, as of one moment, without writing to it.

    Raises:
        StorageError: the file does not exist, or cannot be read.
    """
    source = SqliteDialect.of_file(file)
    source.check_exists()
    _require_own_log(source.file)
    # Where nobody uses the database, SQLite would make the files beside it, and leave them there.
    is_quiet = _is_quiet(source.file)
    _copy_as_of_one_moment(source.file, copy, "&immutable=1" if is_quiet else "")
    if is_quiet and not _is_quiet(source.file):
        # Somebody has begun to use it meanwhile.
        copy.unlink()
        _copy_as_of_one_moment(source.file, copy, "")


def _is_quiet(file: Path) -> bool:
    return not any(path.exists() for path in list_companions(file))


def _copy_as_of_one_moment(file: Path, copy: Path, parameter: str) -> None:
    try:
        with (
            closing(sqlite3.connect(f"{file.as_uri()}?mode=ro{parameter}", uri=True)) as reading,
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


def _follow_links(named: Path) -> Path:
    try:
        path = named.resolve()
    except (OSError, RuntimeError) as error:
        raise StorageError(f"the links that {named} leads along cannot be followed: {error}") from error
    if path.is_dir():
        raise StorageError(f"{named} is a directory: name a file in it")
    return path


def _require_own_log(file: Path) -> None:
    try:
        require_own_log(file)
    except OSError as error:
        raise StorageUnavailableError(f"{file} cannot be read: {error.strerror}; {_ACCESS_REMEDY}") from error


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


def _get_driver(connection: Connection) -> sqlite3.Connection:
    return cast("sqlite3.Connection", connection.connection.dbapi_connection)


def _begin(connection: Connection) -> None:
    connection.exec_driver_sql(connection.get_execution_options().get("heksher_begin", "BEGIN"))
