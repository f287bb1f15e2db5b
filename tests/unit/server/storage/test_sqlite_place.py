"""Tests of noticing that files of an SQLite database were removed, replaced or written over while in use."""

import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest

from heksher.server.storage.base import Storage
from heksher.server.storage.sql import SqlStorage
from heksher.server.storage.sqlite_wal import Mark
from heksher.server.storage.storage_errors import StorageError, StorageUnavailableError
from tests.support.processes import run_python
from tests.support.storages import opened, read_revision, write_something

BESIDE = ["-wal", "-shm"]
# What runs in a process of its own, because this one gives up its locks when it opens and closes the file itself.
BACK_UP = """
import pathlib, sys
from heksher.server.storage.database_copy import back_up
back_up(sys.argv[1], pathlib.Path(sys.argv[2]))
"""
COPY = "import shutil, sys; shutil.copyfile(*sys.argv[1:])"
MOVE_LOG = """
import contextlib, sqlite3, sys
with contextlib.closing(sqlite3.connect(sys.argv[1])) as connection:
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
"""
WRITE = """
import sys
from tests.support.processes import run_python
from tests.support.storages import opened, write_something
with opened(sys.argv[1]) as storage:
    write_something(storage)
"""


@pytest.fixture(params=[False, True], ids=["file", "link"])
def file(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """Where the database is."""
    file = tmp_path / "heksher.db"
    if request.param:
        (tmp_path / "link.db").symlink_to(file)
    return file


def find_name(file: Path) -> Path:
    """Return how the service is given the file: by a link, if there is one."""
    link = file.with_name("link.db")
    return link if link.is_symlink() else file


@pytest.fixture
def storage(file: Path) -> Iterator[Storage]:
    """An open storage in the file, with one change."""
    storage = SqlStorage(str(find_name(file)))
    storage.open()
    write_something(storage)
    yield storage
    # What was made of the file may be no database any more.
    with suppress(StorageError):
        storage.close()


def find_reason(call: Callable[[Storage], object], storage: Storage) -> str | None:
    """Return why the storage refuses a call, if it does."""
    try:
        call(storage)
    except StorageUnavailableError as error:
        return error.reason
    return None


def find_write_reasons(storage: Storage) -> tuple[str | None, str | None]:
    """Return what the refusal of a write says, and what a check says."""
    return find_reason(write_something, storage), find_reason(lambda storage: storage.check_writes(), storage)


@pytest.mark.parametrize("ending", BESIDE)
def test_gone(file: Path, storage: Storage, ending: str) -> None:
    """What is written to a file that is in no directory is lost with the process: nothing is, and reads go on."""
    beside = file.with_name(file.name + ending)
    beside.rename(file.with_name("away"))
    assert find_write_reasons(storage) == ("file gone", "file gone")
    with pytest.raises(StorageUnavailableError, match=rf"{beside.name} is gone.*in an orderly way \(SIGTERM\)"):
        write_something(storage)
    assert read_revision(storage) == 1
    file.with_name("away").rename(beside)
    assert find_write_reasons(storage) == (None, None)


@pytest.mark.parametrize("ending", BESIDE)
def test_replaced(file: Path, storage: Storage, ending: str) -> None:
    """As by a program that opens the database after its log was removed."""
    beside = file.with_name(file.name + ending)
    shutil.copyfile(beside, file.with_name("copy"))
    file.with_name("copy").rename(beside)
    assert find_write_reasons(storage) == ("file replaced", "file replaced")


def test_what_was_in_a_log_that_is_gone_survives_a_kill(file: Path, storage: Storage) -> None:
    """As soon as a check has noticed it."""
    write_something(storage)
    file.with_name("heksher.db-wal").unlink()
    assert find_write_reasons(storage) == ("file gone", "file gone")
    as_killed = file.with_name("killed.db")
    shutil.copyfile(file, as_killed)
    with opened(str(as_killed)) as reopened:
        assert read_revision(reopened) == 2


def test_orderly_end_keeps_what_was_in_a_log_that_is_gone(file: Path, storage: Storage) -> None:
    """The remedy that the message names."""
    write_something(storage)
    file.with_name("heksher.db-wal").unlink()
    storage.close()
    with opened(str(file)) as reopened:
        assert read_revision(reopened) == 2
        assert find_write_reasons(reopened) == (None, None)


def write_over(file: Path, content: bytes) -> None:
    """Write a file over as ``cp`` does."""
    with file.open("r+b") as opened_file:
        opened_file.truncate()
        opened_file.write(content)


def other_database(file: Path) -> bytes:
    """Another database that has had more changes."""
    other = file.with_name("other.db")
    with opened(str(other)) as storage:
        for _ in range(20):
            write_something(storage)
    return other.read_bytes()


def backup(file: Path) -> bytes:
    """A backup of the database itself, of before its latest changes."""
    target = file.with_suffix(".backup")
    run_python(["-c", BACK_UP, str(file), str(target)])
    return target.read_bytes()


def copy(file: Path) -> bytes:
    """The file as it is in, without what is in the log only."""
    target = file.with_suffix(".copy")
    run_python(["-c", COPY, str(file), str(target)])
    return target.read_bytes()


CONTENTS = [other_database, backup, copy, lambda _: b"", lambda _: b"This is no database." * 1000]


@pytest.mark.parametrize("make_content", CONTENTS, ids=["other", "backup", "copy", "nothing", "text"])
@pytest.mark.parametrize("is_log_empty", [False, True])
def test_written_over(file: Path, storage: Storage, make_content: Callable[[Path], bytes], is_log_empty: bool) -> None:
    """No write is taken from then on, and a check says why."""
    content = make_content(file)
    storage.check_writes()
    for _ in range(3):
        write_something(storage)
    if is_log_empty:
        move_log(file)
    storage.check_writes()
    # As long as the log was not moved there, the file is as it was.
    is_same = make_content is copy and not is_log_empty
    assert (copy(file) == content) == is_same
    write_over(file, content)
    expected = (None, None) if is_same else ("file replaced", "file replaced")
    assert find_write_reasons(storage) == expected


@pytest.mark.parametrize("make_content", [other_database, backup], ids=["other", "backup"])
@pytest.mark.parametrize("is_log_removed", [False, True])
def test_log_is_not_mixed_into_what_was_written_over(
    file: Path, make_content: Callable[[Path], bytes], is_log_removed: bool
) -> None:
    """Neither meanwhile nor at the end, however orderly: the next start says what is there, or finds the new file."""
    storage = SqlStorage(str(find_name(file)))
    storage.open()
    content = make_content(file)
    for _ in range(3):
        write_something(storage)
    write_over(file, content)
    if is_log_removed:
        for ending in BESIDE:
            file.with_name(file.name + ending).unlink()
    assert find_write_reasons(storage)[1] in {"file gone", "file replaced"}
    storage.close()
    assert file.read_bytes() == content
    if not is_log_removed:
        with pytest.raises(StorageError, match=r"heksher\.db-wal does not belong to"):
            SqlStorage(str(find_name(file))).open()


def test_error_says_what_to_do(file: Path, storage: Storage) -> None:
    """The file that is wanted has to be put there once more: what is beside belongs to the former one."""
    write_over(file, b"")
    with pytest.raises(
        StorageUnavailableError, match=r"was written over.*stop the service, move heksher.db, heksher\.db-wal"
    ):
        write_something(storage)


def move_log(file: Path) -> None:
    """Let another process move the log into the file, and write nothing."""
    run_python(["-c", MOVE_LOG, str(file)])


def test_what_others_do_through_sqlite_is_no_writing_over(file: Path, storage: Storage) -> None:
    """Writes, moves of the log, ``VACUUM``, and even a program that uses the fields of the mark for itself."""
    for _ in range(2):
        move_log(file)
        assert find_write_reasons(storage) == (None, None)
        move_log(file)
        run_python(["-c", WRITE, str(file)])
        assert find_write_reasons(storage) == (None, None)
    for statement in ("VACUUM", "PRAGMA user_version = 1", "PRAGMA application_id = 7", "PRAGMA user_version = 0"):
        with closing(sqlite3.connect(file)) as connection:
            connection.execute(statement)
        assert find_write_reasons(storage) == (None, None)
        move_log(file)
    assert read_revision(storage) == 11


def test_services_that_start_on_empty_logs_while_this_one_idles(file: Path, storage: Storage) -> None:
    """Each gives the file another mark, so that the one which this service knows is several steps behind."""
    assert find_reason(lambda storage: storage.check_writes(), storage) is None
    for _ in range(3):
        move_log(file)
        run_python(["-c", WRITE, str(file)])
    assert find_reason(lambda storage: storage.check_writes(), storage) is None
    assert write_something(storage) == 5


def test_a_link_that_leads_elsewhere_is_a_file_replaced(file: Path, storage: Storage) -> None:
    """The service goes on with the file that it has open."""
    link = find_name(file)
    if link == file:
        file.rename(file.with_name("away.db"))
    other_database(file)
    link.unlink(missing_ok=True)
    link.symlink_to(file.with_name("other.db"))
    assert find_write_reasons(storage) == ("file replaced", "file replaced")


@pytest.mark.parametrize(
    ("former", "later", "may_become"),
    [
        (Mark(0, 0), Mark(7 << 12, 3), True),
        (Mark(7 << 12, 3), Mark(7 << 12, 3), True),
        (Mark(7 << 12, 3), Mark(7 << 12, 2), False),
        (Mark(7 << 12, 2**31 - 1), Mark(7 << 12, 0), True),
        (Mark(7 << 12, 3), Mark(8 << 12, 4), False),
        (Mark(7 << 12, 3), Mark(0, 0), False),
    ],
)
def test_marks(former: Mark, later: Mark, may_become: bool) -> None:
    """A file's count never goes back, and its number stays, but for what a start notes."""
    assert former.may_become(later) == may_become
