"""Tests of how the SQL storage reads and writes its log: by indices, with few statements, and long values once."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import Engine, event, func, select

from heksher.server.operations import metadata, rules
from heksher.server.operations.loading import Contents, load
from heksher.server.storage.base import NOBODY, LoggedChange, RuleRecord, Storage
from heksher.server.storage.sql_reader import SqlReader
from heksher.server.storage.tables import LOG_PART, LOG_VALUE
from tests.support.storages import SqlPlace, a_setting

LONG = "x" * 100_000


@pytest.fixture
def storage(place: SqlPlace) -> Iterator[Storage]:
    """An open storage with some hundred settings and a thousand rules, and statistics of them."""
    storage = place.connect()
    storage.open()
    others = (a_setting(f"other_{number}") for number in range(300))
    settings = [a_setting("a", default_value=LONG), a_setting("b"), *others]
    some = [RuleRecord(number + 1, "ab"[number % 2], {"user": f"u{number}"}, number) for number in range(1000)]
    load(storage, Contents(("user",), settings, some, 1001), NOBODY)
    for number in range(50):
        rules.set_value(storage, number + 1, -1, NOBODY)
    place.run_sql("ANALYZE")
    yield storage
    storage.close()


@contextmanager
def catching_statements() -> Iterator[list[tuple[str, object]]]:
    """Return a list of the statements that the block sends, with their parameters."""
    statements: list[tuple[str, object]] = []

    def note(*arguments: object) -> None:
        if not str(arguments[2]).startswith("BEGIN"):
            statements.append((str(arguments[2]), arguments[3]))

    event.listen(Engine, "before_cursor_execute", note)
    try:
        yield statements
    finally:
        event.remove(Engine, "before_cursor_execute", note)


def explain(storage: Storage, statement: str, parameters: object) -> str:
    """Return the plan of a query, with sequential scans as bad as they are for a large table."""

    def work(reader: object) -> str:
        assert isinstance(reader, SqlReader)
        connection = reader._statements._connection
        if connection.dialect.name == "sqlite":
            return "\n".join(
                str(row) for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
            )
        connection.exec_driver_sql("SET LOCAL enable_seqscan = off")
        return "\n".join(str(row) for row in connection.exec_driver_sql(f"EXPLAIN {statement}", parameters))

    return storage.read(work)


@pytest.mark.parametrize("about", [{}, {"setting": "a"}, {"rule_id": 1}], ids=["all", "setting", "rule"])
def test_pages_are_found_by_an_index(storage: Storage, about: dict[str, object]) -> None:
    """No statement looks at all rows of a table, whichever way the log is read."""
    with catching_statements() as statements:
        storage.read(lambda reader: (reader.history(40, 5, **about), reader.log(40, 5), reader.changes(1, 100, 5)))  # type: ignore[arg-type]
    plans = [explain(storage, *statement) for statement in statements if statement[0].startswith("SELECT")]
    assert len(plans) >= 3
    for plan in plans:
        # SQLite names a subquery, too, which is as long as a page.
        assert not re.search(r"SCAN (log_|setting|rule)|Seq Scan", plan), plan


def test_rules_of_a_setting_are_found_by_an_index(storage: Storage) -> None:
    """Their cost does not depend on the rules of others."""
    with catching_statements() as statements:
        found = storage.read(lambda reader: reader.rules(["a"]))
    assert 500 == len(found)
    (statement,) = statements
    plan = explain(storage, *statement)
    assert not re.search(r"SCAN|Seq Scan", plan), plan


def test_long_values_are_kept_once(storage: Storage) -> None:
    """A change logs the fields that differ, so others of any length are not even looked at."""
    with catching_statements() as statements:
        for number in range(20):
            edit = metadata.merge({"number": number})
            metadata.edit_of_setting(storage, "a", edit, f"1.{number + 1}", NOBODY)

    def measure(reader: object) -> tuple[int, int]:
        assert isinstance(reader, SqlReader)
        connection = reader._statements._connection
        lengths = func.coalesce(func.length(LOG_PART.c.before), 0) + func.coalesce(func.length(LOG_PART.c.after), 0)
        logged = connection.execute(select(func.sum(lengths)).where(LOG_PART.c.revision > 51)).scalar_one()
        return logged, connection.execute(select(func.count()).select_from(LOG_VALUE)).scalar_one()

    logged, values = storage.read(measure)
    assert 1 == values
    assert logged < 20 * 200
    assert not [statement for statement, _ in statements if "log_value" in statement]


def test_a_value_that_comes_again_is_not_sent_again(storage: Storage) -> None:
    """Its newest entry is noted, so that values without entries can be found."""

    def note_last(reader: object) -> list[int]:
        assert isinstance(reader, SqlReader)
        return list(reader._statements._connection.execute(select(LOG_VALUE.c.last_revision)).scalars())

    change = LoggedChange("set type", "setting", "a", {"default_value": LONG}, {"default_value": LONG})
    with catching_statements() as statements:
        for _ in range(2):
            storage.write(lambda writer: writer.record(change))
    assert [53] == storage.read(note_last)
    assert not [statement for statement, _ in statements if statement.startswith("INSERT INTO log_value")]
