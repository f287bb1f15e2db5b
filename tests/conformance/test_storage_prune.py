"""Removing the oldest entries of the change log, from every storage: what goes, and what stays as it was."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from heksher.server.operations import logged_change, rules, settings
from heksher.server.storage.base import (
    NOBODY,
    LastChange,
    LoggedChange,
    Origin,
    Reader,
    RuleRecord,
    Storage,
    Writer,
)
from heksher.server.storage.dialects import dialect_for
from heksher.server.storage.maintenance import using
from heksher.server.storage.storage_errors import ContractError, StorageUnavailableError
from tests.support.storages import (
    SOME_CHANGE,
    Place,
    SqlPlace,
    a_setting,
    see_everything,
    see_last_changes,
    store,
    write_something,
)

START = datetime(2026, 11, 1, tzinfo=UTC)
ADA, BOB = Origin("ada", "because"), Origin("bob", "", "token")
LONG = "x" * 5000


class DailyClock:
    """Each time is a day after the one before: entry 1 is of the first day of the month."""

    def __init__(self) -> None:
        self.time = START - timedelta(days=1)

    def __call__(self) -> datetime:
        self.time += timedelta(days=1)
        return self.time


@pytest.fixture
def storage(place: Place) -> Iterator[Storage]:
    """A storage whose entries are a day apart. Objects were last changed by entries 1, 2, 4 and 6; a rule is gone."""
    storage = place.connect(DailyClock())
    storage.open()
    store(storage, lambda writer: writer.set_context_features(["user"]))
    storage.write(lambda writer: add_setting(writer, "a"), ADA)
    storage.write(lambda writer: add_setting(writer, "b"), ADA)
    rules.add(storage, "a", {"user": "x"}, 1, {}, BOB)
    gone = rules.add(storage, "a", {"user": "y"}, 1, {}, BOB)
    storage.write(lambda writer: rename(writer, "b", "c"), BOB)
    rules.delete(storage, gone.result, ADA)
    yield storage
    storage.close()


def add_setting(writer: Writer, name: str) -> None:
    setting = a_setting(name)
    writer.add_setting(setting)
    writer.record(logged_change.change_setting("declare", None, setting, ["user"]))


def rename(writer: Writer, name: str, new_name: str) -> None:
    writer.replace_setting(name, a_setting(new_name))
    writer.record(logged_change.change_setting("rename", a_setting(name), a_setting(new_name), ["user"]))


def list_log(storage: Storage) -> list[int]:
    """Return the revisions of the log, read in each way."""
    forwards = storage.read(lambda reader: [entry.revision for entry in reader.log()])
    backwards = storage.read(lambda reader: [entry.revision for entry in reader.history()])
    assert forwards == backwards[::-1]
    return forwards


@pytest.mark.parametrize(
    ("days", "left"),
    [(0, [1, 2, 3, 4, 5, 6, 7]), (1, [2, 3, 4, 5, 6, 7]), (4, [5, 6, 7]), (6, [7]), (7, [7]), (99, [7])],
)
def test_the_oldest_entries_go(storage: Storage, days: int, left: list[int]) -> None:
    """Those that were made before; the newest one stays, however old it is, so that no revision comes again."""
    assert 7 - len(left) == storage.prune(START + timedelta(days=days))
    assert left == list_log(storage)
    assert 0 == storage.prune(START + timedelta(days=days))
    assert 8 == write_something(storage)


def test_all_else_stays(place: Place, storage: Storage) -> None:
    """Also what is known of the last change of each object, and after a restart."""
    before, last = see_everything(storage)[:-1], see_last_changes(storage)
    storage.prune(START + timedelta(days=5))
    assert (before, last) == (see_everything(storage)[:-1], see_last_changes(storage))
    storage.close()
    reopened = place.connect()
    reopened.open()
    assert (before, last) == (see_everything(reopened)[:-1], see_last_changes(reopened))
    reopened.close()


def test_what_is_known_of_the_last_change(storage: Storage) -> None:
    """Who made it, when, by which entry, and what it was called; what is no object's last change is forgotten."""
    stamps = storage.read(lambda reader: {entry.revision: entry.stamp for entry in reader.log()})
    storage.prune(START + timedelta(days=99))

    def describe(revision: int) -> LastChange | None:
        return storage.read(lambda reader: reader.last_change(revision))

    assert LastChange(2, START + timedelta(days=1), "ada", "nobody", stamps[2], "declare") == describe(2)
    assert LastChange(6, START + timedelta(days=5), "bob", "token", stamps[6], "rename") == describe(6)
    assert LastChange(7, START + timedelta(days=6), "ada", "nobody", stamps[7], "delete") == describe(7)
    assert [None] * 6 == [describe(revision) for revision in (-1, 0, 3, 5, 8, 2**70)]


