"""The storage with the catalog behind it."""

from concurrent.futures import ThreadPoolExecutor, as_completed
from datetime import UTC, datetime
from typing import NoReturn

import pytest

from heksher.revision_id import RevisionId
from heksher.server.catalog.availability import Availability
from heksher.server.catalog.catalog import Catalog
from heksher.server.catalog.guarded import GuardedStorage
from heksher.server.catalog.reader import PictureReader
from heksher.server.catalog.writability import Writability, find_reason
from heksher.server.operations import rules
from heksher.server.storage.base import NOBODY, Expectation, Origin, Reader
from heksher.server.storage.storage_errors import (
    ContractError,
    ExpectationError,
    StorageCorruptError,
    StorageError,
    StorageUnavailableError,
)
from tests.support.catalogs import FragileStorage, open_fragile
from tests.support.fake_service import DEADLINE_S
from tests.support.operations import SOMEBODY, read_last
from tests.support.storages import SOME_CHANGE, read_revision, write_something


class Guarded:
    """A guarded storage, with what stands behind it."""

    def __init__(self) -> None:
        self.inner: FragileStorage = open_fragile()
        self.catalog = Catalog(self.inner, 1_000_000)
        self.availability = Availability()
        self.writability = Writability()
        self.looks = 0
        self.storage = GuardedStorage(self.inner, self.catalog, self.availability, self.writability, self.look)

    def look(self) -> None:
        self.looks += 1

    def find_reader(self) -> type[Reader]:
        return self.storage.read(type)


@pytest.fixture
def guarded() -> Guarded:
    """A storage at revision 1, and a catalog that is loaded."""
    guarded = Guarded()
    guarded.catalog.load()
    return guarded


def test_while_the_database_is_there_it_is_read(guarded: Guarded):
    """People who change things see what they have changed, on whatever replica."""
    write_something(guarded.inner)
    assert 2 == read_revision(guarded.storage)
    assert PictureReader is not guarded.find_reader()


def test_the_log_is_pruned_in_the_database(guarded: Guarded):
    """Whatever the picture has."""
    write_something(guarded.inner)
    assert 1 == guarded.storage.prune(datetime.max.replace(tzinfo=UTC))


def test_when_the_database_has_gone_the_picture_is_read(guarded: Guarded):
    """And somebody is told to look after it."""
    guarded.inner.is_away = True
    assert (PictureReader, 1) == (guarded.find_reader(), guarded.looks)


def test_while_the_database_is_known_to_be_away_nobody_waits_for_it(guarded: Guarded):
    """The picture is read at once, and writes are refused at once."""
    guarded.availability.note(StorageUnavailableError("away"))
    before = guarded.inner.reads
    assert (PictureReader, before) == (guarded.find_reader(), guarded.inner.reads)
    with pytest.raises(StorageUnavailableError):
        write_something(guarded.storage)
    assert (0, 1) == (guarded.looks, read_revision(guarded.inner))


def test_after_a_read_that_failed_others_do_not_try(guarded: Guarded, monkeypatch: pytest.MonkeyPatch):
    """For some seconds: what kept it waiting, such as a table that is locked, would keep each of them."""
    time_s = [100.0]
    monkeypatch.setattr("time.monotonic", lambda: time_s[0])
    guarded.inner.is_away = True
    guarded.find_reader()
    guarded.inner.is_away = False
    before = guarded.inner.reads
    assert (PictureReader, before) == (guarded.find_reader(), guarded.inner.reads)
    time_s[0] += 5.1
    assert PictureReader is not guarded.find_reader()


def test_only_some_readers_wait_for_the_database(guarded: Guarded, monkeypatch: pytest.MonkeyPatch):
    """Others are answered from memory after a while, so that there are connections and threads for the rest."""
    monkeypatch.setattr("heksher.server.catalog.guarded._TURN_TIMEOUT_S", 0.01)
    before = guarded.inner.reads
    guarded.inner.gate.clear()
    with ThreadPoolExecutor(9) as pool:
        tasks = [pool.submit(guarded.find_reader) for _ in range(9)]
        first = next(as_completed(tasks, DEADLINE_S))
        assert (PictureReader, before + 8) == (first.result(), guarded.inner.reads)
        guarded.inner.gate.set()
    assert 1 == sum(task.result() is PictureReader for task in tasks)


def test_nothing_can_be_read_before_anything_was_loaded():
    """Then it is an error, in either case."""
    guarded = Guarded()
    guarded.inner.is_away = True
    for _ in range(2):
        with pytest.raises(StorageUnavailableError):
            guarded.find_reader()
        guarded.availability.note(StorageUnavailableError("away"))
    assert 1 == guarded.looks


