"""Tests of the ways of PostgreSQL: how connections are made, and what their errors become."""

import sys
import traceback
import uuid
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, NoReturn

import psycopg
import pytest
from sqlalchemy import event, text

from heksher.server.storage.base import Reader, Storage, Writer
from heksher.server.storage.dialects import dialect_for
from heksher.server.storage.postgres_connection import PatientConnection
from heksher.server.storage.sql import SqlStorage
from heksher.server.storage.storage_errors import StorageCorruptError, StorageError, StorageUnavailableError
from tests.support.api import Api
from tests.support.lent_places import lend_schema
from tests.support.postgres import (
    PostgresServer,
    Role,
    add_parameters,
    end_sessions,
    make_postgres_schema,
    make_role,
    private_postgres,
    run_sql,
)
from tests.support.storages import SOME_CHANGE, opened, read_revision, write_something
from tests.support.write_costs import WRITES, prepare


@pytest.fixture
def url() -> Iterator[str]:
    """The URL of an empty PostgreSQL database, whose sessions have a name of their own."""
    with lend_schema() as url:
        yield add_parameters(url, application_name=uuid.uuid4().hex)


@pytest.fixture
def server_storage(url: str) -> Iterator[Storage]:
    """An open storage on a server."""
    storage = SqlStorage(url)
    storage.open()
    yield storage
    storage.close()


def test_without_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the driver, the message says how to install it."""
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(StorageError, match="install heksher with its extra 'postgres'"):
        SqlStorage("postgresql://user:pa55@host/db").open()


@pytest.mark.parametrize("parameters", ["", "?connect_timeout=2", "?password=pa55"])
def test_is_not_there(parameters: str) -> None:
    """A server that cannot be reached is named, its password is not, wherever one looks."""
    storage = SqlStorage(f"postgresql://user:pa55@127.0.0.1:1/db{parameters}")
    with pytest.raises(
        StorageUnavailableError, match=r"postgresql://user@127\.0\.0\.1:1/db: .*is the server running"
    ) as caught:
        storage.open()
    assert "pa55" not in "".join(traceback.format_exception(caught.value))


def test_has_no_such_database(url: str) -> None:
    """A database that does not exist is unavailable: somebody may still create it."""
    address, _, parameters = url.partition("?")
    missing = f"{address.rpartition('/')[0]}/missing?{parameters}"
    with pytest.raises(StorageUnavailableError, match='database "missing" does not exist'):
        SqlStorage(missing).open()


def test_restarts(url: str, server_storage: Storage) -> None:
    """When the server has closed all connections, the next call gets a new one."""
    assert write_something(server_storage) == 1
    for _ in range(2):
        end_sessions(url)
        assert read_revision(server_storage) == 1
        end_sessions(url)
        server_storage.check()
    assert write_something(server_storage) == 2


def test_breaks_off(url: str, server_storage: Storage) -> None:
    """When the connection breaks off within a unit of work, the storage is unavailable, and nothing is stored."""

    def break_off(reader: Reader) -> None:
        end_sessions(url)
        reader.revision()

    def record_and_break_off(writer: Writer) -> None:
        writer.record(SOME_CHANGE)
        break_off(writer)

    with pytest.raises(StorageUnavailableError):
        server_storage.read(break_off)
    with pytest.raises(StorageUnavailableError):
        server_storage.write(record_and_break_off)
    assert read_revision(server_storage) == 0


def test_breaks_off_while_work_fails(url: str, server_storage: Storage) -> None:
    """An error of the work comes out as it is, even if its connection broke off meanwhile."""

    def fail(_: Reader) -> None:
        end_sessions(url)
        raise KeyError

    with pytest.raises(KeyError):
        server_storage.read(fail)
    assert read_revision(server_storage) == 0


def test_breaks_off_at_the_end(url: str, server_storage: Storage) -> None:
    """When the connection breaks off before the commit, nothing is stored, and the write does not succeed."""

    def work(writer: Writer) -> None:
        writer.record(SOME_CHANGE)
        end_sessions(url)

    with pytest.raises(StorageUnavailableError):
        server_storage.write(work)
    assert read_revision(server_storage) == 0


def test_locked_by_another() -> None:
    """While another session holds the writers' lock for too long, writing is unavailable; reading goes on."""
    with make_postgres_schema("-clock_timeout=50ms") as url:
        storage = SqlStorage(url)
        storage.open()
        with psycopg.connect(url) as other:
            other.execute("SELECT * FROM write_state FOR UPDATE")
            with pytest.raises(StorageUnavailableError, match="lock timeout"):
                write_something(storage)
            assert read_revision(storage) == 0
        assert write_something(storage) == 1
        storage.close()