def test_what_no_object_needs_any_more_goes_next_time(storage: Storage) -> None:
    """After a later change, or when the object is gone."""
    storage.prune(START + timedelta(days=99))
    rules.set_value(storage, 1, 2, NOBODY)
    settings.delete(storage, "c", NOBODY)
    assert storage.read(lambda reader: reader.last_change(4)) is not None
    storage.prune(START)
    assert [None] * 2 == storage.read(lambda reader: [reader.last_change(revision) for revision in (4, 6)])
    assert storage.read(lambda reader: reader.last_change(2)) is not None


def test_ids_are_not_given_again(storage: Storage) -> None:
    """Neither by an import nor to the same rule, when the log has forgotten that there was one with the id."""
    write_something(storage)
    for known in (True, False):
        with pytest.raises(ContractError, match="were given before"):
            load_rule(storage, 2)
        assert known == (storage.read(lambda reader: reader.forgotten_deletion("rule", "2")) is None)
        storage.prune(START + timedelta(days=99))
    assert "delete" == storage.read(lambda reader: reader.forgotten_deletion("rule", "2"))
    with pytest.raises(ContractError, match="the log does not say"):
        store(storage, lambda writer: writer.add_rule("a", {"user": "y"}, 1, {}, rule_id=2))
    assert 3 == rules.add(storage, "a", {"user": "y"}, 1, {}, NOBODY).result


def test_what_was_forgotten_can_come_back(storage: Storage) -> None:
    """A setting that is there again is forgotten no longer, also when the entry that brought it is removed."""
    settings.delete(storage, "c", NOBODY)
    write_something(storage)
    storage.prune(START + timedelta(days=99))
    assert "delete" == storage.read(lambda reader: reader.forgotten_deletion("setting", "c"))
    store(storage, lambda writer: add_setting(writer, "c"))
    assert storage.read(lambda reader: reader.forgotten_deletion("setting", "c")) is None
    write_something(storage)
    storage.prune(START + timedelta(days=99))
    assert storage.read(lambda reader: reader.forgotten_deletion("setting", "c")) is None
    assert [None] * 3 == storage.read(
        lambda reader: [
            reader.forgotten_deletion(kind, key) for kind, key in (("setting", "a"), ("token", "c"), ("setting", "\0"))
        ]
    )


def load_rule(storage: Storage, rule_id: int) -> None:
    store(storage, lambda writer: writer.load([], [RuleRecord(rule_id, "a", {"user": "y"}, 1)], 100))


def test_ids_that_are_left_free_can_be_given(storage: Storage) -> None:
    """An import may leave ids out, and bring them later, as long as the log knows all that were given."""
    store(storage, lambda writer: writer.load([], [], 100))
    load_rule(storage, 50)
    assert storage.read(lambda reader: reader.find_rule(50)) is not None


def test_the_history_of_a_setting_begins_later(storage: Storage) -> None:
    """A deleted setting that comes back is the same one, also where the log has forgotten its deletion."""
    settings.delete(storage, "c", NOBODY)
    storage.prune(START + timedelta(days=5))
    histories = [
        storage.read(lambda reader, name=name: [entry.revision for entry in reader.history(setting=name)])
        for name in ("a", "b", "c")
    ]
    assert [[7], [], [8, 6]] == histories
    store(storage, lambda writer: add_setting(writer, "c"))
    assert [9, 8, 6] == storage.read(lambda reader: [entry.revision for entry in reader.history(setting="c")])
    settings.delete(storage, "c", NOBODY)
    write_something(storage)
    storage.prune(START + timedelta(days=99))
    store(storage, lambda writer: add_setting(writer, "c"))
    assert [12] == storage.read(lambda reader: [entry.revision for entry in reader.history(setting="c")])


