"""Tests of copying whole databases: from each kind to a file, and from a file to each kind."""

import dataclasses
import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from heksher.server.catalog.catalog import Catalog
from heksher.server.operations import settings
from heksher.server.storage import database_copy, sqlite
from heksher.server.storage.base import LoggedChange, Notes, Storage, Writer
from heksher.server.storage.database_copy import Copied, back_up, restore
from heksher.server.storage.maintenance import is_unused
from heksher.server.storage.sql import SqlStorage
from heksher.server.storage.storage_errors import StorageError
from heksher.server.storage.tables import METADATA
from heksher.server.storage.usage_records import ClientRecord, SettingUse
from tests.support.old_databases import FixedClock, fill, make_first_database
from tests.support.operated import ORIGIN, operate
from tests.support.storages import (
    SOME_CHANGE,
    SqlPlace,
    a_setting,
    make_place,
    opened,
    read_revision,
    see_everything,
    see_last_changes,
    see_usage,
    store,
    write_something,
)

KINDS = ("sqlite", "postgres")


@pytest.fixture
def storage(place: SqlPlace) -> Iterator[Storage]:
    """An open storage with some of everything."""
    storage = place.connect(FixedClock())
    storage.open()
    fill(storage)
    yield storage
    storage.close()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Where a backup can be, in a directory of its own, with a name that is hard on URLs."""
    directory = tmp_path / "backups"
    directory.mkdir()
    return directory / "a b%20?c#.db"


@pytest.fixture
def few_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Copy so few rows at once that each table takes more than one step."""
    monkeypatch.setattr(database_copy, "_BATCH_ROWS", 2)


def see_file(file: Path) -> tuple[object, ...]:
    """Return everything that a service would find in a backup, and leave the backup as it is."""
    copy = file.parent.parent / "copy.db"
    copy.write_bytes(file.read_bytes())
    with opened(str(copy)) as storage:
        return see_everything(storage)


def test_backup_has_everything(place: SqlPlace, storage: Storage, file: Path, few_rows: None) -> None:
    """A backup of each kind of database is one file that a service can run on, and holds the same."""
    assert Copied(settings=2, rules=5, revision=3) == back_up(place.url, file)
    assert [file] == list(file.parent.iterdir())
    assert see_everything(storage) == see_file(file)


@pytest.mark.parametrize("target_kind", KINDS)
def test_restores_everything(place: SqlPlace, storage: Storage, file: Path, target_kind: str, few_rows: None) -> None:
    """What was backed up is there after it was restored into either kind of database, and writing goes on."""
    back_up(place.url, file)
    with make_place(target_kind, file.parent.parent / "target") as target:
        assert Copied(settings=2, rules=5, revision=3) == restore(file, target.url)
        with opened(target.url) as restored:
            assert see_everything(storage) == see_everything(restored)

            def go_on(writer: Writer) -> int:
                writer.add_setting(a_setting("new"))
                return writer.add_rule("new", {"user": "guest"}, 1, {}).rule_id

            written = store(restored, go_on)
            assert (4, [7]) == (written.revision, written.result)


@pytest.mark.parametrize("target_kind", KINDS)
def test_use_is_counted_anew(place: SqlPlace, storage: Storage, file: Path, target_kind: str) -> None:
    """No backup says what was used: by the time when it is restored, it could miss any use."""
    now = datetime.now(UTC)
    client = ClientRecord("checkout", "1", None, "checkout/1", now, 3)

    def note(notes: Notes) -> None:
        name = notes.settings()[0].name
        notes.note_uses({name: SettingUse(now, "checkout/1")}, [client], now)

    storage.note(note)
    back_up(place.url, file)
    with opened(str(file)) as backup:
        assert (None, {}, []) == see_usage(backup)
    # A service that runs on the new database already counts.
    with make_place(target_kind, file.parent.parent / "target") as target:
        with opened(target.url) as empty:
            empty.note(lambda notes: notes.note_uses({}, [client], now))
        restore(file, target.url)
        with opened(target.url) as restored:
            assert see_everything(storage) == see_everything(restored)
            since, uses, clients = see_usage(restored)
            assert (None, {}, [client.name]) == (since, uses, [known.name for known in clients])


