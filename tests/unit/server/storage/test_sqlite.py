"""Tests of the ways of SQLite: how connections are made, and what their errors become."""

import os
import shutil
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import NoReturn

import pytest
from sqlalchemy import text

from heksher.server.storage.base import Storage
from heksher.server.storage.dialects import dialect_for
from heksher.server.storage.sql import SqlStorage
from heksher.server.storage.sqlite import LEAST_ROOM_BYTES
from heksher.server.storage.storage_errors import StorageCorruptError, StorageError, StorageUnavailableError
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
    dialect = dialect_for(str(file))
    engine = dialect.make_engine()
    with engine.connect() as connection:
        pragmas = {
            name: connection.execute(text(f"PRAGMA {name}")).scalar()
            for name in ("foreign_keys", "synchronous", "journal_mode", "busy_timeout")
        }
    dialect.close_engine(engine)
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
    """The message says what is needed."""
    with pytest.raises(StorageError, match="is a directory: name a file in it"):
        SqlStorage(str(tmp_path))


def test_links_that_lead_nowhere(tmp_path: Path) -> None:
    """The message says which they are."""
    link = tmp_path / "link.db"
    link.symlink_to(link)
    with pytest.raises(StorageError, match=f"the links that {link} leads along cannot be followed"):
        SqlStorage(str(link))


def test_file_with_two_names_is_warned_of(file: Path, caplog: pytest.LogCaptureFixture) -> None:
    """SQLite keeps a log beside each name, so two services would each miss what the other writes."""
    file.touch()
    file.with_name("other.db").hardlink_to(file)
    with closing(SqlStorage(str(file))) as storage:
        storage.open()
    assert "has other names (hard links)" in caplog.text


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
    dialect.close_engine(engine)


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
    dialect.close_engine(engine)


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


def find_write_reason(storage: Storage) -> str | None:
    """Return why a check finds that no write is possible, if it does."""
    try:
        storage.check_writes()
    except StorageUnavailableError as error:
        return error.reason
    return None


def test_deleted_file_is_not_made_anew(file: Path, file_storage: Storage) -> None:
    """While the file is away, more readers than have connections are told so, and none makes an empty file."""
    write_something(file_storage)
    away = file.rename(file.with_suffix(".away"))
    assert find_write_reason(file_storage) == "file gone"

    def read_deeper(_: object) -> int:
        return file_storage.read(lambda reader: reader.revision())

    assert read_revision(file_storage) == 1
    with pytest.raises(StorageUnavailableError, match="is gone"):
        file_storage.read(read_deeper)
    assert not file.exists()
    away.rename(file)
    assert file_storage.read(read_deeper) == 1
    assert (find_write_reason(file_storage), write_something(file_storage)) == (None, 2)


def test_replaced_file_is_not_mixed_with_the_one_in_use(file: Path, file_storage: Storage) -> None:
    """New connections are refused: readers would have the one or the other."""
    write_something(file_storage)
    shutil.copy(file, file.with_suffix(".copy"))
    file.with_suffix(".copy").rename(file)
    assert find_write_reason(file_storage) == "file replaced"
    with pytest.raises(StorageUnavailableError, match="was replaced"):
        file_storage.read(lambda _: read_revision(file_storage))


def test_read_only_file(file_storage: Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that may no longer be written to is left alone, though what is open still could."""
    with monkeypatch.context() as patch:
        patch.setattr(os, "access", lambda path, mode: (path.suffix, mode) != (".db", os.W_OK))
        assert find_write_reason(file_storage) == "read-only"
        with pytest.raises(StorageUnavailableError, match=r"heksher\.db is read-only; this process must be able"):
            write_something(file_storage)
    assert (find_write_reason(file_storage), write_something(file_storage)) == (None, 1)


def test_files_beside_a_read_only_file(file: Path, file_storage: Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    """SQLite made them as read-only as the file was, and nobody thinks of them: they get the mode that it has now."""
    beside = [file.with_name(f"{file.name}{suffix}") for suffix in ("-wal", "-shm")]
    file.chmod(0o640)
    for path in beside:
        path.chmod(0o440)

    def is_owners(path: Path, mode: int) -> bool:
        return mode == os.W_OK and bool(path.stat().st_mode & 0o200)

    monkeypatch.setattr(os, "access", is_owners)
    assert find_write_reason(file_storage) is None
    assert [0o640, 0o640] == [path.stat().st_mode & 0o777 for path in beside]
    for path in beside:
        path.chmod(0o440)

    def refuse(*_: object) -> NoReturn:
        raise PermissionError

    monkeypatch.setattr(Path, "chmod", refuse)
    assert find_write_reason(file_storage) == "read-only"


@pytest.mark.parametrize("is_root", [True, False])
def test_room(file_storage: Storage, monkeypatch: pytest.MonkeyPatch, is_root: bool) -> None:
    """No room is found without a write; what is reserved for root counts for root alone."""
    names = ("f_frsize", "f_bfree", "f_bavail")
    rooms = {"full": (4096, 2, 1), "reserved": (4096, 1000, 1), "free": (4096, 1000, 900)}
    monkeypatch.setattr(os, "geteuid", lambda: 0 if is_root else 1000)
    found = {}
    for name, values in rooms.items():
        room = type("Room", (), dict(zip(names, values, strict=True)))
        monkeypatch.setattr(os, "statvfs", lambda _, room=room: room)
        found[name] = find_write_reason(file_storage)
    assert found == {"full": "disk full", "reserved": None if is_root else "disk full", "free": None}
    assert LEAST_ROOM_BYTES > 2 * 4096


def test_tables_are_dropped(file: Path, file_storage: Storage) -> None:
    """What another program did to the tables is no fault of this one."""
    with closing(sqlite3.connect(file)) as other:
        other.execute("ALTER TABLE log_entry RENAME TO away")
    with pytest.raises(StorageUnavailableError, match="no such table: log_entry; were the tables dropped") as caught:
        read_revision(file_storage)
    assert caught.value.reason == "schema missing"
    with closing(sqlite3.connect(file)) as other:
        other.execute("ALTER TABLE away RENAME TO log_entry")
    assert read_revision(file_storage) == 0
