"""Tests of bringing databases up to date: empty ones, old ones, and those of others."""

import itertools
import json
import logging
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, inspect, select

from heksher.server.operations import rules
from heksher.server.operations.logged_change import add_rule
from heksher.server.storage import schema
from heksher.server.storage.base import NOBODY, LogEntry, LoggedChange, Reader, Storage, Writer
from heksher.server.storage.dialects import dialect_for
from heksher.server.storage.migration import Migration
from heksher.server.storage.migrations import list_migrations, run_migrations
from heksher.server.storage.sql import SqlStorage
from heksher.server.storage.storage_errors import StorageError
from heksher.server.storage.tables import HEKSHER_VERSION, LOG_PART, LOG_VALUE, METADATA, MIGRATION, SCHEMA_VERSION
from heksher.version import __version__
from tests.support.old_databases import (
    FixedClock,
    fill,
    make_first_database,
    make_fourth_database,
    make_second_database,
    operate_and_forget,
)
from tests.support.operated import LONG, operate
from tests.support.processes import DEADLINE_S, ROOT
from tests.support.storages import (
    SqlPlace,
    a_token,
    make_place,
    opened,
    read_revision,
    see_access,
    see_everything,
    see_last_changes,
    store,
    write_something,
)

KINDS = ("sqlite", "postgres")


MAKERS: dict[str, Callable[[SqlPlace], object]] = {
    "empty": lambda place: None,
    "first": make_first_database,
    "second": make_second_database,
    "fourth": make_fourth_database,
}


@pytest.fixture(params=KINDS)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SqlPlace]:
    """An empty database of each kind."""
    with make_place(request.param, tmp_path) as place:
        assert isinstance(place, SqlPlace)
        yield place


@contextmanager
def connected(place: SqlPlace) -> Iterator[Connection]:
    """Connect to a database as it is."""
    dialect = dialect_for(place.url)
    engine = dialect.make_engine()
    with engine.execution_options(**dialect.writer_options).connect() as connection:
        yield connection
    dialect.close_engine(engine)


def migrate(place: SqlPlace) -> list[Migration]:
    """Bring a database up to date."""
    dialect = dialect_for(place.url)
    engine = dialect.make_engine()
    try:
        return schema.migrate(dialect, engine)
    finally:
        dialect.close_engine(engine)


def describe(connection: Connection) -> dict[str, object]:
    """Describe the schema of a database, with the names of constraints."""
    inspector = inspect(connection)
    return {
        table: (
            [(column["name"], str(column["type"]), column["nullable"]) for column in inspector.get_columns(table)],
            inspector.get_pk_constraint(table),
            sorted(inspector.get_foreign_keys(table), key=str),
            sorted(inspector.get_unique_constraints(table), key=str),
            sorted(inspector.get_indexes(table), key=str),
        )
        for table in inspector.get_table_names()
    }


def list_notes(place: SqlPlace) -> list[tuple[str, str]]:
    """List the notes of migrations: the version of the schema, and that of the program."""
    with connected(place) as connection:
        rows = connection.execute(select(MIGRATION).order_by(MIGRATION.c.version)).all()
    return [(row.version, row.heksher_version) for row in rows]


def test_first_migration_makes_the_first_schema(place: SqlPlace, tmp_path: Path) -> None:
    """The first migration makes exactly what the first version of the service made."""
    make_first_database(place)
    with make_place(place.kind, tmp_path / "other") as other, connected(place) as old, connected(other) as new:
        run_migrations(new, "0001")
        assert describe(old) == describe(new)


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS.keys())
def test_migrations_make_the_tables(place: SqlPlace, make: Callable[[SqlPlace], object]) -> None:
    """Whatever a database was before, its tables are then those that the program works with."""
    make(place)
    migrate(place)
    with connected(place) as connection:
        options = {"version_table": HEKSHER_VERSION.name, "compare_server_default": True}
        context = MigrationContext.configure(connection, opts=options)
        assert [] == compare_metadata(context, METADATA)