def test_refuses_what_its_driver_refuses(server_storage: Storage) -> None:
    """A text that the driver cannot send is an error, but no sign that the server is away."""
    with pytest.raises(StorageError, match="NUL") as caught:
        server_storage.write(lambda writer: writer.set_context_features(["a\0"]))
    assert type(caught.value) is StorageError


def test_tells_of_corruption(url: str) -> None:
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


def show(url: str, *names: str) -> list[object]:
    """Return settings of the server as they are in a unit of writing work."""
    dialect = dialect_for(url)
    engine = dialect.make_engine()
    with engine.execution_options(**dialect.writer_options).connect() as connection:
        settings = [connection.execute(text(f"SHOW {name}")).scalar() for name in names]
    engine.dispose()
    return settings


def test_session_limits() -> None:
    """A session has a name in the server's list, and its writers wait for locks as long as documented."""
    with make_postgres_schema() as url:
        assert show(url, "application_name", "lock_timeout") == ["heksher", "10s"]


def test_options_of_the_url_win() -> None:
    """What the URL says of the session and of locks is left as it is."""
    with make_postgres_schema("-clock_timeout=50ms -cwork_mem=5MB") as url:
        assert show(url, "lock_timeout", "work_mem") == ["50ms", "5MB"]


def test_connects_without_settings_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    """Behind PgBouncer, which refuses to start a session with settings that it does not know, connecting works."""
    given: dict[str, object] = {}

    def connect(**arguments: object) -> NoReturn:
        given.update(arguments)
        raise psycopg.OperationalError("no server here")

    monkeypatch.setattr(PatientConnection, "connect", connect)
    with pytest.raises(StorageUnavailableError):
        SqlStorage("postgresql://host/db?connect_timeout=1&heksher_listen=off").open()
    assert given["connect_timeout"] == "1"
    assert given["prepare_threshold"] is None
    assert given.keys().isdisjoint({"options", "heksher_listen"})


def find_write_reason(storage: Storage) -> str | None:
    """Return why a check finds that no write is possible, if it does."""
    try:
        storage.check_writes()
    except StorageUnavailableError as error:
        return error.reason
    return None


@pytest.fixture
def role() -> Iterator[Role]:
    """A role that works on an empty database."""
    with lend_schema() as url, make_role(url) as role:
        yield role


@pytest.fixture
def role_storage(role: Role) -> Iterator[Storage]:
    """An open storage with the rights of that role."""
    with opened(role.url) as storage:
        yield storage


SICKNESSES = (
    ("REVOKE INSERT ON rule FROM {role}", "GRANT INSERT ON rule TO {role}", "read-only"),
    ("REVOKE UPDATE ON write_state FROM {role}", "GRANT UPDATE ON write_state TO {role}", "read-only"),
    (
        "ALTER ROLE {role} SET default_transaction_read_only = on",
        "ALTER ROLE {role} RESET default_transaction_read_only",
        "read-only",
    ),
    ("ALTER SCHEMA {schema} RENAME TO {schema}_", "ALTER SCHEMA {schema}_ RENAME TO {schema}", "schema missing"),
    ("ALTER TABLE log_part RENAME TO away", "ALTER TABLE away RENAME TO log_part", "schema missing"),
    ("ALTER ROLE {role} SET search_path = elsewhere", "ALTER ROLE {role} SET search_path = {schema}", "schema missing"),
)


