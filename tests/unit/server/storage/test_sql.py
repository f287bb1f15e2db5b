"""Tests of what only SQL storages can meet: foreign databases, spoilt rows, the number of statements.

What they have in common with the storage in memory is in ``tests/conformance``.
"""

import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import Engine, event, text
from sqlalchemy.pool import Pool

import heksher.server.storage
from heksher.server.storage import dialect
from heksher.server.storage.base import Reader, Storage, Writer
from heksher.server.storage.dialects import dialect_for
from heksher.server.storage.maintenance import using
from heksher.server.storage.sql import SqlStorage
from heksher.server.storage.storage_errors import (
    SchemaChangedError,
    StorageCorruptError,
    StorageError,
    StorageUnavailableError,
)
from heksher.server.storage.tables import SCHEMA_VERSION
from tests.support.storages import SqlPlace, a_setting, see_everything, store, write_something


@pytest.fixture
def storage(place: SqlPlace) -> Iterator[Storage]:
    """An open storage with a setting and a rule."""
    storage = place.connect()
    storage.open()
    store(storage, fill)
    yield storage
    storage.close()


def fill(writer: Writer) -> None:
    writer.set_context_features(["user", "theme"])
    writer.add_setting(a_setting("cache_ttl", aliases=("ttl",)))
    writer.add_rule("cache_ttl", {"user": "guest"}, 1, {})


@contextmanager
def counting_statements() -> Iterator[list[str]]:
    """Return a list of the statements that the block sends."""
    statements: list[str] = []

    def note(*arguments: object) -> None:
        statements.append(str(arguments[2]))

    event.listen(Engine, "before_cursor_execute", note)
    try:
        yield statements
    finally:
        event.remove(Engine, "before_cursor_execute", note)


@contextmanager
def noting_connections() -> Iterator[set[object]]:
    """Return a set of the connections that are opened in the block, as long as they are open."""
    connections: set[object] = set()

    def note_opening(connection: object, _entry: object) -> None:
        connections.add(connection)

    def note_closing(connection: object, _entry: object = None) -> None:
        connections.discard(connection)

    event.listen(Pool, "connect", note_opening)
    event.listen(Pool, "close", note_closing)
    event.listen(Pool, "close_detached", note_closing)
    try:
        yield connections
    finally:
        event.remove(Pool, "connect", note_opening)
        event.remove(Pool, "close", note_closing)
        event.remove(Pool, "close_detached", note_closing)


def test_unit_that_outlasts_its_storage(place: SqlPlace) -> None:
    """A unit of work that ends after its storage was closed leaves no connection open."""

    def close_meanwhile(_reader: Reader) -> int:
        storage.close()
        return len(connections)

    with noting_connections() as connections:
        storage = place.connect()
        storage.open()
        assert storage.read(close_meanwhile) == 1
        assert connections == set()


def test_unit_that_begins_while_its_storage_is_closed(place: SqlPlace) -> None:
    """Nor does one that connects only then."""
    dialect = dialect_for(place.url)
    engine = dialect.make_engine()
    dialect.close_engine(engine)
    with noting_connections() as connections:
        with engine.connect():
            assert len(connections) == 1
        assert connections == set()


def test_finds_many_settings_with_few_statements(storage: Storage) -> None:
    """The number of statements depends on neither how many are there nor how many are asked for."""
    store(storage, lambda writer: [writer.add_setting(a_setting(f"setting{number}", ())) for number in range(50)])
    counts = []
    for count in (1, 50):
        with counting_statements() as statements:
            names = [f"setting{number}" for number in range(count)]
            assert count == len(storage.read(lambda reader, names=names: reader.find_settings(names)))
        counts.append(len([statement for statement in statements if statement.startswith("SELECT")]))
    assert [1, 1] == counts


@pytest.mark.parametrize("count", [1, 50])
def test_reads_everything_with_few_statements(place: SqlPlace, count: int) -> None:
    """The number of statements does not depend on the number of settings and rules."""
    storage = place.connect()
    storage.open()

    def add_many(writer: Writer) -> None:
        writer.set_context_features(["user"])
        for number in range(count):
            writer.add_setting(a_setting(f"setting{number}", aliases=[f"alias{number}"]))
            writer.add_rule(f"setting{number}", {"user": "guest"}, 1, {})

    store(storage, add_many)
    with counting_statements() as statements:
        settings, rules = storage.read(lambda reader: (reader.settings(), reader.rules()))
    storage.close()
    assert (len(settings), len(rules)) == (count, count)
    selects = [statement for statement in statements if statement.startswith("SELECT setting") or "rule" in statement]
    assert len(selects) == 4
    assert len(statements) <= 6


ADD_RULES = """
INSERT INTO rule (id, setting_id, conditions_digest, conditions, value, metadata)
WITH RECURSIVE number (n) AS (SELECT 2 UNION ALL SELECT n + 1 FROM number WHERE n < 33000)
SELECT n, (SELECT id FROM setting), CAST(n AS TEXT), '{}', CAST(n AS TEXT), '{}' FROM number
"""


