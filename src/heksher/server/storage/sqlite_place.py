"""Tells whether the files of an SQLite database that a process has open are still those in its place.

SQLite goes on with files that were deleted, moved away or written over while it has them open. What it stores then is
lost with the process, or spoils what has taken their place.
"""

import sqlite3
import threading
import time
from pathlib import Path
from typing import Final, NamedTuple

from heksher.server.storage.sqlite_file import list_companions
from heksher.server.storage.sqlite_wal import Mark, find_log, read_file_mark, read_mark
from heksher.server.storage.storage_errors import StorageUnavailableError


class _File(NamedTuple):
    """What identifies a file as long as it exists."""

    device: int
    inode: int


class _Marks(NamedTuple):
    """What is found at one moment.

    Attributes:
        of_file: the mark in the file, which lacks what is in the log alone.
        of_database: the mark of the database with its log.
        data_version: changes whenever somebody has committed.
    """

    of_file: Mark
    of_database: Mark
    data_version: int

    def may_follow(self, former: "_Marks | None") -> bool:
        """Return whether this can be found if nobody wrote the file over; ``former`` was found the last time."""
        if former is None:
            return self.of_file.may_get(self.of_database.file_id)
        if self.data_version == former.data_version and self.of_database != former.of_database:
            return False
        if self.of_file in {former.of_file, former.of_database, self.of_database}:
            return True
        # A part of the log was moved into the file, which never goes back.
        is_of_same = self.of_file.file_id in {0, former.of_file.file_id}
        is_back = is_of_same and not former.of_file.may_become(self.of_file)
        return self.of_file.may_become(self.of_database) and not is_back