def test_upgrades_are_alike(place: SqlPlace, tmp_path: Path) -> None:
    """An old database that was brought up to date has the schema of a new one, to the names of constraints."""
    make_first_database(place)
    migrate(place)
    with make_place(place.kind, tmp_path / "other") as other:
        migrate(other)
        with connected(place) as upgraded, connected(other) as new:
            assert describe(upgraded) == describe(new)


def test_upgrade_keeps_everything(place: SqlPlace, tmp_path: Path) -> None:
    """What was in a database of the first schema is there after the upgrade, and the service goes on with it."""
    make_first_database(place)
    upgraded, expected = place.connect(), SqlStorage(str(tmp_path / "expected.db"), FixedClock())
    upgraded.open()
    expected.open()
    fill(expected)
    assert see_contents(expected) == see_contents(upgraded)
    fill_again = (write_something(storage) for storage in (expected, upgraded))
    assert [4, 4] == list(fill_again)
    for storage in (upgraded, expected):
        storage.close()


def test_upgrade_converts_the_log(place: SqlPlace, tmp_path: Path) -> None:
    """The log of an old database reads as if this version had written it: by entry, by setting and by rule."""
    make_second_database(place)
    upgraded, expected = place.connect(), SqlStorage(str(tmp_path / "expected.db"), FixedClock())
    upgraded.open()
    expected.open()
    operate(expected)
    for see in (see_contents, see_revisions, see_histories):
        assert see(expected) == see(upgraded)
    assert LONG in [change.after["default_value"] for change in list_added(upgraded)]
    stamps = {entry.stamp for entry in upgraded.read(lambda reader: reader.log())}
    assert read_revision(upgraded) == len(stamps)
    for storage in (expected, upgraded):
        rules.add(storage, "gone", {"user": "new"}, 1, {}, NOBODY)
        storage.write(bring_back)
    assert see_histories(expected) == see_histories(upgraded)
    for storage in (upgraded, expected):
        storage.close()


def test_upgrade_keeps_long_values_once(place: SqlPlace) -> None:
    """However many entries have one."""
    make_second_database(place)
    migrate(place)
    with connected(place) as connection:
        rows = connection.execute(select(LOG_VALUE)).all()
        texts = [text for row in connection.execute(select(LOG_PART)) for text in (row.before, row.after) if text]
    metadata = [{"long": LONG}, {"long": LONG, "short": 1}]
    uses = {row.value: sum(row.digest in text for text in texts) for row in rows}
    # The first metadata was written by one change, and replaced by the next one.
    values = zip([LONG, *metadata], [1, 2, 1], strict=True)
    assert {json.dumps(value, separators=(",", ":")): count for value, count in values} == uses
    assert all(len(text) < 4096 for text in texts)


def test_upgrade_keeps_what_was_forgotten(place: SqlPlace, tmp_path: Path) -> None:
    """Of a pruned log: what is left, last changes, and which settings and rules were deleted; access begins empty."""
    make_fourth_database(place)
    numbers = itertools.count(1)
    upgraded = place.connect()
    expected = SqlStorage(str(tmp_path / "expected.db"), FixedClock(), lambda: f"{next(numbers):012x}")
    upgraded.open()
    expected.open()
    operate_and_forget(expected)
    for see in (see_everything, see_last_changes, see_histories, see_deletions, see_access):
        assert see(expected) == see(upgraded)
    assert ((), ()) == upgraded.read(lambda reader: (reader.access().tokens, reader.access().persons))
    assert 33 == store(upgraded, lambda writer: writer.put_token(a_token())).revision
    for storage in (upgraded, expected):
        storage.close()


def test_upgrade_keeps_who_was_known(place: SqlPlace) -> None:
    """As somebody, where the entry, or what is kept of it, does not say whether it was a token or a person."""
    make_fourth_database(place)
    place.run_sql("UPDATE log_entry SET is_proved = TRUE WHERE revision = 29")
    place.run_sql("UPDATE kept_change SET is_proved = TRUE")
    with opened(place.url) as upgraded:
        log = upgraded.read(lambda reader: reader.log())
        kept = upgraded.read(lambda reader: reader.last_change(20))
    assert ["nobody", "somebody", "nobody"] == [entry.origin.actor_kind for entry in log[:3]]
    assert kept is not None
    assert ("Zoë", "somebody") == (kept.actor, kept.actor_kind)


