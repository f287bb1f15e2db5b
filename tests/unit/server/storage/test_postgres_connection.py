"""Tests of outages of PostgreSQL: it stops, or it is there and does not answer."""

import time
from collections.abc import Callable, Iterator

import pytest
from sqlalchemy import make_url

from heksher.server.storage import postgres_connection
from heksher.server.storage.base import Reader, Storage, Writer
from heksher.server.storage.postgres import PostgresDialect
from heksher.server.storage.sql import SqlStorage
from heksher.server.storage.storage_errors import StorageUnavailableError
from tests.support.postgres import PostgresServer, add_parameters, private_postgres, run_sql
from tests.support.storages import SOME_CHANGE, read_revision, write_something

Call = Callable[[Storage], object]
CALLS: dict[str, Call] = {
    "check": lambda storage: storage.check(),
    "read": read_revision,
    "write": write_something,
}


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    """A server that may be stopped and frozen."""
    with private_postgres() as server:
        yield server


@pytest.fixture(autouse=True)
def impatience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make connections wait shortly only."""
    monkeypatch.setattr(postgres_connection, "ANSWER_TIMEOUT_S", 1.0)
    monkeypatch.setattr(postgres_connection, "PING_TIMEOUT_S", 0.3)


@pytest.fixture
def storage(server: PostgresServer) -> Iterator[Storage]:
    """An open storage on the server."""
    storage = SqlStorage(add_parameters(server.url, connect_timeout="2"))
    storage.open()
    yield storage
    storage.close()


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS.keys())
def test_server_stops(server: PostgresServer, storage: Storage, call: Call) -> None:
    """While the server is away, every call says so; when it is back, the same storage works."""
    revision = write_something(storage)
    server.stop()
    for _ in range(2):
        with pytest.raises(StorageUnavailableError):
            call(storage)
    server.start()
    call(storage)
    assert write_something(storage) > revision


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS.keys())
def test_server_freezes(server: PostgresServer, storage: Storage, call: Call) -> None:
    """While the server does not answer, no call waits for ever; when it answers again, the same storage works."""
    revision = write_something(storage)
    server.freeze()
    begin = time.monotonic()
    for _ in range(2):
        with pytest.raises(StorageUnavailableError):
            call(storage)
    assert time.monotonic() - begin < 15
    server.thaw()
    call(storage)
    assert write_something(storage) > revision


def test_connections_that_the_server_ends(server: PostgresServer) -> None:
    """A call that follows at once notices it, without having checked whether the connection works: it takes another."""
    storage = SqlStorage(add_parameters(server.url, application_name="ended"))
    storage.open()
    for call in CALLS.values():
        write_something(storage)
        run_sql(
            server.url,
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE application_name = 'ended'",
        )
        call(storage)
    storage.close()


def go_on_after(outage: Callable[[], None]) -> Callable[[Reader], None]:
    """Return a unit of work in which an outage begins, which the work does not care about."""

    def work(reader: Reader) -> None:
        reader.settings()
        outage()
        for _ in range(2):
            with pytest.raises(StorageUnavailableError):
                reader.settings()

    return work


@pytest.mark.parametrize("outage", ["stop", "freeze"])
def test_outage_within_a_unit_of_work(server: PostgresServer, storage: Storage, outage: str) -> None:
    """A unit of work that the server leaves alone stores nothing, even if it goes on after the error."""
    revision = write_something(storage)
    go_on = go_on_after(getattr(server, outage))

    def write(writer: Writer) -> None:
        writer.record(SOME_CHANGE)
        go_on(writer)

    storage.read(go_on)
    server.stop()
    server.start()
    with pytest.raises(StorageUnavailableError):
        storage.write(write)
    server.stop()
    server.start()
    assert read_revision(storage) == revision


def test_freezes_while_work_fails(server: PostgresServer, storage: Storage) -> None:
    """An error of the work comes out as it is, even if the server does not answer when it is to undo the work."""

    def fail(reader: Reader) -> None:
        reader.revision()
        server.freeze()
        raise KeyError

    with pytest.raises(KeyError):
        storage.read(fail)
    server.thaw()
    assert write_something(storage) > 0


def test_commit_is_not_answered(server: PostgresServer, storage: Storage) -> None:
    """Of a commit that is not answered nobody can tell what became of it, and the message says so."""
    revision = write_something(storage)

    def work(writer: Writer) -> None:
        writer.record(SOME_CHANGE)
        # What follows is the announcement and the commit.
        server.freeze()

    with pytest.raises(StorageUnavailableError, match="has not answered for 1 seconds"):
        storage.write(work)
    server.thaw()
    assert read_revision(storage) in {revision, revision + 1}


def test_notifications_are_not_kept(server: PostgresServer) -> None:
    """A connection of the pool forgets what it hears, which is not meant for it."""
    engine = PostgresDialect(make_url(server.url)).make_engine()
    with engine.connect() as connection:
        for statement in ("LISTEN somebody", "NOTIFY somebody", "SELECT 1"):
            connection.exec_driver_sql(statement)
            connection.commit()
        kept = list(connection.connection.driver_connection._notifies_backlog)
    engine.dispose()
    assert [] == kept