@pytest.mark.trap(42)
def test_reads_any_number_of_rules(place: SqlPlace, storage: Storage) -> None:
    """There may be more rules than a database takes parameters."""
    place.run_sql(ADD_RULES)
    everything, named = storage.read(lambda reader: (reader.rules(), reader.rules(["cache_ttl"])))
    assert [rule.value for rule in everything] == list(range(1, 33_001))
    assert named == everything


def test_refuses_tables_of_another_program(bare_place: SqlPlace) -> None:
    """A database that is in use by something else is left alone."""
    bare_place.run_sql("CREATE TABLE customers (id INTEGER)")
    with pytest.raises(StorageError, match=r"another program .customers .*a database or a schema of its own"):
        bare_place.connect().open()
    bare_place.run_sql("DROP TABLE customers")
    storage = bare_place.connect()
    storage.open()
    storage.close()


@pytest.mark.parametrize(
    ("change", "version"),
    [("UPDATE heksher_version SET version_num = '0999'", "0999"), ("DELETE FROM heksher_version", "none")],
)
def test_refuses_another_schema_version(place: SqlPlace, storage: Storage, change: str, version: str) -> None:
    """A database that was written by another version of this program is left alone, and the versions are named."""
    storage.close()
    place.run_sql(change)
    with pytest.raises(StorageError, match=f"has the schema version {version}, but .* works with {SCHEMA_VERSION}"):
        place.connect().open()


def set_version(place: SqlPlace, version: str) -> None:
    """Say that the database has another schema, as a migration does."""
    place.run_sql(f"UPDATE heksher_version SET version_num = '{version}'")  # noqa: S608 - not from outside


@pytest.mark.parametrize("version", ["0999", "0001"])
def test_a_schema_that_changes_stops_writes(place: SqlPlace, storage: Storage, version: str) -> None:
    """What this program would write may not fit; it goes on reading. The version it knows lets it write again."""
    before = see_everything(storage)
    set_version(place, version)
    for _ in range(2):
        with pytest.raises(
            SchemaChangedError, match=f"has the schema version {version} now, .*works with 00.*writes no"
        ):
            store(storage, lambda writer: writer.delete_rule(1))
    assert before == see_everything(storage)
    set_version(place, SCHEMA_VERSION)
    store(storage, lambda writer: writer.delete_rule(1))


def test_a_schema_that_lacks_what_writers_lock_stops_writes(place: SqlPlace, storage: Storage) -> None:
    """The reason is told, and not what the database says to the statement."""
    place.run_sql("ALTER TABLE write_state RENAME COLUMN last_rule_id TO something_else")
    with pytest.raises(StorageError, match="last_rule_id") as caught:
        store(storage, lambda writer: writer.delete_rule(1))
    assert not isinstance(caught.value, SchemaChangedError)
    set_version(place, "0999")
    with pytest.raises(SchemaChangedError, match="has the schema version 0999 now"):
        store(storage, lambda writer: writer.delete_rule(1))


def test_a_write_that_waits_for_a_migration_is_refused(place: SqlPlace, storage: Storage) -> None:
    """Though it has begun before the migration was stored."""
    dialect_ = dialect_for(place.url)
    with (
        using(dialect_) as engine,
        dialect_.connecting(engine.execution_options(**dialect_.writer_options)) as migrating,
        ThreadPoolExecutor(1) as pool,
    ):
        dialect_.lock_schema(migrating)
        migrating.execute(text("UPDATE heksher_version SET version_num = '0999'"))
        waiting = pool.submit(store, storage, lambda writer: writer.delete_rule(1))
        with pytest.raises(TimeoutError):
            waiting.result(0.3)
        dialect_.commit(migrating)
        with pytest.raises(SchemaChangedError, match="0999"):
            waiting.result()


SPOILT: dict[str, tuple[str, str]] = {
    "default value": ("UPDATE setting SET default_value = 'nonsense'", "'nonsense' where JSON is expected"),
    "metadata": ("UPDATE setting SET metadata = '[]'", "'\\[\\]' where a JSON object is expected"),
    "rule": ("UPDATE rule SET value = ''", "'' where JSON is expected"),
    "time": ("UPDATE log_entry SET at = 'yesterday'", "'yesterday' where a time is expected"),
    "fields": ("UPDATE log_part SET before = '[1]'", "'\\[1\\]' where the fields of a change are expected"),
    "lost value": (
        """UPDATE log_part SET before = '[{},{"a":"0"}]'""",
        "the change log lacks the value 0 of 'a'",
    ),
}


@pytest.mark.parametrize(("change", "message"), SPOILT.values(), ids=SPOILT.keys())
def test_tells_of_spoilt_rows(place: SqlPlace, storage: Storage, change: str, message: str) -> None:
    """Values that this program did not write are quoted, and nothing is made of them."""
    place.run_sql(change)
    with pytest.raises(StorageCorruptError, match=message):
        storage.read(lambda reader: (reader.settings(), reader.rules(), reader.log()))


