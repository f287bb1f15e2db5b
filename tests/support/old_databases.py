"""Databases as earlier versions of the service made them: frozen in ``schemas``, never computed from today's tables.

``data_0001.sql`` is what ``fill`` made with version 0001 of the schema, ``data_0002.sql`` what ``operated.operate``
made with version 0002, and ``data_0004.sql`` what ``operate_and_forget`` made with version 0004.
"""

import dataclasses
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import psycopg

from heksher.server.operations import metadata
from heksher.server.storage.base import LoggedChange, Origin, RuleRecord, Storage, Writer
from heksher.server.storage.dialects import dialect_for
from heksher.server.storage.maintenance import using
from heksher.server.storage.migrations import run_migrations
from tests.support.operated import LONG, ORIGIN, operate
from tests.support.storages import SqlPlace, a_setting

_DIRECTORY: Final = Path(__file__).parent / "schemas"
# What PostgreSQL's own counter has to be told about rows whose numbers are given.
_SET_COUNTER: Final = "SELECT setval(pg_get_serial_sequence('setting', 'id'), (SELECT max(id) FROM setting));"


def make_first_database(place: SqlPlace) -> None:
    """Make an empty place a database of the first schema, with data."""
    data = (_DIRECTORY / "data_0001.sql").read_text(encoding="utf-8")
    if place.kind == "postgres":
        schema = (_DIRECTORY / "0001_postgres.sql").read_text(encoding="utf-8")
        with psycopg.connect(place.url) as connection:
            connection.execute((schema + data + _SET_COUNTER).encode())
    else:
        schema = (_DIRECTORY / "0001_sqlite.sql").read_text(encoding="utf-8")
        path = Path(place.url.removeprefix("sqlite:///"))
        # Not as an earlier version made it: the warning of that is not what its users are about.
        path.touch(0o600)
        with closing(sqlite3.connect(path)) as file:
            file.executescript(schema + data)


def make_second_database(place: SqlPlace) -> None:
    """Make an empty place a database of the second schema, with a log that has all kinds of changes."""
    _make(place, "0002")
    if place.kind == "postgres":
        place.run_sql(_SET_COUNTER)


def make_fourth_database(place: SqlPlace) -> None:
    """Make an empty place a database of the fourth schema, whose log was pruned."""
    _make(place, "0004")


def _make(place: SqlPlace, version: str) -> None:
    data = (_DIRECTORY / f"data_{version}.sql").read_text(encoding="utf-8").splitlines()
    dialect = dialect_for(place.url)
    with using(dialect) as engine, dialect.connecting(engine.execution_options(**dialect.writer_options)) as connection:
        run_migrations(connection, version)
        for statement in data:
            connection.exec_driver_sql(statement)
        dialect.commit(connection)


class FixedClock:
    """A clock that gives the same times in each run: one minute after another."""

    def __init__(self) -> None:
        self._now = datetime(2026, 11, 1, 12, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        self._now += timedelta(minutes=1)
        return self._now


def operate_and_forget(storage: Storage) -> None:
    """Operate a storage with a ``FixedClock``, and remove most of its log; a long value stays in what is left."""
    operate(storage)
    metadata.edit_of_setting(storage, "greeting", metadata.overwrite({"long": LONG}), "1.3", ORIGIN)
    storage.prune(datetime(2026, 11, 1, 12, 28, tzinfo=UTC))


def fill(storage: Storage) -> None:
    """Make some of everything, on a storage with a ``FixedClock``. The log says what it says, not what was done."""
    origin = Origin("Zoë", "it's \ud83d late; 'quoted'\n")

    def begin(writer: Writer) -> None:
        writer.set_context_features(["environment", "user", "theme"])
        writer.add_setting(a_setting("cache_ttl", ["user", "theme"], aliases=["ttl", "cache"]))
        writer.add_setting(
            a_setting("greeting", ["environment"], default_value={"text": "Grüße\0", "n": [1, 1.0, None]})
        )
        writer.add_setting(a_setting("gone", []))
        writer.record(LoggedChange("declare", "setting", "greeting", None, {"name": "greeting", "big": 10**30}))

    def add_rules(writer: Writer) -> None:
        for number in range(1, 6):
            writer.add_rule("cache_ttl", {"user": f"user{number}", "theme": "dark"}, number, {"by": "Zoë"})
        writer.add_rule("greeting", {"environment": "dev"}, "hi", {})
        writer.record(LoggedChange("add", "rule", "6", None, {"value": "hi"}))

    def end(writer: Writer) -> None:
        writer.delete_setting("gone")
        writer.delete_rule(6)
        rule = writer.find_rule(2)
        assert isinstance(rule, RuleRecord)
        writer.replace_rule(dataclasses.replace(rule, value=[]))
        writer.set_context_features(["environment", "theme", "user"])
        writer.record(LoggedChange("delete", "setting", "gone", {"name": "gone"}, None))

    for work in (begin, add_rules, end):
        storage.write(work, origin)
