"""Tells whether the write-ahead log beside an SQLite file belongs to that file.

SQLite applies whatever log it finds. A backup that is copied into the place of a database, beside the log that a killed
process left there, gets the changes back that were to be undone, or becomes malformed. So each file carries a mark, in
two fields of its first page that SQLite leaves to programs:

* ``application_id``: a random number, another one for each backup and after each start on a file without a log; a part
  of it is a check of the number before it;
* ``user_version``: counts the commits.

Each commit writes the first page, so each log begins with the count that follows the one in the file, and has the same
number. A file that is in use begins to have a log only after its header says so, which that of a backup does not.

Source: https://www.sqlite.org/fileformat2.html, sections 1.3 and 4.
"""

import secrets
import sqlite3
import struct
import time
import zlib
from collections.abc import Iterator, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple

from heksher.server.storage.storage_errors import StorageError

_MAGIC: Final = b"SQLite format 3\0"
# The parts of the first page: which way of reading it asks for (2 is with a log), and the mark.
_HEADER_BYTES: Final = 100
_READING: Final = struct.Struct(">19xB")
_COUNT: Final = struct.Struct(">60xI")
_FILE_ID: Final = struct.Struct(">68xI")
# Of the log: its magic number, version, size of pages, number, and salt; of each of its pages: number and salt.
_LOG_HEADER: Final = struct.Struct(">4I8s8x")
_FRAME: Final = struct.Struct(">2I8s8x")
_LOG_MAGICS: Final = frozenset({0x377F0682, 0x377F0683})
_WITH_LOG: Final = 2

_MAX_NUMBER: Final = 2**31 - 1
# Of a file's number, the bits that are a check of the one before it.
_CHECK: Final = 2**12 - 1
# Another process may write while the two are compared, so a difference counts only if neither has changed meanwhile.
_MAX_LOOKS: Final = 50
_LOOK_INTERVAL_S: Final = 0.02


class Mark(NamedTuple):
    """The mark in a first page.

    Attributes:
        file_id: 0 in a file that has none yet.
        commits: how many there were, from 0 again after 31 bits.
    """

    file_id: int
    commits: int

    def begins(self, log: Sequence["Mark"]) -> bool:
        """Return whether these can be the marks of the commits that follow the one with this mark."""
        if log[0].commits != (self.commits + 1) & _MAX_NUMBER:
            return False
        return self.may_get(log[0].file_id) or any(self.file_id == mark.file_id for mark in log)

    def may_become(self, later: "Mark") -> bool:
        """Return whether commits can lead from this mark to another one."""
        # The count begins anew some day.
        return self.may_get(later.file_id) and (later.commits - self.commits) & _MAX_NUMBER <= _MAX_NUMBER // 2

    def may_get(self, file_id: int) -> bool:
        """Return whether a file with this number can have another one next."""
        # What a process notes at its start is in the log first; and it may be killed before it has moved that.
        return self.file_id in {0, file_id} or file_id & _CHECK == _check(self.file_id)


class _Log(NamedTuple):
    """A log: its header, whether it has any page, and the marks of the first pages in it, oldest first."""

    header: bytes
    has_pages: bool
    marks: tuple[Mark, ...]


def count_commit(connection: sqlite3.Connection) -> None:
    """Count the commit that is about to follow, in its transaction."""
    mark = read_mark(connection)
    if mark.file_id == 0:
        _set_file_id(connection, _make_file_id(0))
    connection.execute(f"PRAGMA user_version = {(mark.commits + 1) & _MAX_NUMBER}")


def read_mark(connection: sqlite3.Connection) -> Mark:
    """Return the mark of a database as a connection sees it, with what is in the log."""
    ((file_id,),) = connection.execute("PRAGMA application_id")
    ((commits,),) = connection.execute("PRAGMA user_version")
    return Mark(file_id, commits)


def read_file_mark(file: Path) -> Mark:
    """Return the mark in a file, without what is in the log; of an empty file, or one that is none, an empty mark.

    To open and close a file gives up all locks that this process has on it, but not if SQLite does so.

    Raises:
        sqlite3.Error: the file cannot be read.
    """
    with closing(sqlite3.connect(f"{file.as_uri()}?mode=ro&immutable=1", uri=True)) as connection:
        try:
            return read_mark(connection)
        except sqlite3.DatabaseError as error:
            if error.sqlite_errorcode not in {sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT}:
                raise
            return Mark(0, 0)


def note_start(file: Path, *, is_migrated: bool = False) -> None:
    """Give a file without a log a new mark, so that it differs from copies which were made before.

    Otherwise all that is written from now on could stand in the log alone, and the file be the same as the copy. Does
    nothing where there is a log, unless this process has just made it by a migration; nor while another process writes,
    or where nobody can.
    """
    log = _read_log(find_log(file))
    if log is not None and log.has_pages and not is_migrated:
        return
    with (
        suppress(sqlite3.OperationalError),
        closing(sqlite3.connect(file, timeout=0, isolation_level=None)) as connection,
    ):
        former_id = read_mark(connection).file_id
        _commit_file_id(connection, _make_file_id(former_id))
        if not _move_log(connection):
            # What follows would be in a log whose file has another mark.
            _commit_file_id(connection, former_id)


