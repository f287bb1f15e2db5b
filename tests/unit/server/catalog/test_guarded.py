"""The storage with the catalog behind it."""

import itertools
import threading
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
from heksher.server.storage.base import NOBODY, Expectation, Origin, Reader, Written
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
from tests.support.storages import SOME_CHANGE, a_token, read_revision, store, write_something


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


def _fail(*_: object) -> None:
    raise StorageCorruptError("a page is damaged")


def test_while_the_database_is_there_it_is_read(guarded: Guarded):
    """People who change things see what they have changed, on whatever replica."""
    write_something(guarded.inner)
    assert 2 == read_revision(guarded.storage)
    assert PictureReader is not guarded.find_reader()


def test_the_log_is_pruned_in_the_database(guarded: Guarded):
    """Whatever the picture has."""
    write_something(guarded.inner)
    assert 1 == guarded.storage.prune(datetime.max.replace(tzinfo=UTC))


def test_uses_of_tokens_are_noted_in_the_database(guarded: Guarded):
    """Nothing follows that. While the database is away, it is not even tried."""
    store(guarded.inner, lambda writer: writer.put_token(a_token()))
    hour = datetime(2026, 11, 1, 12, tzinfo=UTC)
    guarded.storage.note_token_uses({"ci": hour})
    (token,) = guarded.inner.read(lambda reader: reader.access()).tokens
    assert (hour, 2) == (token.last_used_at, read_revision(guarded.inner))
    guarded.availability.note(StorageUnavailableError("the database is away"))
    with pytest.raises(StorageUnavailableError):
        guarded.storage.note_token_uses({"ci": hour})


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
    monkeypatch.setattr("heksher.server.catalog.guarded._READER_TURN_TIMEOUT_S", 0.01)
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


def test_the_catalog_need_not_read_what_was_written(guarded: Guarded):
    """It is handed on with the result of the write."""
    before = guarded.inner.reads
    rules.add(guarded.storage, "cache_ttl", {"user": "new"}, 1, {}, NOBODY)
    assert (2, before) == (guarded.catalog.state.picture.revision, guarded.inner.reads)


def test_a_write_after_those_of_others_is_read_with_them(guarded: Guarded):
    """What the others wrote has to be read in any case."""
    rules.add(guarded.inner, "cache_ttl", {"user": "theirs"}, 1, {}, NOBODY)
    rules.add(guarded.storage, "cache_ttl", {"user": "ours"}, 1, {}, NOBODY)
    assert (3, 4) == (guarded.catalog.state.picture.revision, guarded.catalog.state.picture.count_rules())


def test_a_write_in_another_history_is_not_added_to_the_known_one(guarded: Guarded):
    """The database was restored, and has an entry of the same number that is another one: everything is read."""
    era = guarded.catalog.state.era
    guarded.inner.inner = open_fragile()
    rules.add(guarded.storage, "cache_ttl", {"user": "new"}, 1, {}, NOBODY)
    assert (era + 1, 2) == (guarded.catalog.state.era, guarded.catalog.state.picture.revision)


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
        guarded.storage.write(lambda _: None, NOBODY, Expectation("setting", "cache_ttl", frozenset()))
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
    monkeypatch.setattr(guarded.catalog, "take", _fail)
    assert 2 == write_something(guarded.storage)
    assert 1 == guarded.looks


def test_what_is_in_memory_is_recalled(guarded: Guarded):
    """Also while the database is away, with the revision that it is of."""
    guarded.inner.is_away = True
    before = guarded.inner.reads
    assert Written(PictureReader, 1) == guarded.storage.recall(type)
    assert before == guarded.inner.reads


def test_nothing_is_recalled_that_is_not_new_enough(guarded: Guarded):
    """Nor is anything before the catalog is loaded."""
    assert Written(PictureReader, 1) == guarded.storage.recall(type, RevisionId(1))
    assert guarded.storage.recall(type, RevisionId(2)) is None
    assert guarded.storage.recall(type, RevisionId(1, "0123456789ab")) is None
    assert Guarded().storage.recall(type) is None


def test_nothing_is_recalled_that_lacks_a_write_that_was_answered(guarded: Guarded, monkeypatch: pytest.MonkeyPatch):
    """The catalog could not follow the write; once it can, it is recalled from again."""
    with monkeypatch.context() as patched:
        patched.setattr(guarded.catalog, "take", _fail)
        write_something(guarded.storage)
    assert guarded.storage.recall(type) is None
    guarded.catalog.doubt()
    assert guarded.storage.recall(type) is None
    guarded.catalog.refresh()
    assert Written(PictureReader, 2) == guarded.storage.recall(type)


def test_what_others_write_meanwhile_is_not_written_again(guarded: Guarded):
    """Of many who find out at the same time that something is new, one writes it, and the others then know it."""
    together, calls, runs = threading.Barrier(8), itertools.count(), []

    def know(reader: Reader) -> int | None:
        if next(calls) < together.parties:
            together.wait(DEADLINE_S)
        return reader.revision() if reader.revision() > 1 else None

    def work(writer) -> int:
        runs.append("run")
        writer.record(SOME_CHANGE)
        return writer.revision()

    with ThreadPoolExecutor(8) as pool:
        written = list(pool.map(lambda _: guarded.storage.write_unless_known(know, work), range(8)))
    assert ([Written(2, 2)] * 8, ["run"]) == (written, runs)


def test_a_write_that_was_lost_is_not_waited_for(guarded: Guarded, monkeypatch: pytest.MonkeyPatch):
    """Once the database was restored from a backup, its revisions are others."""
    write_something(guarded.storage)
    with monkeypatch.context() as patched:
        patched.setattr(guarded.catalog, "take", _fail)
        write_something(guarded.storage)
    guarded.inner.inner = open_fragile()
    guarded.catalog.refresh()
    assert Written(PictureReader, 1) == guarded.storage.recall(type)


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
