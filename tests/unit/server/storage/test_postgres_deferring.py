"""Tests of connections that send statements later: which ones, with what, and what becomes of errors."""

from collections.abc import Iterator

import psycopg
import pytest
from sqlalchemy import Connection, Engine, Table, column, insert, make_url, select, table

from benchmarks.load.delaying_proxy import DelayingProxy
from heksher.server.storage.postgres import PostgresDialect
from heksher.server.storage.sql_statements import DEFERRABLE
from tests.support.postgres import make_postgres_schema, run_sql

THING: Table = table("thing", column("number"))
ADD = insert(THING)
NUMBERS = select(THING.c.number).order_by(THING.c.number)


@pytest.fixture
def proxy() -> Iterator[DelayingProxy]:
    """A proxy in front of a database with a table of things, which have different numbers."""
    with make_postgres_schema() as url:
        run_sql(url, "CREATE TABLE thing (number integer PRIMARY KEY)")
        with DelayingProxy(url) as proxy:
            yield proxy


@pytest.fixture(params=["with a pipeline", "one by one"])
def engine(request: pytest.FixtureRequest, proxy: DelayingProxy, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    """An engine for writers, with a libpq of today, or with an old one."""
    if request.param == "one by one":
        monkeypatch.setattr(psycopg.Pipeline, "is_supported", lambda: False)
    dialect = PostgresDialect(make_url(proxy.url))
    engine = dialect.make_engine()
    yield engine.execution_options(**dialect.writer_options)
    engine.dispose()


def add_later(connection: Connection, *numbers: int) -> None:
    for number in numbers:
        connection.execute(ADD, {"number": number}, execution_options={DEFERRABLE: True})


def read_numbers(engine: Engine) -> list[int]:
    with engine.connect() as connection:
        return list(connection.execute(NUMBERS).scalars())


def test_sees_what_was_deferred(engine: Engine) -> None:
    """The next statement that is run at once comes after all that were deferred, in their order."""
    with engine.connect() as connection:
        add_later(connection, 2, 1)
        connection.execute(ADD, {"number": 3})
        add_later(connection, 4)
        assert list(connection.execute(NUMBERS).scalars()) == [1, 2, 3, 4]
    assert read_numbers(engine) == []


def test_commit_stores_what_was_deferred(engine: Engine) -> None:
    """It is sent with the commit."""
    with engine.connect() as connection:
        add_later(connection, 1, 2)
        connection.commit()
    assert read_numbers(engine) == [1, 2]


def test_rollback_drops_what_was_deferred(engine: Engine) -> None:
    """A connection that is given back does the same."""
    with engine.connect() as connection:
        add_later(connection, 1)
        connection.rollback()
        add_later(connection, 2)
    with engine.connect() as connection:
        connection.execute(ADD, {"number": 3})
        connection.commit()
    assert read_numbers(engine) == [3]


def test_nothing_is_stored_after_an_error(engine: Engine) -> None:
    """Not even what came before it, or was to be committed after it; the connection is used again."""
    with engine.connect() as connection:
        add_later(connection, 1, 1, 2)
        with pytest.raises(Exception, match="duplicate key"):
            connection.commit()
    with engine.connect() as connection:
        add_later(connection, 5)
        connection.commit()
    assert read_numbers(engine) == [5]


def test_reads_in_portions_what_was_deferred(engine: Engine) -> None:
    """A cursor of the server sees it, and the transaction that was begun later."""
    with engine.connect() as connection:
        add_later(connection, *range(10))
        result = connection.execute(NUMBERS, execution_options={"yield_per": 3})
        assert list(result.scalars()) == list(range(10))


def test_waits_once(proxy: DelayingProxy) -> None:
    """The beginning of a transaction and what is deferred take no round trip of their own; nor does the commit."""
    dialect = PostgresDialect(make_url(proxy.url))
    engine = dialect.make_engine()
    with engine.execution_options(**dialect.writer_options).connect() as connection:
        connection.execute(NUMBERS)
        connection.rollback()
        before = proxy.traffic
        add_later(connection, 1, 2)
        connection.execute(NUMBERS)
        add_later(connection, 3)
        connection.commit()
        # Begin, limit of locks, two additions, selection; addition, commit.
        assert proxy.traffic.since(before) == (1, 7, 2)
    engine.dispose()