class OpenPlace:
    """The files that the connections of this process are open to. Thread-safe.

    It keeps a connection of its own, so that SQLite keeps the files beside the database. That one can only read: the
    connection that is closed last moves the log into the file, if it can write. So this one is never closed where
    somebody else has written the file over, for the log would be mixed into what is there now.

    Args:
        file: the database file; no link, as SQLite keeps the other files beside what a link leads to.
        named: the file as people name it, which may be a link.
    """

    def __init__(self, file: Path, named: Path) -> None:
        self._file = file
        self._named = named
        # The files, once they are known.
        self._known: dict[Path, _File] = {}
        # Guards what follows: what was found at an earlier moment must not take the place of what is found later.
        self._lock = threading.Lock()
        # None while it is not open.
        self._keeper: sqlite3.Connection | None = None
        # What was found last; None before.
        self._marks: _Marks | None = None

    @property
    def is_known(self) -> bool:
        """Whether there has been a connection to the file."""
        return self._named in self._known

    def forget(self) -> None:
        """Take whatever files are found next for those in the place."""
        self._known = {}
        self._marks = None

    def open(self) -> None:
        """Take the files beside the database for those in use, which stay until this is closed.

        Raises:
            sqlite3.Error: the database cannot be read.
        """
        keeper = sqlite3.connect(
            f"{self._file.as_uri()}?mode=ro", uri=True, isolation_level=None, check_same_thread=False
        )
        try:
            # SQLite opens the log with the first read.
            read_mark(keeper)
        except sqlite3.Error:
            keeper.close()
            raise
        self._keeper = keeper
        self._known |= {path: _identify(path) for path in list_companions(self._file) if path.exists()}

    def close(self) -> None:
        """Give the files free, unless the file was written over. To be called before the last connection is closed."""
        try:
            self.check_content()
            is_right = True
        except (StorageUnavailableError, sqlite3.Error):
            is_right = False
        # Another thread may be looking.
        with self._lock:
            keeper, self._keeper = self._keeper, None
            if keeper is not None and is_right:
                keeper.close()
            elif keeper is not None:
                _NEVER_CLOSED.append(keeper)
        self._known = {path: known for path, known in self._known.items() if path == self._named}

    def check_file(self) -> None:
        """Check that the database file is in its place. The first one that is found there is the right one.

        Raises:
            StorageUnavailableError: it is gone, or another one is there.
        """
        try:
            found = _identify(self._named)
        except OSError as error:
            raise StorageUnavailableError(f"the database file {self._named} is gone: {error}", "file gone") from error
        if self._known.setdefault(self._named, found) != found:
            raise StorageUnavailableError(
                f"the database file {self._named} was replaced by another one while in use: put the former one back;"
                f" or {self._describe_new_file()}",
                "file replaced",
            )

    def check(self) -> None:
        """Check that the file and those beside it are in their places.

        Raises:
            StorageUnavailableError: one is gone, or another one is there.
        """
        self.check_file()
        for path, known in list(self._known.items()):
            try:
                is_there = _identify(path) == known
            except FileNotFoundError:
                raise StorageUnavailableError(
                    f"{path} is gone, which belongs to a database in use: {_LOG_REMEDY}", "file gone"
                ) from None
            if not is_there:
                raise StorageUnavailableError(
                    f"{path} was replaced by another one while in use: {_LOG_REMEDY}", "file replaced"
                )

    def is_log_gone(self) -> bool:
        """Return whether the database file is in its place, and its log neither there nor replaced."""
        try:
            self.check_file()
        except StorageUnavailableError:
            return False
        log = find_log(self._file)
        return log in self._known and not log.exists()

    def check_content(self) -> None:
        """Check that nobody has written the file over, who did not write through SQLite.

        Raises:
            StorageUnavailableError: somebody has, or the file cannot be read.
            sqlite3.Error: the database cannot be read.
        """
        for _ in range(_MAX_LOOKS):
            with self._lock:
                if self._keeper is None:
                    return
                marks = self._look(self._keeper)
                if marks.may_follow(self._marks):
                    self._marks = marks
                    return
            # Another process may be noting its start, which takes it two steps.
            time.sleep(_LOOK_INTERVAL_S)
        raise self._make_written_over()

    def find_fault(self) -> StorageUnavailableError | None:
        """Return what is wrong with the files, as the cause of an error; ``None`` if nothing is."""
        if not self.is_known:
            return None
        try:
            self.check()
            self.check_content()
        except StorageUnavailableError as error:
            return error
        except sqlite3.Error:
            marks = self._marks
            is_foreign = marks is not None and self._read_file_mark().file_id not in {
                mark.file_id for mark in marks[:2]
            }
            return self._make_written_over() if is_foreign else None
        return None

    def _look(self, keeper: sqlite3.Connection) -> _Marks:
        # First: what is in the file cannot be later than the database then.
        of_file = self._read_file_mark()
        keeper.execute("BEGIN")
        try:
            of_database = read_mark(keeper)
            ((data_version,),) = keeper.execute("PRAGMA data_version")
        finally:
            keeper.execute("ROLLBACK")
        return _Marks(of_file, of_database, data_version)

    def _read_file_mark(self) -> Mark:
        try:
            return read_file_mark(self._file)
        except sqlite3.Error as error:
            raise StorageUnavailableError(f"the database file {self._file} cannot be read: {error}") from error

    def _make_written_over(self) -> StorageUnavailableError:
        return StorageUnavailableError(
            f"the database file {self._file} was written over while in use, so it does not fit what is beside it:"
            f" {self._describe_new_file()}",
            "file replaced",
        )

    def _describe_new_file(self) -> str:
        name = self._file.name
        return (
            f"stop the service, move {name}, {name}-wal and {name}-shm elsewhere, as far as they are there, put the"
            " file that you want in their place, and start the service"
        )


_LOG_REMEDY: Final = (
    "stop the service in an orderly way (SIGTERM), so that it moves the changes which it still has there into the"
    " database, and start it again"
)
_MAX_LOOKS: Final = 5
_LOOK_INTERVAL_S: Final = 0.02
# Connections that the end of the process ends.
_NEVER_CLOSED: Final[list[sqlite3.Connection]] = []


def _identify(path: Path) -> _File:
    found = path.stat()
    return _File(found.st_dev, found.st_ino)