def test_the_catalog_has_what_was_written(guarded: Guarded):
    """Before the write is answered."""
    revision = rules.add(guarded.storage, "cache_ttl", {"user": "new"}, 1, {}, NOBODY).revision
    assert 2 == revision == guarded.catalog.state.picture.revision
    assert 3 == guarded.catalog.state.picture.count_rules()


def test_what_was_not_written_makes_nobody_look(guarded: Guarded):
    """The revision is the one that is there."""
    before = guarded.inner.reads
    assert 1 == guarded.storage.write(lambda _: None).revision
    assert before == guarded.inner.reads


def test_the_origin_is_passed_on(guarded: Guarded):
    """To the change log."""
    guarded.storage.write(lambda writer: writer.record(SOME_CHANGE), SOMEBODY)
    assert Origin("ada", "because") == read_last(guarded.inner).origin


def test_a_write_that_fails_makes_somebody_look(guarded: Guarded):
    """The error is passed on."""
    guarded.inner.is_away = True
    with pytest.raises(StorageUnavailableError):
        write_something(guarded.storage)
    assert 1 == guarded.looks


@pytest.mark.parametrize("error", [StorageUnavailableError("no room", "disk full"), StorageCorruptError("damaged")])
def test_a_write_that_is_refused_is_noted(guarded: Guarded, error: StorageError):
    """Until one is stored; what its caller is to blame for is not."""
    guarded.inner.sickness = error
    with pytest.raises(type(error)):
        write_something(guarded.storage)
    assert find_reason(error) == guarded.writability.problem
    guarded.inner.sickness = None
    write_something(guarded.storage)
    assert guarded.writability.problem is None
    with pytest.raises(ExpectationError):
        guarded.storage.write(lambda _: None, NOBODY, Expectation("setting", "cache_ttl", 99))
    assert (None, 1) == (guarded.writability.problem, guarded.looks)


def test_a_database_that_fails_in_another_way_is_read_from_memory(guarded: Guarded, monkeypatch: pytest.MonkeyPatch):
    """A damaged page, too; a fault of the program's own is none of the database."""

    def fail(_work: object) -> NoReturn:
        raise errors.pop()

    errors = [StorageCorruptError("damaged"), ContractError("a fault")]
    monkeypatch.setattr(guarded.inner, "read", fail)
    with pytest.raises(ContractError):
        guarded.find_reader()
    assert (PictureReader, 1) == (guarded.find_reader(), guarded.looks)


def test_what_is_stored_is_answered_so(guarded: Guarded):
    """Though the database went away right afterwards, and the catalog could not follow."""

    def work(writer) -> str:
        writer.record(SOME_CHANGE)
        return "done"

    write = guarded.inner.write

    def write_and_go_away(work, origin, expected):
        written = write(work, origin, expected)
        guarded.inner.is_away = True
        return written

    guarded.inner.write = write_and_go_away
    written = guarded.storage.write(work)
    assert ("done", 2, 1) == (written.result, written.revision, guarded.looks)
    assert 1 == guarded.catalog.state.picture.revision


def test_what_is_stored_is_answered_so_whatever_the_catalog_meets(guarded: Guarded, monkeypatch: pytest.MonkeyPatch):
    """A database that cannot be read afterwards is no failure of the write, and somebody looks after it."""

    def fail(_revision: RevisionId) -> None:
        raise StorageCorruptError("a page is damaged")

    monkeypatch.setattr(guarded.catalog, "refresh", fail)
    assert 2 == write_something(guarded.storage)
    assert 1 == guarded.looks


def test_the_health_is_that_of_the_database(guarded: Guarded):
    """As far as it is known, or as it is found to be now."""
    guarded.storage.check()
    guarded.availability.note(StorageUnavailableError("away"))
    with pytest.raises(StorageUnavailableError):
        guarded.storage.check()
    guarded.availability.note(None)
    guarded.inner.is_away = True
    with pytest.raises(StorageUnavailableError):
        guarded.storage.check()


def test_the_rest_is_the_storages_own(guarded: Guarded):
    """How it listens, opens and closes."""
    assert guarded.inner.listen() is guarded.storage.listen()
    assert guarded.inner.poll_interval_s == guarded.storage.poll_interval_s
    guarded.storage.close()
    with pytest.raises(StorageUnavailableError):
        guarded.storage.check()
    guarded.storage.open()
    guarded.storage.check()
