"""Tells whether the files of an SQLite database that a process has open are still those in its place.

SQLite goes on with files that were deleted, moved away or written over while it has them open. What it stores then is
lost with the process, or spoils what has taken their place.
"""

import sqlite3
import threading
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
    """The marks of one moment: of the file, which lacks what is in the log alone, and of the database with its log."""

    of_file: Mark
    of_database: Mark


class OpenPlace:
    """The files that the connections of this process are open to. Thread-safe.

    Args:
        file: the database file.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        # The files, once they are known.
        self._known: dict[Path, _File] = {}
        # Guards the marks: those of an earlier moment must not take the place of later ones.
        self._lock = threading.Lock()
        # Those that were found last; None before.
        self._marks: _Marks | None = None

    @property
    def is_known(self) -> bool:
        """Whether there has been a connection to the file."""
        return self._file in self._known

    def forget(self) -> None:
        """Take whatever files are found next for those in the place."""
        self._known = {}
        self.forget_marks()

    def forget_marks(self) -> None:
        """Take whatever is found next in the file for what belongs there."""
        with self._lock:
            self._marks = None

    def check_file(self) -> None:
        """Check that the database file is in its place. The first one that is found there is the right one.

        Raises:
            StorageUnavailableError: it is gone, or another one is there.
        """
        try:
            found = _identify(self._file)
        except OSError as error:
            raise StorageUnavailableError(f"the database file {self._file} is gone: {error}", "file gone") from error
        if self._known.setdefault(self._file, found) != found:
            raise StorageUnavailableError(
                f"the database file {self._file} was replaced by another one while in use: restart the service, or put"
                " the former one back",
                "file replaced",
            )

    def learn_beside(self) -> None:
        """Take the files beside the database for those in use, which stay until all connections are closed."""
        self._known |= {path: _identify(path) for path in list_companions(self._file) if path.exists()}

    def forget_beside(self) -> None:
        """Take whatever is beside the database for right: there may be no connection any more."""
        self._known = {path: known for path, known in self._known.items() if path == self._file}

    def check(self) -> None:
        """Check that the file and those beside it are in their places.

        Raises:
            StorageUnavailableError: one is gone, or another one is there.
        """
        self.check_file()
        for path, known in self._known.items():
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

    def check_content(self, connection: sqlite3.Connection) -> None:
        """Check that nobody has written the file over, who did not write through SQLite.

        Args:
            connection: a connection that has not begun to read, or has locked the database for writing.

        Raises:
            StorageUnavailableError: somebody has, or the file cannot be read.
            sqlite3.Error: the connection cannot be used.
        """
        with self._lock:
            former = self._marks
            # In this order: what is in the file already cannot be later than the database.
            marks = _Marks(self._read_file_mark(), read_mark(connection))
            if marks.of_file.may_become(marks.of_database) and (
                former is None or all(map(Mark.may_become, former, marks))
            ):
                self._marks = marks
                return
        raise self._make_written_over()

    def find_fault(self) -> StorageUnavailableError | None:
        """Return what is wrong with the files as far as it shows without the database; ``None`` if nothing does."""
        if not self.is_known:
            return None
        try:
            self.check()
            with self._lock:
                is_same = self._marks is None or self._marks.of_file.may_become(self._read_file_mark())
        except StorageUnavailableError as error:
            return error
        return None if is_same else self._make_written_over()

    def _make_written_over(self) -> StorageUnavailableError:
        return StorageUnavailableError(
            f"the database file {self._file} was written over while in use, so it does not fit what is beside"
            f" it: stop the service, remove {self._file.name}-wal and {self._file.name}-shm if they are left, put the"
            " file that you want there, and start the service",
            "file replaced",
        )

    def _read_file_mark(self) -> Mark:
        try:
            return read_file_mark(self._file)
        except sqlite3.Error as error:
            raise StorageUnavailableError(f"the database file {self._file} cannot be read: {error}") from error


_LOG_REMEDY: Final = (
    "stop the service in an orderly way (SIGTERM), so that it moves the changes which it still has there into the"
    " database, and start it again"
)


def _identify(path: Path) -> _File:
    found = path.stat()
    return _File(found.st_dev, found.st_ino)