@pytest.mark.parametrize("target_kind", KINDS)
def test_restores_the_whole_log(place: SqlPlace, file: Path, target_kind: str, few_rows: None) -> None:
    """With its long values, whose settings are whose, and the numbers that were given."""
    with opened(place.url) as original, make_place(target_kind, file.parent.parent / "target") as target:
        operate(original)
        settings.delete(original, "moved", ORIGIN)
        back_up(place.url, file)
        restore(file, target.url)
        with opened(target.url) as restored:
            assert see_everything(original) == see_everything(restored)
            for storage in (original, restored):
                store(storage, lambda writer: writer.add_setting(a_setting("new")))
            for name in ("ttl", "gone", "moved", "new"):
                revisions = [
                    [entry.revision for entry in storage.read(lambda reader, name=name: reader.history(setting=name))]
                    for storage in (original, restored)
                ]
                assert revisions[0] == revisions[1]


@pytest.mark.parametrize("target_kind", KINDS)
def test_restores_a_log_that_was_pruned(place: SqlPlace, file: Path, target_kind: str) -> None:
    """With what stays of removed entries: who made last changes, and what was deleted."""
    with opened(place.url) as original, make_place(target_kind, file.parent.parent / "target") as target:
        operate(original)
        settings.delete(original, "moved", ORIGIN)
        write_something(original)
        original.prune(datetime.max.replace(tzinfo=UTC))
        back_up(place.url, file)
        restore(file, target.url)
        with opened(target.url) as restored:
            for see in (see_everything, see_last_changes):
                assert see(original) == see(restored)
            assert "delete" == restored.read(lambda reader: reader.forgotten_deletion("setting", "moved"))


def test_restores_a_live_file(place: SqlPlace, storage: Storage, tmp_path: Path) -> None:
    """The database file of a service can be restored from, too, with what is not in its main file yet."""
    live = tmp_path / "live.db"
    with opened(str(live)) as running:
        fill(running)
        assert live.with_name("live.db-wal").stat().st_size > 0
        with make_place(place.kind, tmp_path / "target") as target:
            restore(live, target.url)
            with opened(target.url) as restored:
                assert see_everything(running) == see_everything(restored)


def test_restores_a_backup_of_an_older_version(tmp_path: Path, bare_place: SqlPlace) -> None:
    """A backup of an earlier schema is restored, and its file stays as it is."""
    old = tmp_path / "old.db"
    make_first_database(SqlPlace(f"sqlite:///{old}"))
    before = old.read_bytes()
    assert Copied(settings=2, rules=5, revision=3) == restore(old, bare_place.url)
    assert before == old.read_bytes()


def test_backup_is_of_one_revision(place: SqlPlace, storage: Storage, file: Path) -> None:
    """While others write, a backup has the state at one revision: all that its log tells of, and no more."""
    has_begun, is_done = threading.Event(), threading.Event()

    def count_up(writer: Writer) -> None:
        number = writer.revision() + 1
        for rule in writer.rules():
            writer.replace_rule(dataclasses.replace(rule, value=number))
        writer.set_context_features(["environment", "theme", "user", f"at_{number}"])
        writer.record(LoggedChange("count", "rule", "", None, {"value": number}))

    def write() -> None:
        while not is_done.is_set():
            storage.write(count_up)
            has_begun.set()

    writer = threading.Thread(target=write)
    writer.start()
    has_begun.wait()
    copies = [back_up(place.url, file, is_replacing=True) for _ in range(5)]
    is_done.set()
    writer.join()
    revision, features, _, rules, _, log = see_file(file)
    assert copies[-1].revision == revision == len(log) == log[-1].change.after["value"]
    assert f"at_{revision}" == features[-1]
    assert {revision} == {rule.value for rule in rules}
    assert sorted({copy.revision for copy in copies}) == [copy.revision for copy in copies]


def test_does_not_overwrite(place: SqlPlace, storage: Storage, file: Path) -> None:
    """A file that is there already is replaced only if that is wanted."""
    file.write_text("precious")
    with pytest.raises(StorageError, match=r"is there already: choose another name, or add --force"):
        back_up(place.url, file)
    assert "precious" == file.read_text()
    back_up(place.url, file, is_replacing=True)
    assert see_everything(storage) == see_file(file)


