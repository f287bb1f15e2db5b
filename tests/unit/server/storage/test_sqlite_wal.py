"""Tests of telling whether the log beside an SQLite file belongs to it."""

import shutil
import sqlite3
import struct
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from heksher.server.storage import sqlite_wal
from heksher.server.storage.base import Storage
from heksher.server.storage.database_copy import back_up, restore
from heksher.server.storage.sql import SqlStorage
from heksher.server.storage.sqlite_wal import Mark, count_commit, note_start, require_own_log
from heksher.server.storage.storage_errors import StorageError
from tests.support.old_databases import make_second_database
from tests.support.storages import SqlPlace, opened, read_revision, write_something

FOREIGN = r"heksher\.db-wal does not belong to .*heksher\.db: .*move heksher\.db-wal and heksher\.db-shm elsewhere"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Where the database is."""
    return tmp_path / "heksher.db"


def write_often(file: Path, count: int) -> None:
    """Make so many writes, and close the database."""
    with opened(str(file)) as storage:
        for _ in range(count):
            write_something(storage)


@contextmanager
def killed(file: Path, writes: int) -> Iterator[Storage]:
    """Make writes, and leave the files as a killed process does: in a directory with this name, ``crash``."""
    storage = SqlStorage(str(file))
    storage.open()
    try:
        for _ in range(writes):
            write_something(storage)
        yield storage
    finally:
        storage.close()


def crash(file: Path, writes: int) -> None:
    """Make writes, and leave what a killed process leaves: the file, and beside it the log with the writes."""
    with killed(file, writes):
        for ending in ("", "-wal"):
            shutil.copyfile(f"{file}{ending}", f"{file}{ending}.saved")
    for ending in ("", "-wal"):
        Path(f"{file}{ending}.saved").replace(f"{file}{ending}")


def test_a_killed_process_leaves_a_log_that_belongs(file: Path) -> None:
    """Whatever it has done: made the database, gone on with one, or gone on again after another kill."""
    for round_ in range(4):
        crash(file, 5)
        with opened(str(file)) as storage:
            assert 5 * (round_ + 1) == read_revision(storage)
        # The log of the next round begins where this one ended, also if it was killed again without a write.
        crash(file, 0)


def test_a_log_that_was_copied_into_the_file_in_part_belongs(file: Path) -> None:
    """A process can be killed while it moves the log into the file, or right after that."""
    with killed(file, 5) as storage:
        with closing(sqlite3.connect(file)) as other:
            other.execute("PRAGMA wal_checkpoint(PASSIVE)")
        require_own_log(file)
        write_something(storage)
        require_own_log(file)


@pytest.mark.parametrize("writes", [0, 3])
def test_a_backup_beside_the_former_log_is_refused(file: Path, writes: int) -> None:
    """Also one that was made right before, and one of a database that a log was all of."""
    crash(file, 3)
    backup = file.with_name("backup.db")
    back_up(str(file), backup)
    crash(file, writes or 1)
    shutil.copyfile(backup, file)
    for _ in range(2):
        with pytest.raises(StorageError, match=FOREIGN):
            SqlStorage(str(file)).open()
    file.with_name("heksher.db-wal").unlink()
    with opened(str(file)) as storage:
        assert 3 == read_revision(storage)


def test_a_copy_beside_the_log_of_one_write_is_refused(file: Path) -> None:
    """Although its count is the one that the log begins after, because both go on from the same file."""
    older, newer = file.with_name("older.db"), file.with_name("newer.db")
    for copy in (older, newer):
        write_often(file, 1)
        shutil.copy(file, copy)
    shutil.copy(older, file)
    write_often(file, 0)
    crash(file, 1)
    shutil.copy(newer, file)
    with pytest.raises(StorageError, match=FOREIGN):
        SqlStorage(str(file)).open()


def test_a_backup_is_not_restored_from_beside_a_foreign_log(file: Path) -> None:
    """Reading it would mix both as well."""
    crash(file, 3)
    back_up(str(file), file.with_name("backup.db"))
    crash(file, 2)
    shutil.copyfile(file.with_name("backup.db"), file)
    with pytest.raises(StorageError, match=FOREIGN):
        restore(file, str(file.with_name("target.db")))


def test_a_backup_that_a_service_has_run_on_is_refused_too(file: Path) -> None:
    """Then its header is that of any database: its mark tells."""
    write_often(file, 3)
    backup = file.with_name("backup.db")
    back_up(str(file), backup)
    write_often(backup, 1)
    crash(file, 1)
    shutil.copyfile(backup, file)
    with pytest.raises(StorageError, match=FOREIGN):
        SqlStorage(str(file)).open()


def test_an_older_copy_of_the_file_is_refused(file: Path) -> None:
    """One that was made with ``cp`` while no service ran."""
    write_often(file, 3)
    shutil.copyfile(file, file.with_name("copy.db"))
    write_often(file, 3)
    crash(file, 2)
    shutil.copyfile(file.with_name("copy.db"), file)
    with pytest.raises(StorageError, match=FOREIGN):
        SqlStorage(str(file)).open()


def test_a_copy_of_before_the_last_start_is_refused(file: Path) -> None:
    """Though all that was written since is in the log: without a mark of the start, the file would be the same."""
    write_often(file, 3)
    shutil.copyfile(file, file.with_name("copy.db"))
    crash(file, 2)
    shutil.copyfile(file.with_name("copy.db"), file)
    with pytest.raises(StorageError, match=FOREIGN):
        SqlStorage(str(file)).open()


def test_a_copy_of_before_a_migration_is_refused(file: Path) -> None:
    """Though the migration, and all that was written since, is in the log."""
    make_second_database(SqlPlace(f"sqlite:///{file}"))
    shutil.copyfile(file, file.with_name("copy.db"))
    crash(file, 2)
    shutil.copyfile(file.with_name("copy.db"), file)
    with pytest.raises(StorageError, match=FOREIGN):
        SqlStorage(str(file)).open()


def test_a_copy_of_another_history_is_refused(file: Path) -> None:
    """Though both come from one backup, and had as many commits since."""
    write_often(file, 1)
    back_up(str(file), file.with_name("backup.db"))
    for name in ("a.db", "heksher.db"):
        shutil.copyfile(file.with_name("backup.db"), file.with_name(name))
    write_often(file.with_name("a.db"), 3)
    crash(file, 3)
    shutil.copyfile(file.with_name("a.db"), file)
    with pytest.raises(StorageError, match=FOREIGN):
        SqlStorage(str(file)).open()


def test_a_database_of_an_earlier_version_goes_on(file: Path) -> None:
    """It has no mark, and may have been killed; the first commit gives it one."""
    write_often(file, 2)
    with closing(sqlite3.connect(file, isolation_level=None)) as connection:
        connection.execute("PRAGMA application_id = 0")
        connection.execute("PRAGMA user_version = 0")
    for writes in (1, 2):
        crash(file, writes)
        require_own_log(file)
    with opened(str(file)) as storage:
        assert 5 == read_revision(storage)


def test_logs_of_other_programs_belong(file: Path) -> None:
    """A change that was made by hand need not touch the first page; there is no reason to refuse it."""
    write_often(file, 1)
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("UPDATE write_state SET last_rule_id = 7")
        require_own_log(file)


def test_what_is_no_log_is_left_to_sqlite(file: Path) -> None:
    """It discards a file that is none; what is no database it refuses itself."""
    log = file.with_name("heksher.db-wal")
    require_own_log(file)
    log.write_bytes(b"no log" * 100)
    require_own_log(file)
    crash(file, 1)
    file.write_text("This is a letter to a friend, and no database at all.\n" * 100)
    require_own_log(file)


def test_a_log_beside_nothing_is_not_discarded(file: Path) -> None:
    """It may have all that a killed process has stored: a start would discard it, and begin with nothing."""
    crash(file, 1)
    file.write_bytes(b"")
    for _ in range(2):
        with pytest.raises(StorageError, match=FOREIGN):
            require_own_log(file)
        file.unlink(missing_ok=True)


def test_a_log_without_pages_belongs(file: Path) -> None:
    """Nothing in it would be applied."""
    crash(file, 1)
    back_up(str(file), file.with_name("backup.db"))
    crash(file, 1)
    shutil.copyfile(file.with_name("backup.db"), file)
    log = file.with_name("heksher.db-wal")
    log.write_bytes(log.read_bytes()[:32])
    require_own_log(file)


def test_the_end_of_a_former_log_does_not_count(file: Path) -> None:
    """A log is written over the former one, of which the end stays: its salt tells."""
    with killed(file, 20) as storage:
        with closing(sqlite3.connect(file)) as other:
            other.execute("PRAGMA wal_checkpoint(RESTART)")
        write_something(storage)
        require_own_log(file)


def test_a_file_that_changes_meanwhile_is_looked_at_again(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Others may write, so that the two are read at different times."""
    crash(file, 3)
    header = file.read_bytes()[:100]
    # What the file says in turn: counts of commits that the log does not continue, and then its own.
    headers = iter([header[:60] + struct.pack(">I", count) + header[64:] for count in (90, 95)] + [header])
    monkeypatch.setattr(sqlite_wal, "_read_header", lambda _: next(headers))
    monkeypatch.setattr(sqlite_wal, "_LOOK_INTERVAL_S", 0)
    require_own_log(file)
    assert [] == list(headers)