def test_tells_of_a_missing_write_state(place: SqlPlace, storage: Storage) -> None:
    """Without the row that writers lock, nothing is written."""
    place.run_sql("DELETE FROM write_state")
    with pytest.raises(StorageCorruptError, match=r"write_state and heksher_version of .* have 0 rows"):
        store(storage, lambda writer: writer.delete_rule(1))


def test_errors_of_the_database_are_ours(place: SqlPlace, storage: Storage) -> None:
    """An error of the driver becomes a storage error that names the place, and quotes neither statement nor values."""
    place.run_sql("ALTER TABLE log_entry RENAME TO lost")
    with pytest.raises(StorageUnavailableError, match=r"reading failed on .*log_entry") as caught:
        storage.read(lambda reader: reader.log(after_revision=12345))
    assert "schema missing" == caught.value.reason
    assert "SELECT" not in str(caught.value)
    assert "12345" not in str(caught.value)


def test_a_swallowed_reading_error_stores_nothing(place: SqlPlace, storage: Storage) -> None:
    """A unit of writing work in which even reading failed is stored whole or not at all."""
    place.run_sql("ALTER TABLE setting_name RENAME TO lost")

    def work(writer: Writer) -> None:
        writer.delete_rule(1)
        with pytest.raises(StorageError):
            writer.find_setting("cache_ttl")

    try:
        revision = store(storage, work).revision
    except StorageError:
        revision = 1
    rules, newest = storage.read(lambda reader: (reader.rules(), reader.revision()))
    assert newest == revision
    assert len(rules) == (1 if revision == 1 else 0)


def test_many_readers(storage: Storage) -> None:
    """Many readers at once, here one inside another, work, and their connections come back."""

    def read(reader: Reader, depth: int) -> int:
        return reader.revision() if depth == 0 else storage.read(lambda inner: read(inner, depth - 1))

    for _ in range(3):
        assert storage.read(lambda reader: read(reader, 10)) == 1


def test_too_many_readers(place: SqlPlace, monkeypatch: pytest.MonkeyPatch) -> None:
    """When all connections stay in use, another reader is told so after a while, and later ones get on."""
    monkeypatch.setattr(dialect, "LOCK_TIMEOUT_S", 0.05)
    storage = place.connect()
    storage.open()

    def read_for_ever(_: Reader) -> None:
        storage.read(read_for_ever)

    with pytest.raises(StorageUnavailableError, match=r"all connections to .* were in use"):
        storage.read(read_for_ever)
    assert storage.read(lambda reader: reader.revision()) == 0
    storage.close()


def test_write_waits_for_others_of_its_process(place: SqlPlace, monkeypatch: pytest.MonkeyPatch) -> None:
    """A write that another one of the same process keeps waiting is told so after a while, and later ones get on."""
    monkeypatch.setattr(dialect, "LOCK_TIMEOUT_S", 0.05)
    storage = place.connect()
    storage.open()
    with pytest.raises(StorageUnavailableError, match=r"other writes of this process took 0\.05 seconds"):
        storage.write(lambda _: write_something(storage))
    assert write_something(storage) == 1
    storage.close()


WRITE_WITHOUT_END = """
import sys
from heksher.server.storage.sql import SqlStorage
from tests.support.storages import SOME_CHANGE
storage = SqlStorage(sys.argv[1])
storage.open()
while True:
    written = storage.write(lambda writer: writer.record(SOME_CHANGE))
    print(written.revision, flush=True)
"""


@pytest.mark.parametrize("acknowledged", [1, 7, 50])
def test_keeps_what_was_written_when_killed(tmp_path: Path, acknowledged: int) -> None:
    """Each write that returned is there after its process was killed in the middle of the next one."""
    database = str(tmp_path / "heksher.db")
    process = subprocess.Popen([sys.executable, "-c", WRITE_WITHOUT_END, database], stdout=subprocess.PIPE, text=True)
    with process:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(acknowledged)]
        process.send_signal(signal.SIGKILL)
        lines += process.stdout.readlines()
    storage = SqlStorage(database)
    storage.open()
    revision = storage.read(lambda reader: reader.revision())
    storage.close()
    assert revision >= int([line for line in lines if line.endswith("\n")][-1]) >= acknowledged


def test_only_one_module_names_a_database() -> None:
    """What differs between databases is in ``dialects``, and nowhere else."""
    directory = Path(heksher.server.storage.__file__).parent
    for name in ("base", "maintenance", "schema", "sql", "sql_reader", "sql_writer", "tables"):
        program = (directory / f"{name}.py").read_text(encoding="utf-8").partition('"""\n')[2].partition('"""\n')[2]
        code = "\n".join(line for line in program.splitlines() if not re.match(r"\s*#|\s*database: ", line))
        assert not re.search("sqlite|postgres", code, re.IGNORECASE), name