def make_link(file: Path, target: Path, *, is_hard: bool) -> None:
    """Make a link to a file."""
    if is_hard:
        file.hardlink_to(target)
    else:
        file.symlink_to(target)


@pytest.mark.parametrize("ending", ["", "-wal", "-shm"])
@pytest.mark.parametrize("way", ["itself", "link", "hard link", "link to its directory"])
def test_never_replaces_the_database_itself(tmp_path: Path, ending: str, way: str) -> None:
    """Nor what SQLite keeps beside it, whatever it is called, also where replacing is wanted."""
    (tmp_path / "place").mkdir()
    live = tmp_path / "place" / "live.db"
    with opened(str(live)) as running:
        fill(running)
        own = live.with_name(f"live.db{ending}")
        backup = tmp_path / "backup.db"
        if way == "itself":
            backup = own
        elif way == "link to its directory":
            (tmp_path / "link").symlink_to(live.parent)
            backup = tmp_path / "link" / own.name
        else:
            make_link(backup, own, is_hard=way == "hard link")
        before = own.read_bytes()
        with pytest.raises(StorageError, match=f"{backup.resolve()} is a file of the database itself"):
            back_up(str(live), backup, is_replacing=True)
        assert before == own.read_bytes()
        assert 4 == running.write(lambda writer: writer.record(SOME_CHANGE)).revision


@pytest.mark.parametrize("ending", ["-wal", "-shm", "-journal"])
def test_never_replaces_a_database_in_use(place: SqlPlace, storage: Storage, file: Path, ending: str) -> None:
    """What lies beside a file says that it is one, and would be taken for a part of the backup."""
    file.write_text("precious")
    beside = file.with_name(file.name + ending)
    beside.write_text("precious")
    with pytest.raises(StorageError, match=rf"there is .*{ending}, so .* is a database in use, or was one"):
        back_up(place.url, file, is_replacing=True)
    assert ["precious"] * 2 == [file.read_text(), beside.read_text()]


def test_a_backup_is_written_where_a_link_leads(place: SqlPlace, storage: Storage, file: Path) -> None:
    """The link stays."""
    link = file.with_name("link.db")
    link.symlink_to(file)
    back_up(place.url, link)
    assert (True, see_everything(storage)) == (link.is_symlink(), see_file(file))


def test_nobody_else_can_read_a_backup(place: SqlPlace, storage: Storage, file: Path) -> None:
    """Also where it replaces a file that others can read."""
    file.write_text("")
    file.chmod(0o644)
    back_up(place.url, file, is_replacing=True)
    assert 0o600 == file.stat().st_mode & 0o777


@pytest.mark.parametrize(("mode", "expected"), [(0o600, 0o600), (0o640, 0o640), (0o664, 0o660), (0o444, 0o640)])
def test_a_restored_database_is_like_its_backup(tmp_path: Path, file: Path, mode: int, expected: int) -> None:
    """It has its owner and its mode, without what others may do; and so has what SQLite keeps beside it."""
    with opened(str(tmp_path / "source.db")) as storage:
        fill(storage)
    back_up(str(tmp_path / "source.db"), file)
    file.chmod(mode)
    if os.geteuid() == 0:
        os.chown(file, 12345, 12346)
    target = tmp_path / "target.db"
    restore(file, str(target))
    with opened(str(target)) as restored:
        write_something(restored)
        for beside in (target, target.with_name("target.db-wal"), target.with_name("target.db-shm")):
            found = beside.stat()
            assert (file.stat().st_uid, file.stat().st_gid) == (found.st_uid, found.st_gid)
            assert expected == found.st_mode & 0o777


def test_a_restore_keeps_the_mode_of_an_empty_file(tmp_path: Path, file: Path) -> None:
    """A file that somebody has made for the database is theirs to share."""
    with opened(str(tmp_path / "source.db")) as storage:
        fill(storage)
    back_up(str(tmp_path / "source.db"), file)
    target = tmp_path / "target.db"
    target.touch(0o640)
    target.chmod(0o640)
    restore(file, str(target))
    assert 0o640 == target.stat().st_mode & 0o777