def test_entries_are_read_by_revision_as_before(storage: Storage) -> None:
    """Pages, cursors and changes go by revisions, not by places."""
    storage.prune(START + timedelta(days=3))

    def read(reader: Reader) -> list[list[int]]:
        pages = [reader.log(0, 2), reader.log(4, 2), reader.log(6), reader.log(7)]
        pages += [reader.history(limit=2), reader.history(6), reader.history(4)]
        return [[entry.revision for entry in page] for page in pages]

    assert [[4, 5], [5, 6], [7], [], [7, 6], [5, 4], []] == storage.read(read)
    counts = storage.read(lambda reader: [len(reader.changes(revision)) for revision in (-1, 0, 3, 4, 7, 8)])
    assert [0, 0, 0, 1, 1, 0] == counts


def test_times_may_go_back(place: Place) -> None:
    """Where a clock was put back: entries go up to the first one that stays, so that the log has no gaps."""
    times = iter([START, START + timedelta(days=5), START, START, START])
    storage = place.connect(lambda: next(times))
    storage.open()
    for _ in range(5):
        write_something(storage)
    assert 1 == storage.prune(START + timedelta(days=1))
    assert [2, 3, 4, 5] == list_log(storage)
    assert 3 == storage.prune(START + timedelta(days=6))
    storage.close()


def test_long_values_go_with_their_entries(place: Place, storage: Storage) -> None:
    """As soon as no entry that is left has them."""

    def note(value: str) -> None:
        store(storage, lambda writer: None, change=LoggedChange("note", "note", "1", None, {"value": value}))

    for value in (LONG, LONG + "y", LONG):
        note(value)
    write_something(storage)
    for days, kept in ((8, 2), (9, 1), (10, 0)):
        storage.prune(START + timedelta(days=days))
        assert [LONG] * (days < 10) == [
            change.after["value"]
            for entry in storage.read(lambda reader: reader.log(9))
            for change in entry.changes
            if change.kind == "note" and change.after
        ]
        if isinstance(place, SqlPlace):
            assert kept == count_rows(place, "log_value")


def count_rows(place: SqlPlace, table: str) -> int:
    """Return the number of rows of a table."""
    dialect = dialect_for(place.url)
    with using(dialect) as engine, engine.connect() as connection:
        return int(connection.execute(text(f"SELECT count(*) FROM {table}")).scalar_one())  # noqa: S608 - not from outside


def test_an_empty_log_has_nothing_to_remove(place: Place) -> None:
    """And stays empty; a storage that is not open says so."""
    storage = place.connect()
    with pytest.raises(StorageUnavailableError):
        storage.prune(START)
    storage.open()
    assert (0, 0) == (storage.prune(START), storage.read(lambda reader: reader.revision()))
    storage.close()


def test_writing_goes_on_meanwhile(place: Place, storage: Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between two steps others write; what they write stays, and what objects say of their last change is right."""
    monkeypatch.setattr("heksher.server.storage.sql_pruning.BATCH_ENTRIES", 1)
    for _ in range(20):
        write_something(storage)
    with ThreadPoolExecutor(2) as pool:
        writing = pool.submit(lambda: [rules.set_value(storage, 1, value, BOB).revision for value in range(2, 22)])
        removed = pool.submit(storage.prune, START + timedelta(days=20))
        revisions = writing.result()
        assert 20 == removed.result()
    assert list(range(21, 48)) == list_log(storage)
    last = storage.read(lambda reader: reader.last_change(revisions[-1]))
    assert last is not None
    assert "bob" == last.actor
    assert None not in see_last_changes(storage)


def test_a_prune_is_no_change(storage: Storage) -> None:
    """It creates no revision, and those that follow the log have nothing to follow."""
    storage.prune(START + timedelta(days=2))
    assert 7 == storage.read(lambda reader: reader.revision())
    assert 8 == storage.write(lambda writer: writer.record(SOME_CHANGE)).revision
