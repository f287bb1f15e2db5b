"""Tests of the ways of SQLite: how connections are made, and what their errors become."""

import shutil
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import text

from heksher.server.storage.base import Storage
from heksher.server.storage.dialects import dialect_for
from heksher.server.storage.sql import SqlStorage
from heksher.server.storage.storage_errors import StorageCorruptError, StorageUnavailableError
from tests.support.storages import read_revision, write_something


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Where a database file can be."""
    return tmp_path / "heksher.db"


@pytest.fixture
def file_storage(file: Path) -> Iterator[Storage]:
    """An open storage in a file, which waits for locks only shortly."""
    storage = SqlStorage(f"sqlite:///{file}?timeout=0.05")
    storage.open()
    yield storage
    storage.close()


def test_connections_are_safe(file: Path) -> None:
    """Each connection checks foreign keys, and its commits are on the disk."""
    engine = dialect_for(str(file)).make_engine()
    with engine.connect() as connection:
        pragmas = {
            name: connection.execute(text(f"PRAGMA {name}")).scalar()
            for name in ("foreign_keys", "synchronous", "journal_mode", "busy_timeout")
        }
    engine.dispose()
    assert pragmas == {"foreign_keys": 1, "synchronous": 2, "journal_mode": "wal", "busy_timeout": 10_000}


def test_file_that_is_none(file: Path) -> None:
    """A file that is no database is named, and left as it is."""
    file.write_text("This is a letter to a friend, and no database at all.\n" * 100)
    with pytest.raises(StorageCorruptError, match=f"{file}: file is not a database; restore it"):
        SqlStorage(str(file)).open()
    assert file.read_text().startswith("This is a letter")


def test_directory_is_missing(tmp_path: Path) -> None:
    """When the directory of the file is missing, the message says that it has to be made."""
    with pytest.raises(StorageUnavailableError, match=f"create the directory {tmp_path / 'missing'} first"):
        SqlStorage(str(tmp_path / "missing" / "heksher.db")).open()


def test_path_is_a_directory(tmp_path: Path) -> None:
    """When the file cannot be opened, the message says what the process must be able to do."""
    with pytest.raises(StorageUnavailableError, match="must be able to write the file and its directory"):
        SqlStorage(str(tmp_path)).open()


def test_locked_by_another_process(file: Path, file_storage: Storage) -> None:
    """While another process writes for too long, writing is unavailable; reading goes on."""
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StorageUnavailableError, match="database is locked; another process holds its lock"):
            write_something(file_storage)
        assert read_revision(file_storage) == 0
        other.execute("ROLLBACK")
    assert write_something(file_storage) == 1


def test_waits_for_another_process(file: Path) -> None:
    """A short lock of another process is waited for."""
    storage = SqlStorage(str(file))
    storage.open()
    with closing(sqlite3.connect(file, isolation_level=None, check_same_thread=False)) as other:
        other.execute("BEGIN IMMEDIATE")
        release = threading.Timer(0.1, other.execute, ["ROLLBACK"])
        release.start()
        assert write_something(storage) == 1
        release.join()
    storage.close()


def test_locked_while_opening(file: Path) -> None:
    """A new file that another process keeps locked cannot be opened, and the message says so."""
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(StorageUnavailableError, match="database is locked; another process holds its lock"):
            SqlStorage(f"sqlite:///{file}?timeout=0.05").open()


def test_in_use_while_switching_to_wal(file: Path) -> None:
    """A file that another process reads in another mode cannot be switched, and the message says so."""
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("CREATE TABLE t (x)")
        other.execute("BEGIN")
        other.execute("SELECT * FROM t").fetchall()
        with pytest.raises(StorageUnavailableError, match="locked by another process"):
            SqlStorage(f"sqlite:///{file}?timeout=0.05").open()


def test_without_wal(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the file system does not support WAL mode, the storage refuses to work without its guarantees."""
    monkeypatch.setattr("heksher.server.storage.sqlite._try_wal", lambda _: "delete")
    with pytest.raises(StorageUnavailableError, match=r"chose 'delete'.*put the file on a local disk"):
        SqlStorage(str(file)).open()


def test_disk_is_full(file: Path) -> None:
    """When there is no room for a change, the message says what to do."""
    dialect = dialect_for(str(file))
    engine = dialect.make_engine()
    with engine.connect() as connection:
        connection.execute(text("CREATE TABLE t (x)"))
        connection.execute(text("PRAGMA max_page_count = 3"))
        with pytest.raises(StorageUnavailableError, match="disk is full; make room"), dialect.translating("adding"):
            connection.execute(text("INSERT INTO t VALUES (zeroblob(100000))"))
    engine.dispose()


def test_may_not_write(file: Path, file_storage: Storage) -> None:
    """Where the file may be read but not written, the message says what the process must be able to do."""
    dialect = dialect_for(str(file))
    engine = dialect.make_engine()
    with engine.connect() as connection:
        connection.execute(text("PRAGMA query_only = ON"))
        with (
            pytest.raises(StorageUnavailableError, match="readonly database; this process must be able to write"),
            dialect.translating("adding"),
        ):
            connection.execute(text("DELETE FROM rule"))
    engine.dispose()


def test_file_is_deleted(file: Path, file_storage: Storage) -> None:
    """When the file is deleted while in use, no write is acknowledged that would be lost."""
    write_something(file_storage)
    file.unlink()
    for call in (write_something, lambda storage: storage.check()):
        with pytest.raises(StorageUnavailableError, match=f"{file} is gone"):
            call(file_storage)


def test_file_is_replaced(file: Path, file_storage: Storage) -> None:
    """When another file takes the place of the one in use, no write goes to the old one."""
    write_something(file_storage)
    shutil.copy(file, file.with_suffix(".copy"))
    file.with_suffix(".copy").rename(file)
    for call in (write_something, lambda storage: storage.check()):
        with pytest.raises(StorageUnavailableError, match=f"{file} was replaced"):
            call(file_storage)


def test_nobody_else_can_read_a_new_database(file: Path, file_storage: Storage) -> None:
    """Nor what SQLite keeps beside it."""
    write_something(file_storage)
    modes = {path.name: path.stat().st_mode & 0o777 for path in file.parent.iterdir()}
    assert {"heksher.db": 0o600, "heksher.db-wal": 0o600, "heksher.db-shm": 0o600} == modes


def test_who_can_read_a_database_stays(file: Path) -> None:
    """A mode that somebody has chosen is kept."""
    file.touch()
    file.chmod(0o640)
    with closing(SqlStorage(str(file))) as storage:
        storage.open()
        write_something(storage)
        assert {0o640} == {path.stat().st_mode & 0o777 for path in file.parent.iterdir()}


@pytest.mark.parametrize(("mode", "is_told"), [(0o600, False), (0o660, False), (0o644, True), (0o602, True)])
def test_a_database_that_anybody_can_read_is_warned_of(
    file: Path, mode: int, is_told: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """Such as one that an earlier version has made; its mode stays."""
    file.touch()
    file.chmod(mode)
    with closing(SqlStorage(str(file))) as storage:
        storage.open()
    assert is_told == ("can be read or written by any user: chmod o-rwx it" in caplog.text)
    assert mode == file.stat().st_mode & 0o777