def test_what_a_killed_backup_left_is_removed_by_the_next_one(place: SqlPlace, storage: Storage, file: Path) -> None:
    """Whatever the two are called."""
    left = file.with_name(".heksher-backup-abcdefgh")
    left.mkdir()
    (left / "backup.db").write_text("most of it")
    back_up(place.url, file)
    assert [file] == list(file.parent.iterdir())


def test_failed_backup_leaves_nothing(place: SqlPlace, storage: Storage, file: Path) -> None:
    """When reading fails half-way, there is no new file, and the one that was to be replaced stays."""
    place.run_sql("ALTER TABLE setting_name RENAME TO lost")
    with pytest.raises(StorageError, match=r"reading the table setting_name failed on .*setting_name"):
        back_up(place.url, file)
    assert [] == list(file.parent.iterdir())
    file.write_text("precious")
    with pytest.raises(StorageError):
        back_up(place.url, file, is_replacing=True)
    assert ([file], "precious") == (list(file.parent.iterdir()), file.read_text())


def test_backup_has_no_directory(place: SqlPlace, storage: Storage, file: Path) -> None:
    """A backup that cannot be written is named, with the reason."""
    with pytest.raises(StorageError, match=r"the backup .*missing/a.db cannot be written: No such file"):
        back_up(place.url, file.parent / "missing" / "a.db")


def test_backs_up_nothing_that_is_not_there(tmp_path: Path, file: Path) -> None:
    """Without a database there is no backup, and no database is made."""
    missing = tmp_path / "missing.db"
    with pytest.raises(StorageError, match=f"there is no database file {missing}"):
        back_up(str(missing), file)
    with pytest.raises(StorageError, match="memory: ends with its process"):
        back_up("memory:", file)
    assert [False, False] == [missing.exists(), file.exists()]


def test_refuses_to_back_up_an_old_schema(bare_place: SqlPlace, file: Path) -> None:
    """A backup changes nothing in its source, so an old schema has to be brought up to date before."""
    make_first_database(bare_place)
    with pytest.raises(StorageError, match="run 'heksher migrate' first"):
        back_up(bare_place.url, file)


def test_refuses_to_restore_into_a_database_in_use(place: SqlPlace, storage: Storage, file: Path) -> None:
    """A database that anything was written to stays as it is."""
    back_up(place.url, file)
    before = see_everything(storage)
    with pytest.raises(StorageError, match=r"is not empty \(.*log_entry.*\): restore into a new database"):
        restore(file, place.url)
    assert before == see_everything(storage)


def test_failed_restore_leaves_nothing(bare_place: SqlPlace, tmp_path: Path) -> None:
    """When a backup turns out to be spoilt, the database is empty as before, and another backup can be restored."""
    spoilt = tmp_path / "spoilt.db"
    make_first_database(SqlPlace(f"sqlite:///{spoilt}"))
    with closing(sqlite3.connect(spoilt)) as connection:
        connection.execute("PRAGMA foreign_keys = OFF")
        connection.execute("UPDATE setting_name SET setting_id = 99 WHERE name = 'ttl'")
        connection.commit()
    with pytest.raises(StorageError, match="contradicts what is stored"):
        restore(spoilt, bare_place.url)
    with opened(bare_place.url) as storage:
        assert (0, (), [], [], 0, []) == see_everything(storage)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "there is no database file"),
        ("This is a letter to a friend, and no database at all.\n" * 100, "cannot be copied: file is not a database"),
        ("", "is empty: it is no backup"),
    ],
)
def test_refuses_what_is_no_backup(bare_place: SqlPlace, tmp_path: Path, content: str | None, message: str) -> None:
    """A file that cannot be restored from is named, and the database stays empty."""
    file = tmp_path / "letter.db"
    if content is not None:
        file.write_text(content)
    with pytest.raises(StorageError, match=f"letter.db {message}|{message} .*letter.db"):
        restore(file, bare_place.url)


