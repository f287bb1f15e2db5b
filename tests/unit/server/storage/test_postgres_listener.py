"""Tests of hearing of writes through PostgreSQL."""

import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest

from heksher.server.storage import postgres_listener
from heksher.server.storage.listener import Listener
from heksher.server.storage.postgres_listener import PostgresListener
from heksher.server.storage.sql import SqlStorage
from tests.support.lent_places import lend_schema
from tests.support.postgres import (
    add_parameters,
    end_sessions,
    private_postgres,
)
from tests.support.storages import opened, write_something
from tests.support.waiting import wait_until

# So long that only a wait that nothing ends lasts as long.
PATIENCE_S = 60.0


@pytest.fixture
def url() -> Iterator[str]:
    """The URL of an empty database, whose sessions have a name of their own."""
    with lend_schema() as url:
        yield add_parameters(url, application_name=uuid.uuid4().hex)


@contextmanager
def listening(url: str) -> Iterator[Listener]:
    """Listen; when the block begins, the first wait is over, which ends as soon as the listener listens."""
    listener = SqlStorage(url).listen()
    try:
        assert is_ended(listener)
        yield listener
    finally:
        listener.close()


def is_ended(listener: Listener, timeout_s: float = PATIENCE_S) -> bool:
    """Wait, and tell whether something ended the wait before its time."""
    timer = threading.Event()

    def wait() -> None:
        listener.wait(2 * timeout_s)
        timer.set()

    thread = threading.Thread(target=wait)
    thread.start()
    is_early = timer.wait(timeout_s)
    listener.interrupt()
    thread.join()
    if is_early:
        # The interruption was not needed, so it would end the next wait.
        listener.wait(0)
    return is_early


def test_hears_of_writes(url: str) -> None:
    """Each write of another storage ends a wait, and there is no need to be waiting when it is made."""
    with opened(url) as storage, listening(url) as listener:
        for _ in range(3):
            write_something(storage)
            assert is_ended(listener)


def test_does_not_hear_of_other_schemas(url: str) -> None:
    """Two services that share a database, each with a schema of its own, do not disturb each other."""
    with lend_schema() as other, opened(other) as others, opened(url) as ours, listening(url) as listener:
        write_something(others)
        assert not is_ended(listener, timeout_s=0.2)
        write_something(ours)
        assert is_ended(listener)


def test_does_not_hear_of_what_is_not_stored(url: str) -> None:
    """A unit of work that fails tells nobody."""
    with opened(url) as storage, listening(url) as listener:
        with pytest.raises(ZeroDivisionError):
            storage.write(lambda writer: 1 // writer.revision())
        assert not is_ended(listener, timeout_s=0.2)


def test_connects_again(url: str) -> None:
    """When the connection was lost, the listener makes a new one, and says that something may have been missed."""
    with listening(url) as listener:
        end_sessions(url)
        assert is_ended(listener)
        with opened(url) as storage:
            write_something(storage)
        assert is_ended(listener)


def test_outlives_the_server() -> None:
    """Without a server waits last their time; when it is back, writes are heard of again."""
    with private_postgres() as server, opened(server.url) as storage, listening(server.url) as listener:
        server.stop()
        assert not is_ended(listener, timeout_s=0.2)
        server.start()
        assert is_ended(listener)
        write_something(storage)
        assert is_ended(listener)


def test_tries_once_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that refuses is not asked without a pause."""
    monkeypatch.setattr(postgres_listener, "RECONNECT_INTERVAL_S", 0.1)
    attempts: list[None] = []

    def connect() -> psycopg.Connection[object]:
        attempts.append(None)
        raise psycopg.OperationalError("not now")

    listener = PostgresListener(connect, "channel")
    assert wait_until(lambda: len(attempts) >= 2)
    assert not is_ended(listener, timeout_s=0.2)
    listener.close()
    assert len(attempts) < 30


def test_listening_is_refused(url: str) -> None:
    """Where the server does not let us listen, waits last their time, and writing works."""
    listener = PostgresListener(lambda: psycopg.connect(url, autocommit=True), 'no "channel')
    assert not is_ended(listener, timeout_s=0.2)
    listener.close()
    with opened(url) as storage:
        assert write_something(storage) == 1


def test_closes_its_connection(url: str) -> None:
    """A closed listener leaves no session behind, also when it is closed twice."""
    listener = SqlStorage(url).listen()
    listener.wait(PATIENCE_S)
    assert count_sessions(url) == 1
    listener.close()
    listener.close()
    assert wait_until(lambda: count_sessions(url) == 0)


def count_sessions(url: str) -> int:
    """Count the sessions with the name that the URL gives, but for the one that counts."""
    with psycopg.connect(url) as connection:
        counted = connection.execute(
            "SELECT count(*) FROM pg_stat_activity"
            " WHERE application_name = current_setting('application_name') AND pid <> pg_backend_pid()"
        ).fetchone()
    return int(counted[0]) if counted else 0
