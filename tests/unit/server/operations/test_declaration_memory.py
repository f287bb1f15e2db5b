"""Declarations that are answered from memory: which ones, and that the database would have answered the same."""

import itertools

import pytest

from heksher.revision_id import RevisionId
from heksher.server.catalog.availability import Availability
from heksher.server.catalog.catalog import Catalog
from heksher.server.catalog.guarded import GuardedStorage
from heksher.server.catalog.writability import Writability
from heksher.server.operations import settings
from heksher.server.operations.declaration import DeclarationResult, declare, declare_many
from heksher.server.operations.differences import Declaration
from heksher.server.storage.base import NOBODY, Storage, Written
from heksher.server.storage.storage_errors import StorageUnavailableError
from tests.support.catalogs import ORDER, FragileStorage
from tests.support.operations import declaring, read_revision

UP_TO_DATE = DeclarationResult("uptodate", "1.0")


class WatchedStorage(FragileStorage):
    """A storage that counts the units of writing work that were asked for."""

    writes = 0

    def write(self, *arguments):
        self.writes += 1
        return super().write(*arguments)


@pytest.fixture
def database(declared: Storage) -> WatchedStorage:
    """A database with three context features and the settings ``cache_ttl`` and ``new`` (once ``old``)."""
    declare(declared, declaring("old"), NOBODY)
    declare(declared, declaring("new", alias="old", version="1.10"), NOBODY)
    return WatchedStorage(declared)


@pytest.fixture
def guarded(database: WatchedStorage) -> GuardedStorage:
    """The storage of a process that has everything in memory."""
    catalog = Catalog(database, 1_000_000)
    catalog.load()
    return GuardedStorage(database, catalog, Availability(), Writability(), lambda: None)


def list_declarations() -> list[Declaration]:
    """List declarations of each kind, many of which are wrong in more than one way."""
    parts = itertools.product(
        ("cache_ttl", "new", "old", "unheard_of"),
        (None, "cache_ttl", "new", "old", "nothing"),
        ("1.0", "1.10", "1.9", "0.1", "2.0"),
        ("float", "int"),
        (ORDER[:2], ORDER[:1], ("nope",)),
        ({}, {"k": 1}),
    )
    return [
        declaring(name, alias=alias, version=version, type=type_, features=features, metadata=metadata)
        for name, alias, version, type_, features, metadata in parts
        if name != alias
    ]


def test_what_is_there_already_is_answered_without_the_database(guarded: GuardedStorage, database: WatchedStorage):
    """Alone or with others, with the revision that it was found at."""
    revision = read_revision(guarded)
    before = database.reads
    assert Written(UP_TO_DATE, revision) == declare(guarded, declaring(type="float"), NOBODY)
    older = declaring("old", version="1.9")
    assert Written(("outdated", "1.10"), revision) == _name(declare(guarded, older, NOBODY))
    many = [declaring(type="float"), declaring("new", version="1.10", alias="old")]
    expected = Written((UP_TO_DATE, DeclarationResult("uptodate", "1.10")), revision)
    assert expected == declare_many(guarded, many, NOBODY)
    assert (0, before) == (database.writes, database.reads)


def _name(written: Written[DeclarationResult]) -> Written[tuple[str, str | None]]:
    return Written((written.result.outcome, written.result.stored_version), written.revision)


def test_memory_answers_as_the_database_does(guarded: GuardedStorage, database: WatchedStorage):
    """Of all declarations, those that need no database have the same result and revision with it."""
    recalled = 0
    for declaration in list_declarations():
        database.is_away = True
        try:
            from_memory = declare(guarded, declaration, NOBODY)
        except StorageUnavailableError:
            continue
        finally:
            database.is_away = False
        recalled += 1
        assert declare(database.inner, declaration, NOBODY) == from_memory
    assert recalled > 100


def test_memory_answers_only_what_changes_nothing(guarded: GuardedStorage, database: WatchedStorage):
    """A mismatch, an unknown feature or alias and the like may have been mended by another process."""
    database.is_away = True
    for declaration in list_declarations():
        try:
            outcome = declare(guarded, declaration, NOBODY).result.outcome
        except StorageUnavailableError:
            continue
        assert outcome in {"uptodate", "outdated"}


def test_a_process_that_is_behind_is_not_believed_where_more_is_demanded(
    guarded: GuardedStorage, database: WatchedStorage
):
    """Whoever has seen the setting's end never hears that it is up to date; who has not is as one that came before."""
    revision = settings.delete(database, "cache_ttl", NOBODY).revision
    stale = declaring(type="float")
    assert Written(UP_TO_DATE, revision - 1) == declare(guarded, stale, NOBODY)
    assert UP_TO_DATE == declare(guarded, stale, NOBODY, at_least=RevisionId(revision - 1)).result
    assert DeclarationResult("created") == declare(guarded, stale, NOBODY, at_least=RevisionId(revision)).result


def test_many_that_another_process_is_ahead_of(guarded: GuardedStorage, database: WatchedStorage):
    """A demand holds for all of them."""
    revision = settings.delete(database, "cache_ttl", NOBODY).revision
    many = [declaring(type="float"), declaring("new", version="1.10")]
    outcomes = [result.outcome for result in declare_many(guarded, many, NOBODY, at_least=RevisionId(revision)).result]
    assert ["created", "uptodate"] == outcomes


def test_what_is_not_there_takes_the_others_to_the_database(guarded: GuardedStorage, database: WatchedStorage):
    """One of them may be changed by another in the same request."""
    many = [declaring("renamed", alias="cache_ttl", type="float", version="1.1"), declaring(type="float")]
    outcomes = [result.outcome for result in declare_many(guarded, many, NOBODY).result]
    assert (["upgraded", "outdated"], 1) == (outcomes, database.writes)


def test_without_the_database_the_others_are_answered(guarded: GuardedStorage, database: WatchedStorage):
    """Those that need it have the error in their place; none of them was stored."""
    revision = read_revision(guarded)
    database.is_away = True
    many = [declaring("unheard_of"), declaring(type="float"), declaring(type="float", metadata={"k": 1})]
    written = declare_many(guarded, many, NOBODY)
    first, second, third = written.result
    assert (revision, UP_TO_DATE) == (written.revision, second)
    assert [StorageUnavailableError] * 2 == [type(first), type(third)]
    with pytest.raises(StorageUnavailableError):
        declare_many(guarded, [declaring("unheard_of")], NOBODY)