ADD_ENTRIES = """
INSERT INTO change_log (revision, at, actor, reason, action, kind, key, before, after)
WITH RECURSIVE number(n) AS (SELECT 100 UNION ALL SELECT n + 1 FROM number WHERE n < 2599)
SELECT n, '2026-11-01T12:00:00+00:00', '""', '""', 'note', 'rule', '1', 'null', '{}' FROM number
"""


def test_upgrade_of_a_long_log_tells_how_far_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """That it begins, with how many entries, and about each ten seconds how many are done: here a part takes six."""
    caplog.set_level(logging.INFO, "heksher")
    monotonic, times_s = time.monotonic, itertools.count(0.0, 6.0)

    def tell_time() -> float:
        asks = Path(sys._getframe(1).f_code.co_filename).name
        return next(times_s) if asks == "0003_log_parts.py" else monotonic()

    with make_place("sqlite", tmp_path) as place:
        assert isinstance(place, SqlPlace)
        make_second_database(place)
        place.run_sql(ADD_ENTRIES)
        monkeypatch.setattr(time, "monotonic", tell_time)
        migrate(place)
    messages = [message.removeprefix(f"{dialect_for(place.url).place}: ") for message in caplog.messages]
    assert [
        "running the migrations 0003, 0004, 0005, 0006, 0007, 0008, 0009, 0010, in one transaction",
        "converting the change log: 2531 entries",
        "converting the change log: 2000 of 2531 entries are done",
    ] == messages[:3]
    assert messages[3].startswith("ran the migration 0003")


def test_upgrade_of_a_new_database_has_nothing_to_tell_of(place: SqlPlace, caplog: pytest.LogCaptureFixture) -> None:
    """There is no entry to convert."""
    caplog.set_level(logging.INFO, "heksher")
    migrate(place)
    assert "running the migrations 0001, 0002, 0003, 0004, 0005, 0006, 0007, 0008, 0009" in caplog.text
    assert "converting" not in caplog.text


@pytest.mark.parametrize("key", ["9" * 19, "9" * 5000])
def test_upgrade_survives_a_key_that_is_no_id(place: SqlPlace, key: str) -> None:
    """Digits that no rule's id has, and that the interpreter may not read."""
    make_second_database(place)
    place.run_sql(f"UPDATE change_log SET key = '{key}' WHERE kind = 'rule'")  # noqa: S608 -- of digits
    assert ["0003", "0004", "0005", "0006", "0007", "0008", "0009", "0010"] == [
        migration.version for migration in migrate(place)
    ]


def list_added(storage: Storage) -> list[LoggedChange]:
    """Return the changes that added settings."""
    changes = [change for entry in storage.read(lambda reader: reader.log()) for change in entry.changes]
    return [change for change in changes if change.kind == "setting" and change.before is None]


def see_contents(storage: Storage) -> tuple[object, ...]:
    """Return everything but what says which entries and objects are the same ones."""
    revision, features, settings, rules, _, log = see_everything(storage)
    assert isinstance(log, list)
    return (
        revision,
        features,
        settings,
        rules,
        [(entry.revision, entry.at, entry.origin, entry.changes) for entry in log],
    )


def see_revisions(storage: Storage) -> list[int]:
    """Return the revision of the last change of each object."""
    return storage.read(
        lambda reader: [
            reader.features_revision(),
            *(record.revision for record in (*reader.settings(), *reader.rules())),
        ]
    )


def see_histories(storage: Storage) -> list[list[tuple[int, int]]]:
    """Return the histories of all settings and rules that there were, as revisions and numbers of changes."""

    def work(reader: Reader) -> list[list[LogEntry]]:
        names = ("ttl", "cache.ttl", "greeting", "gone", "moved")
        by_rule = [reader.history(rule_id=rule_id) for rule_id in range(12)]
        return [*(reader.history(setting=name) for name in names), *by_rule]

    return [[(entry.revision, len(entry.changes)) for entry in entries] for entries in storage.read(work)]