@pytest.mark.parametrize(("fail", "mend", "reason"), SICKNESSES)
def test_sick_database(role: Role, role_storage: Storage, fail: str, mend: str, reason: str) -> None:
    """A check finds what keeps writes from being stored, without a write; when it is mended, nothing has to restart."""
    role.run(fail)
    end_sessions(role.url)
    assert find_write_reason(role_storage) == reason
    role.run(mend)
    assert (find_write_reason(role_storage), write_something(role_storage)) == (None, 1)


@pytest.mark.parametrize(("fail", "mend", "reason"), [SICKNESSES[1], SICKNESSES[2], SICKNESSES[3], SICKNESSES[5]])
def test_write_on_sick_database(role: Role, role_storage: Storage, fail: str, mend: str, reason: str) -> None:
    """The write says the same, in one line."""
    role.run(fail)
    end_sessions(role.url)
    with pytest.raises(StorageUnavailableError) as caught:
        write_something(role_storage)
    assert (caught.value.reason, len(str(caught.value).splitlines())) == (reason, 1)
    role.run(mend)
    assert write_something(role_storage) == 1


def test_check_of_writes_waits_for_no_lock(url: str, server_storage: Storage) -> None:
    """It asks the catalogs only, and leaves no trace."""
    with psycopg.connect(url) as other:
        other.execute("LOCK TABLE write_state, log_entry, rule IN ACCESS EXCLUSIVE MODE")
        assert find_write_reason(server_storage) is None
    assert read_revision(server_storage) == 0


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        ("25P03", "database down"),
        ("25P04", "database down"),
        ("42501", "read-only"),
        ("42P01", "schema missing"),
        ("3F000", "schema missing"),
        ("53100", "disk full"),
        ("53200", "database down"),
        ("58030", "disk error"),
    ],
)
def test_states_that_are_no_fault_of_ours(url: str, state: str, reason: str) -> None:
    """Whatever the server says with them comes out as one line and a reason."""
    dialect = dialect_for(url)
    engine = dialect.make_engine()
    with (
        engine.connect() as connection,
        pytest.raises(StorageUnavailableError, match=r"reading failed on .*no luck") as caught,
        dialect.translating("reading"),
    ):
        connection.execute(text(f"DO $$ BEGIN RAISE EXCEPTION 'no luck' USING ERRCODE = '{state}'; END $$"))
    engine.dispose()
    assert (caught.value.reason, len(str(caught.value).splitlines())) == (reason, 1)


def test_no_statement_of_a_write_is_worth_compiling() -> None:
    """Before anybody has analyzed the tables, too: compiling takes 50 ms, and the statement a fraction of one."""
    with make_postgres_schema("-cjit=on -cjit_above_cost=10000") as url:
        storage = SqlStorage(url)
        storage.open()
        compiled: list[str] = []

        def explain(*arguments: Any) -> None:
            statement, parameters = arguments[2:4]
            with psycopg.connect(url) as other:
                cursor = psycopg.ClientCursor(other)
                cursor.execute(f"EXPLAIN {statement}", parameters[0] if isinstance(parameters, list) else parameters)
                compiled.extend(statement for (line,) in cursor if "JIT:" in line)

        event.listen(storage._open_engine(), "after_cursor_execute", explain)
        api = Api(storage)
        prepare(api)
        for write in WRITES.values():
            write(api)
        storage.close()
    assert [] == compiled


def test_server_ends_an_idle_transaction() -> None:
    """A unit of work that pauses for longer than the server allows is unavailable, and the next one works."""
    with make_postgres_schema("-cidle_in_transaction_session_timeout=100") as url:
        storage = SqlStorage(url)
        storage.open()

        def pause(reader: Reader) -> None:
            # Twice: after statements that were sent together, as the first ones are, the server's clock does not run.
            reader.revision()
            reader.revision()
            with psycopg.connect(url) as other:
                other.execute("SELECT pg_sleep(0.4)")
            reader.revision()

        with pytest.raises(StorageUnavailableError, match="idle-in-transaction timeout; idle_in_transaction_session_"):
            storage.read(pause)
        assert write_something(storage) == 1
        storage.close()