def test_a_count_begins_anew_after_31_bits() -> None:
    """As the field has them; a mark of another file never fits."""
    assert Mark(5, 2**31 - 1).begins([Mark(5, 0)])
    assert not Mark(5, 1).begins([Mark(6, 2), Mark(6, 3)])
    assert not Mark(5, 2).begins([Mark(5, 2)])
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.execute("PRAGMA user_version = 2147483647")
        count_commit(connection)
        assert (0,) == connection.execute("PRAGMA user_version").fetchone()


def test_a_start_is_not_noted_where_nobody_can_write(file: Path) -> None:
    """Nor while another process does: it has noted its own."""
    write_often(file, 1)
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        before = other.execute("PRAGMA application_id").fetchone()
        other.execute("BEGIN IMMEDIATE")
        note_start(file)
        other.execute("ROLLBACK")
        assert before == other.execute("PRAGMA application_id").fetchone()
    note_start(file.with_name("missing") / "heksher.db")
    with opened(str(file)) as storage:
        assert 1 == read_revision(storage)


def test_a_process_that_is_killed_when_it_has_noted_its_start_leaves_a_log_that_belongs(file: Path) -> None:
    """Before it could move that into the file."""
    write_often(file, 1)
    main = file.read_bytes()
    crash(file, 0)
    file.write_bytes(main)
    assert sqlite_wal._read_log(file.with_name("heksher.db-wal")).marks
    require_own_log(file)


def test_a_start_that_cannot_be_moved_into_the_file_is_taken_back(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While somebody reads what was there before: what is written then would be in a log that does not belong."""
    monkeypatch.setattr(sqlite_wal, "_LOOK_INTERVAL_S", 0)
    write_often(file, 1)
    with closing(sqlite3.connect(file, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT * FROM write_state").fetchall()
        before = sqlite_wal._read_mark(sqlite_wal._read_header(file))
        note_start(file)
        with opened(str(file)) as storage:
            write_something(storage)
        assert before == sqlite_wal._read_mark(sqlite_wal._read_header(file))
        log = sqlite_wal._read_log(file.with_name("heksher.db-wal"))
        assert before.file_id == log.marks[-1].file_id
        require_own_log(file)


def test_a_start_beside_others_changes_nothing(file: Path) -> None:
    """The first one has noted it."""
    with killed(file, 2):
        before = sqlite_wal._read_log(file.with_name("heksher.db-wal"))
        note_start(file)
        assert before == sqlite_wal._read_log(file.with_name("heksher.db-wal"))