def test_refuses_a_database_of_another_program(bare_place: SqlPlace, tmp_path: Path) -> None:
    """The file of another program is named, and the database stays empty."""
    foreign = tmp_path / "foreign.db"
    with closing(sqlite3.connect(foreign)) as connection:
        connection.execute("CREATE TABLE customers (id INTEGER)")
    with pytest.raises(StorageError, match=r"foreign.db holds tables of another program"):
        restore(foreign, bare_place.url)


def test_a_restore_is_seen_as_a_whole(bare_place: SqlPlace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While it is under way, others find no tables: none finds the database empty, at revision 0."""
    with opened(str(tmp_path / "source.db")) as storage:
        fill(storage)
    seen = []
    copy_table = database_copy._copy_table

    def look(*arguments: Any) -> int:
        seen.append(is_unused(bare_place.url))
        return copy_table(*arguments)

    monkeypatch.setattr(database_copy, "_copy_table", look)
    restore(tmp_path / "source.db", bare_place.url)
    assert {True} == set(seen)
    assert not is_unused(bare_place.url)


def test_a_service_goes_from_one_content_to_the_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its schema is emptied and restored into while it serves: it answers what it had until all of that is there."""
    seen = []
    with make_place("postgres", tmp_path) as place, opened(place.url) as running:
        assert isinstance(place, SqlPlace)
        fill(running)
        back_up(place.url, tmp_path / "backup.db")
        write_something(running)
        catalog = Catalog(running, 1_000_000)
        catalog.load()
        copy_table = database_copy._copy_table

        def look(*arguments: Any) -> int:
            with pytest.raises(StorageError):
                catalog.refresh()
            seen.append(catalog.load().picture.revision)
            return copy_table(*arguments)

        monkeypatch.setattr(database_copy, "_copy_table", look)
        for table in reversed(METADATA.sorted_tables):
            place.run_sql(f"DROP TABLE {table.name}")
        restore(tmp_path / "backup.db", place.url)
        assert {4} == set(seen)
        assert 3 == catalog.refresh().picture.revision


def test_tells_services_of_what_was_restored(tmp_path: Path, file: Path) -> None:
    """A service that already runs on the empty database hears of the restored data."""
    with make_place("sqlite", tmp_path / "source") as source, opened(source.url) as storage:
        fill(storage)
        back_up(source.url, file)
    with (
        make_place("postgres", tmp_path) as target,
        opened(target.url) as running,
        closing(running.listen()) as listener,
    ):
        # Ends when the listener has begun.
        listener.wait(60)
        restore(file, target.url)
        listener.wait(60)
        assert 3 == running.read(lambda reader: reader.revision())
        assert 4 == running.write(lambda writer: writer.record(SOME_CHANGE)).revision


def test_restoring_leaves_nothing_beside_the_file(tmp_path: Path) -> None:
    """Files of a stopped database's log would make the backup look like a database in use."""
    file = tmp_path / "stopped.db"
    with opened(str(file)) as storage:
        write_something(storage)
    restore(file, str(tmp_path / "restored.db"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["restored.db", "stopped.db"]


def test_a_file_that_comes_into_use_while_it_is_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is copied once more, with what is not in the file yet."""
    file = tmp_path / "stopped.db"
    with opened(str(file)) as storage:
        write_something(storage)
    copy_first, parameters = sqlite._copy_as_of_one_moment, []
    beginner = SqlStorage(str(file))

    def copy_while_others_begin(source: Path, copy: Path, parameter: str) -> None:
        parameters.append(parameter)
        copy_first(source, copy, parameter)
        if len(parameters) == 1:
            beginner.open()
            write_something(beginner)

    monkeypatch.setattr(sqlite, "_copy_as_of_one_moment", copy_while_others_begin)
    sqlite.copy_file(file, tmp_path / "copy.db")
    beginner.close()
    assert parameters == ["&immutable=1", ""]
    with opened(str(tmp_path / "copy.db")) as copied:
        assert read_revision(copied) == 2


def test_a_database_is_not_restored_from_itself(tmp_path: Path) -> None:
    """Nor from another name of it."""
    file, link = tmp_path / "empty.db", tmp_path / "link.db"
    with opened(str(file)):
        pass
    link.symlink_to(file)
    for source, target in ((file, file), (file, link), (link, file)):
        with pytest.raises(StorageError, match="is the database itself"):
            restore(source, str(target))