def _make_file_id(former_id: int) -> int:
    return (secrets.randbelow(_MAX_NUMBER) & ~_CHECK | _check(former_id)) or _CHECK + 1


def _check(file_id: int) -> int:
    return zlib.crc32((file_id & 0xFFFFFFFF).to_bytes(4, "big")) & _CHECK


def _commit_file_id(connection: sqlite3.Connection, file_id: int) -> None:
    connection.execute("BEGIN IMMEDIATE")
    _set_file_id(connection, file_id)
    count_commit(connection)
    connection.execute("COMMIT")


def _move_log(connection: sqlite3.Connection) -> bool:
    """Move the log into the file, as soon as nobody reads what was there before; return whether that was done."""
    for _ in range(_MAX_LOOKS):
        ((_, pages, moved),) = connection.execute("PRAGMA wal_checkpoint(PASSIVE)")
        if pages == moved:
            return True
        time.sleep(_LOOK_INTERVAL_S)
    return False


def _set_file_id(connection: sqlite3.Connection, file_id: int) -> None:
    connection.execute(f"PRAGMA application_id = {file_id}")


def require_own_log(file: Path) -> None:
    """Check that the log beside a file, if there is one, belongs to it. Others may be using both.

    Raises:
        StorageError: it belongs to another file; the message says what to do.
        OSError: one of the two cannot be read.
    """
    log_file = find_log(file)
    for _ in range(_MAX_LOOKS):
        header, log = _read_header(file), _read_log(log_file)
        if log is None or not log.has_pages or _belongs(header, log):
            return
        if (header, log.header) == (_read_header(file), _read_start(log_file)):
            raise StorageError(
                f"{log_file} does not belong to {file}: it has changes of the file that was there before, which was"
                " replaced or removed, and SQLite would make or discard them. To go on with what is there now, move"
                f" {log_file.name} and {file.name}-shm elsewhere while no service runs; or put the former file back"
            )
        time.sleep(_LOOK_INTERVAL_S)


def find_log(file: Path) -> Path:
    """Return where the log of a file is, if there is one."""
    return file.with_name(f"{file.name}-wal")


def _belongs(header: bytes, log: _Log) -> bool:
    # SQLite would discard what is beside an empty file, which a database in use never is.
    if not header:
        return False
    # SQLite itself refuses what is no database.
    if len(header) < _HEADER_BYTES or not header.startswith(_MAGIC):
        return True
    if _READING.unpack_from(header)[0] != _WITH_LOG:
        return False
    mark = _read_mark(header)
    # Part of a log may have been copied into the file already. A log of another program need not have a first page.
    return not log.marks or mark.begins(log.marks) or mark in log.marks


def _read_mark(page: bytes) -> Mark:
    return Mark(_FILE_ID.unpack_from(page)[0], _COUNT.unpack_from(page)[0])


def _read_header(file: Path) -> bytes:
    try:
        with file.open("rb") as opened:
            return opened.read(_HEADER_BYTES)
    except FileNotFoundError:
        return b""


def _read_start(log_file: Path) -> bytes:
    try:
        with log_file.open("rb") as opened:
            return opened.read(_LOG_HEADER.size)
    except FileNotFoundError:
        return b""


def _read_log(log_file: Path) -> _Log | None:
    """Return the log; ``None`` if there is none."""
    try:
        with log_file.open("rb") as opened:
            header = opened.read(_LOG_HEADER.size)
            if len(header) < _LOG_HEADER.size or _LOG_HEADER.unpack(header)[0] not in _LOG_MAGICS:
                return None
            pages = list(_list_first_pages(opened, header))
    except FileNotFoundError:
        return None
    return _Log(header, bool(pages), tuple(mark for mark in pages if mark is not None))


def _list_first_pages(log: BinaryIO, header: bytes) -> Iterator[Mark | None]:
    """Yield for each page of the log its mark if it is the file's first page, else ``None``."""
    _, _, page_bytes, _, salt = _LOG_HEADER.unpack(header)
    while len(frame := log.read(_FRAME.size)) == _FRAME.size:
        number, _, frame_salt = _FRAME.unpack(frame)
        # What follows is left from an earlier log, which this one overwrites.
        if frame_salt != salt:
            return
        is_first_page = number == 1
        start = log.read(_HEADER_BYTES) if is_first_page else b""
        yield _read_mark(start) if len(start) == _HEADER_BYTES else None
        log.seek(page_bytes - len(start), 1)
