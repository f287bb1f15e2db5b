"""Places that tests are lent: each test finds one as if it had been made for it."""

from pathlib import Path

import pytest
from sqlalchemy import create_engine, select

from heksher.server.storage.tables import METADATA, MIGRATION
from tests.support.lent_places import empty, lend_place, lend_schema
from tests.support.old_databases import FixedClock, operate_and_forget
from tests.support.postgres import run_sql
from tests.support.storages import SqlPlace, a_person, a_token, make_place, opened, store

TABLES = [table for table in METADATA.sorted_tables if table is not MIGRATION]


def see_tables(place: SqlPlace) -> dict[str, list[object]]:
    """Return the rows of each table but the one that says when the tables were made."""
    engine = create_engine(place.url.replace("postgresql:", "postgresql+psycopg:"))
    with engine.connect() as connection:
        rows = {table.name: connection.execute(select(table)).all() for table in TABLES}
    engine.dispose()
    return rows


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_emptied_place_is_like_a_new_one(tmp_path: Path, kind: str):
    """Nothing is left of what was stored."""
    with make_place(kind, tmp_path / "new") as new, lend_place(kind, tmp_path / "lent") as lent:
        with opened(new.url):
            expected = see_tables(new)
        storage = lent.connect(FixedClock())
        storage.open()
        assert expected == see_tables(lent)
        operate_and_forget(storage)
        store(
            storage,
            lambda writer: writer.put_token(a_token()),
            lambda writer: writer.put_person(a_person()),
            lambda writer: writer.set_signing_key("key"),
        )
        storage.close()
        lent.run_sql("UPDATE heksher_version SET version_num = 'other'")
        assert expected != see_tables(lent)
        empty(lent)
        assert expected == see_tables(lent)


def test_schema_is_lent_again():
    """One that nobody needs any more."""
    with lend_schema() as first:
        pass
    with lend_schema() as second:
        assert first == second


@pytest.mark.parametrize(
    "change",
    [
        "DROP TABLE rule CASCADE",
        "ALTER TABLE rule RENAME COLUMN value TO worth",
        "ALTER TABLE rule ADD CHECK (id <> 7)",
        "CREATE TRIGGER forbid BEFORE UPDATE ON rule EXECUTE FUNCTION suppress_redundant_updates_trigger()",
        "CREATE TABLE customers (id INTEGER)",
        "GRANT SELECT ON rule TO PUBLIC",
        "DROP SCHEMA {schema} CASCADE",
    ],
)
def test_schema_that_was_changed_is_not_lent_again(change: str):
    """Whatever was done to its tables."""
    with lend_schema() as changed:
        run_sql(changed, change.format(schema=changed.partition("search_path%3D")[2].rstrip("%20")))
    with lend_schema() as next_one:
        assert changed != next_one
