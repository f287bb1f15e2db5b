"""Tests of the ways of SQLite and PostgreSQL: how connections are made, and what their errors become."""

import shutil
import sqlite3
import sys
import threading
import traceback
import uuid
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import text

from heksher.server.storage.base import Reader, Storage, Writer
from heksher.server.storage.dialects import dialect_for
from heksher.server.storage.errors import StorageCorruptError, StorageError, StorageUnavailableError
from heksher.server.storage.sql import SqlStorage
from tests.support.postgres import add_parameters, make_postgres_schema, run_sql
from tests.support.storages import SOME_CHANGE


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


@pytest.fixture
def url() -> Iterator[str]:
    """The URL of an empty PostgreSQL database, whose sessions have a name of their own."""
    with make_postgres_schema() as url:
        yield add_parameters(url, application_name=uuid.uuid4().hex)


@pytest.fixture
def server_storage(url: str) -> Iterator[Storage]:
    """An open storage on a server."""
    storage = SqlStorage(url)
    storage.open()
    yield storage
    storage.close()


def write(storage: Storage) -> int:
    return storage.write(lambda writer: writer.record(SOME_CHANGE)).revision


def read_revision(storage: Storage) -> int:
    return storage.read(lambda reader: reader.revision())


def test_sqlite_connections_are_safe(file: Path) -> None:
    """Each connection checks foreign keys, and its commits are on the disk."""
    engine = dialect_for(str(file)).make_engine()
    with engine.connect() as connection:
        pragmas = {
            name: connection.execute(text(f"PRAGMA {name}")).scalar()
            for name in ("foreign_keys", "synchronous", "journal_mode", "busy_timeout")
        }
    engine.dispose()
    assert pragmas == {"foreign_keys": 1, "synchronous": 2, "journal_mode": "wal", "busy_timeout": 10_000}


def test_sqlite_file_that_is_none(file: Path) -> None:
    """A file that is no database is named, and left as it is."""
    file.write_text("This is a letter to a friend, and no database at all.\n" * 100)
    with pytest.raises(StorageCorruptError, match=f"{file}: file is not a database; restore it"):
        SqlStorage(str(file)).open()
    assert file.read_text().startswith("This is a letter")


def test_sqlite_directory_is_missing(tmp_path: Path) -> None:
    """When the directory of the file is missing, the message says that it has to be made."""
    with pytest.raises(StorageUnavailableError, match=f"create the directory {tmp_path / 'missing'} first"):
        SqlStorage(str(tmp_path / "missing" / "heksher.db")).open()


def test_sqlite_path_is_a_directory(tmp_path: Path) -> None:
    """When the file cannot be opened, the message says what the process must be able to do."""
    with pytest.raises(StorageUnavailableError, match="must be able to write the file and its directory"):
        SqlStorage(str(tmp_path)).open()


def test_sqlite_locked_by_another_process(file: Path, file_storage: Storage) -> None:
    """While another process writes for too long, writing is unavailable; reading goes on."""
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StorageUnavailableError, match="database is locked; another process holds its lock"):
            write(file_storage)
        assert read_revision(file_storage) == 0
        other.execute("ROLLBACK")
    assert write(file_storage) == 1


def test_sqlite_waits_for_another_process(file: Path) -> None:
    """A short lock of another process is waited for."""
    storage = SqlStorage(str(file))
    storage.open()
    with closing(sqlite3.connect(file, isolation_level=None, check_same_thread=False)) as other:
        other.execute("BEGIN IMMEDIATE")
        release = threading.Timer(0.1, other.execute, ["ROLLBACK"])
        release.start()
        assert write(storage) == 1
        release.join()
    storage.close()


def test_sqlite_locked_while_opening(file: Path) -> None:
    """A new file that another process keeps locked cannot be opened, and the message says so."""
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(StorageUnavailableError, match="database is locked; another process holds its lock"):
            SqlStorage(f"sqlite:///{file}?timeout=0.05").open()


def test_sqlite_in_use_while_switching_to_wal(file: Path) -> None:
    """A file that another process reads in another mode cannot be switched, and the message says so."""
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("CREATE TABLE t (x)")
        other.execute("BEGIN")
        other.execute("SELECT * FROM t").fetchall()
        with pytest.raises(StorageUnavailableError, match="locked by another process"):
            SqlStorage(f"sqlite:///{file}?timeout=0.05").open()