def see_deletions(storage: Storage) -> list[str | None]:
    """Return by what the settings and rules that there were have been deleted, as far as removed entries say it."""
    objects = [*(("rule", str(number)) for number in range(12)), *(("setting", name) for name in ("gone", "moved"))]
    return storage.read(lambda reader: [reader.forgotten_deletion(kind, key) for kind, key in objects])


def bring_back(writer: Writer) -> None:
    """Add a deleted rule again, with its id."""
    rule = writer.add_rule("ttl", {"user": "u2"}, 2, {"by": "me"}, rule_id=5)
    writer.record(add_rule(rule, writer.context_features()))


def test_notes_what_was_run(place: SqlPlace) -> None:
    """Each migration that is run is noted with the version of the program, once."""
    assert list_migrations() == migrate(place)
    assert [] == migrate(place)
    assert [(migration.version, __version__) for migration in list_migrations()] == list_notes(place)


def test_does_not_note_what_was_run_before(place: SqlPlace) -> None:
    """When the first schema was made is not known, so it is not noted."""
    make_first_database(place)
    assert list_migrations()[1:] == migrate(place)
    assert [(migration.version, __version__) for migration in list_migrations()[1:]] == list_notes(place)


def test_newest_migration_makes_the_schema_version() -> None:
    """The last migration is the one that the program works with, and each has a title."""
    migrations = list_migrations()
    assert SCHEMA_VERSION == migrations[-1].version
    assert all(migration.title for migration in migrations)


def test_failed_migration_changes_nothing(place: SqlPlace, monkeypatch: pytest.MonkeyPatch) -> None:
    """When a migration fails, the database is as it was, and the next attempt succeeds."""
    make_first_database(place)
    with connected(place) as connection:
        before = describe(connection)

    def fail(_: Migration) -> dict[str, str]:
        raise KeyError

    monkeypatch.setattr(schema, "_note", fail)
    with pytest.raises(KeyError):
        migrate(place)
    with connected(place) as connection:
        assert before == describe(connection)
    monkeypatch.undo()
    assert ["0002", "0003", "0004", "0005", "0006", "0007", "0008", "0009", "0010"] == [
        migration.version for migration in migrate(place)
    ]


def test_refuses_a_newer_schema(place: SqlPlace) -> None:
    """A database that a newer version of the program has changed is left alone."""
    migrate(place)
    place.run_sql("UPDATE heksher_version SET version_num = '0999'")
    with pytest.raises(StorageError, match="has the schema version 0999, but this version of heksher works with"):
        migrate(place)


OPEN_AT_ONCE = """
import multiprocessing, sys
from heksher.server.storage.sql import SqlStorage
from tests.support.storages import write_something

def run(barrier, url):
    storage = SqlStorage(url)
    barrier.wait()
    storage.open()
    write_something(storage)
    storage.close()

fork = multiprocessing.get_context("fork")
barrier = fork.Barrier(8)
processes = [fork.Process(target=run, args=(barrier, sys.argv[1])) for _ in range(8)]
for process in processes:
    process.start()
for process in processes:
    process.join()
sys.exit(any(process.exitcode for process in processes))
"""


@pytest.mark.parametrize("make", [lambda place: None, make_first_database], ids=["empty", "old"])
def test_many_processes_begin_at_once(place: SqlPlace, make: object) -> None:
    """Eight processes that start at the same moment all come up, and each migration is run once."""
    assert callable(make)
    make(place)
    done = subprocess.run(
        [sys.executable, "-c", OPEN_AT_ONCE, place.url],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
    )
    assert (0, "") == (done.returncode, done.stderr)
    ran = list_migrations() if make is not make_first_database else list_migrations()[1:]
    assert [(migration.version, __version__) for migration in ran] == list_notes(place)
    storage = place.connect()
    storage.open()
    assert 8 + (3 if make is make_first_database else 0) == read_revision(storage)
    storage.close()