@pytest.fixture
def server() -> Iterator[PostgresServer]:
    """A server on which there may be databases with other encodings."""
    with private_postgres() as server:
        yield server


def test_encodings_of_databases(server: PostgresServer) -> None:
    """Any text can be stored without an encoding, or one is refused in one line; what the URL says does not matter."""
    for encoding, parameters in [("SQL_ASCII", ""), ("SQL_ASCII", "&client_encoding=latin1"), ("LATIN1", "")]:
        name = f"db_{uuid.uuid4().hex}"
        run_sql(server.url, f"CREATE DATABASE {name} ENCODING '{encoding}' TEMPLATE template0")
        storage = SqlStorage(server.url.replace("///postgres", f"///{name}") + parameters)
        storage.open()
        change = replace(SOME_CHANGE, key="ü日")
        if encoding == "SQL_ASCII":
            assert storage.write(lambda writer, change=change: writer.record(change)).revision == 1
            [entry] = storage.read(lambda reader: reader.log())
            assert [change] == list(entry.changes)
        else:
            with pytest.raises(StorageError, match="make a database with the encoding UTF8"):
                storage.write(lambda writer, change=change: writer.record(change))
        storage.close()


def test_text_that_is_not_utf8(server: PostgresServer) -> None:
    """What another program left in a database without an encoding is refused by the server, in one line."""
    name = f"db_{uuid.uuid4().hex}"
    run_sql(server.url, f"CREATE DATABASE {name} ENCODING 'SQL_ASCII' TEMPLATE template0")
    url = server.url.replace("///postgres", f"///{name}")
    storage = SqlStorage(url)
    storage.open()
    run_sql(add_parameters(url, client_encoding="SQL_ASCII"), r"INSERT INTO context_feature VALUES (E'a\xfc', 1)")
    with pytest.raises(StorageError, match=r"invalid byte sequence .*; make a database with the encoding UTF8"):
        storage.read(lambda reader: reader.context_features())
    storage.close()


# Those whose name begins with "transaction" say what BEGIN said of the current one, or of the last.
_CHANGED = "SELECT name FROM pg_settings WHERE source = 'session' AND name NOT LIKE 'transaction%'"


def test_leaves_sessions_as_they_are(url: str) -> None:
    """Behind PgBouncer, where sessions are shared: units of work prepare nothing there, and set nothing."""
    dialect = dialect_for(url)
    engine = dialect.make_engine()
    for options in [dialect.writer_options, dialect.reader_options] * 4:
        with engine.execution_options(**options).connect() as connection:
            connection.execute(text("SELECT 1 WHERE 1 = :one"), {"one": 1})
            connection.commit()
    with engine.connect() as connection:
        prepared = connection.execute(text("SELECT statement FROM pg_prepared_statements")).all()
        changed = connection.execute(text(_CHANGED)).all()
    engine.dispose()
    assert ([], []) == (prepared, changed)


def test_refuses_an_unknown_way_of_listening() -> None:
    """The parameter that switches listening off is checked."""
    with pytest.raises(StorageError, match="heksher_listen='no' in the database URL is neither on nor off"):
        dialect_for("postgresql://host/db?heksher_listen=no")


def test_commit_breaks_off(url: str, server_storage: Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the connection breaks off during the commit, the message says that the outcome is unknown."""

    def commit_too_late(connection: psycopg.Connection[object]) -> None:
        end_sessions(url)
        psycopg.Connection.commit(connection)

    monkeypatch.setattr(PatientConnection, "commit", commit_too_late)
    with pytest.raises(StorageUnavailableError, match="nobody can tell whether the change was stored"):
        write_something(server_storage)
    assert read_revision(server_storage) == 0