def test_sqlite_without_wal(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the file system does not support WAL mode, the storage refuses to work without its guarantees."""
    monkeypatch.setattr("heksher.server.storage.dialects._try_wal", lambda _: "delete")
    with pytest.raises(StorageUnavailableError, match=r"chose 'delete'.*put the file on a local disk"):
        SqlStorage(str(file)).open()


def test_sqlite_disk_is_full(file: Path) -> None:
    """When there is no room for a change, the message says what to do."""
    dialect = dialect_for(str(file))
    engine = dialect.make_engine()
    with engine.connect() as connection:
        connection.execute(text("CREATE TABLE t (x)"))
        connection.execute(text("PRAGMA max_page_count = 3"))
        with pytest.raises(StorageUnavailableError, match="disk is full; make room"), dialect.translating("adding"):
            connection.execute(text("INSERT INTO t VALUES (zeroblob(100000))"))
    engine.dispose()


def test_sqlite_may_not_write(file: Path, file_storage: Storage) -> None:
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


def test_sqlite_file_is_deleted(file: Path, file_storage: Storage) -> None:
    """When the file is deleted while in use, no write is acknowledged that would be lost."""
    write(file_storage)
    file.unlink()
    for call in (write, lambda storage: storage.check()):
        with pytest.raises(StorageUnavailableError, match=f"{file} is gone"):
            call(file_storage)


def test_sqlite_file_is_replaced(file: Path, file_storage: Storage) -> None:
    """When another file takes the place of the one in use, no write goes to the old one."""
    write(file_storage)
    shutil.copy(file, file.with_suffix(".copy"))
    file.with_suffix(".copy").rename(file)
    for call in (write, lambda storage: storage.check()):
        with pytest.raises(StorageUnavailableError, match=f"{file} was replaced"):
            call(file_storage)


def test_postgres_without_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the driver, the message says how to install it."""
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(StorageError, match="pip install 'heksher\\[server,postgres\\]'"):
        SqlStorage("postgresql://user:pa55@host/db").open()


@pytest.mark.parametrize("parameters", ["", "?connect_timeout=2", "?password=pa55"])
def test_postgres_is_not_there(parameters: str) -> None:
    """A server that cannot be reached is named, its password is not, wherever one looks."""
    storage = SqlStorage(f"postgresql://user:pa55@127.0.0.1:1/db{parameters}")
    with pytest.raises(
        StorageUnavailableError, match=r"postgresql://user@127\.0\.0\.1:1/db: .*is the server running"
    ) as caught:
        storage.open()
    assert "pa55" not in "".join(traceback.format_exception(caught.value))


def test_postgres_has_no_such_database(url: str) -> None:
    """A database that does not exist is unavailable: somebody may still create it."""
    address, _, parameters = url.partition("?")
    missing = f"{address.rpartition('/')[0]}/missing?{parameters}"
    with pytest.raises(StorageUnavailableError, match='database "missing" does not exist'):
        SqlStorage(missing).open()


def test_postgres_restarts(url: str, server_storage: Storage) -> None:
    """When the server has closed all connections, the next call gets a new one."""
    assert write(server_storage) == 1
    for _ in range(2):
        end_connections(url)
        assert read_revision(server_storage) == 1
        end_connections(url)
        server_storage.check()
    assert write(server_storage) == 2


def test_postgres_breaks_off(url: str, server_storage: Storage) -> None:
    """When the connection breaks off within a unit of work, the storage is unavailable, and nothing is stored."""

    def break_off(reader: Reader) -> None:
        end_connections(url)
        reader.revision()

    def record_and_break_off(writer: Writer) -> None:
        writer.record(SOME_CHANGE)
        break_off(writer)

    with pytest.raises(StorageUnavailableError):
        server_storage.read(break_off)
    with pytest.raises(StorageUnavailableError):
        server_storage.write(record_and_break_off)
    assert read_revision(server_storage) == 0


def test_postgres_breaks_off_while_work_fails(url: str, server_storage: Storage) -> None:
    """An error of the work comes out as it is, even if its connection broke off meanwhile."""

    def fail(_: Reader) -> None:
        end_connections(url)
        raise KeyError

    with pytest.raises(KeyError):
        server_storage.read(fail)
    assert read_revision(server_storage) == 0


def test_postgres_breaks_off_at_the_end(url: str, server_storage: Storage) -> None:
    """When the connection breaks off before the commit, nothing is stored, and the write does not succeed."""

    def work(writer: Writer) -> None:
        writer.record(SOME_CHANGE)
        end_connections(url)

    with pytest.raises(StorageUnavailableError):
        server_storage.write(work)
    assert read_revision(server_storage) == 0


def test_postgres_locked_by_another() -> None:
    """While another session holds the writers' lock for too long, writing is unavailable; reading goes on."""
    with make_postgres_schema("-clock_timeout=50ms") as url:
        storage = SqlStorage(url)
        storage.open()
        with psycopg.connect(url) as other:
            other.execute("SELECT * FROM write_state FOR UPDATE")
            with pytest.raises(StorageUnavailableError, match="lock timeout"):
                write(storage)
            assert read_revision(storage) == 0
        assert write(storage) == 1
        storage.close()


def test_postgres_refuses_what_its_driver_refuses(server_storage: Storage) -> None:
    """A text that the driver cannot send is an error, but no sign that the server is away."""
    with pytest.raises(StorageError, match="NUL") as caught:
        server_storage.write(lambda writer: writer.set_context_features(["a\0"]))
    assert type(caught.value) is StorageError


def test_postgres_tells_of_corruption(url: str) -> None:
    """Damage that the server finds in its files is called that."""
    dialect = dialect_for(url)
    engine = dialect.make_engine()
    with (
        engine.connect() as connection,
        pytest.raises(StorageCorruptError, match="restore it"),
        dialect.translating("reading"),
    ):
        connection.execute(text("DO $$ BEGIN RAISE EXCEPTION 'bad page' USING ERRCODE = 'XX001'; END $$"))
    engine.dispose()


def test_postgres_session_limits() -> None:
    """A session has a name in the server's list, and waits for locks as long as documented."""
    with make_postgres_schema() as url:
        engine = dialect_for(url).make_engine()
        with engine.connect() as connection:
            settings = [
                connection.execute(text(f"SHOW {name}")).scalar() for name in ("application_name", "lock_timeout")
            ]
        engine.dispose()
    assert settings == ["heksher", "10s"]


def end_connections(url: str) -> None:
    """End all other sessions with the name that the URL gives, as a restart of the server does."""
    run_sql(
        url,
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
        " WHERE application_name = current_setting('application_name') AND pid <> pg_backend_pid()",
    )
