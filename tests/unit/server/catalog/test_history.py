"""What the change log has after a revision, and whether the database has lost that."""

from collections.abc import Callable, Sequence

import pytest

from heksher.revision_id import RevisionId
from heksher.server.catalog import history
from heksher.server.catalog.advance import Step
from heksher.server.catalog.history import News, find_last_common, read_news
from heksher.server.storage.base import Reader
from heksher.server.storage.memory import MemoryStorage
from tests.support.storages import SOME_CHANGE

NEWEST = RevisionId(4, "000000000004")


def write(storage: MemoryStorage, changes: int = 1) -> None:
    storage.write(lambda writer: writer.record_all([SOME_CHANGE] * changes))


@pytest.fixture
def storage() -> MemoryStorage:
    """A storage with four entries, whose stamps are their numbers."""
    storage = MemoryStorage(stamp=lambda: f"{storage.read(lambda reader: reader.revision()) + 1:012x}")
    storage.open()
    for _ in range(4):
        write(storage)
    return storage


def list_news(storage: MemoryStorage, known: RevisionId) -> tuple[RevisionId, bool, list[int]]:
    news = storage.read(lambda reader: read_news(reader, known))
    return news.newest, news.is_lost, [entry.revision for entry in news.entries]


def test_what_is_newest_has_no_news(storage: MemoryStorage) -> None:
    """Nothing else is read then."""
    assert News(NEWEST) == storage.read(lambda reader: read_news(reader, NEWEST))


@pytest.mark.parametrize(("known", "revisions"), [(0, [1, 2, 3, 4]), (2, [3, 4]), (3, [4])])
def test_what_is_known_goes_on(storage: MemoryStorage, known: int, revisions: Sequence[int]) -> None:
    """With the entries after it."""
    revision = RevisionId(known, f"{known:012x}" if known else "")
    assert (NEWEST, False, revisions) == list_news(storage, revision)


@pytest.mark.parametrize("number", [1, 3, 4, 5])
def test_what_has_another_stamp_was_lost(storage: MemoryStorage, number: int) -> None:
    """So was what is newer than the newest."""
    newest, is_lost, _ = list_news(storage, RevisionId(number, "ffffffffffff"))
    assert (NEWEST, True) == (newest, is_lost)


@pytest.mark.parametrize("stamp", ["000000000001", "ffffffffffff"])
def test_far_behind_nothing_is_read_but_the_stamp(
    storage: MemoryStorage, monkeypatch: pytest.MonkeyPatch, stamp: str
) -> None:
    """Loading everything costs less; a loss is noticed all the same."""
    monkeypatch.setattr(history, "_MAX_ENTRIES", 2)
    assert (NEWEST, stamp[0] == "f", []) == list_news(storage, RevisionId(1, stamp))


@pytest.mark.parametrize("stamp", ["000000000004", "ffffffffffff"])
def test_of_a_large_entry_nothing_is_read_but_the_stamp(
    storage: MemoryStorage, monkeypatch: pytest.MonkeyPatch, stamp: str
) -> None:
    """Some entries before it may be given."""
    monkeypatch.setattr(history, "_MAX_CHANGES", 1)
    write(storage, changes=3)
    newest, is_lost, revisions = list_news(storage, RevisionId(4, stamp))
    assert (RevisionId(5, "000000000005"), stamp[0] == "f", []) == (newest, is_lost, revisions)


def test_a_log_that_was_shortened_says_nothing(storage: MemoryStorage) -> None:
    """An entry that is no longer there was not necessarily lost."""

    class ShortenedReader:
        """The same without the first three entries."""

        def __init__(self, reader: Reader) -> None:
            self.revision_id: Callable[[], RevisionId] = reader.revision_id
            self.log = lambda after, limit, changes: reader.log(max(after, 3), limit, changes)

    news = storage.read(lambda reader: read_news(ShortenedReader(reader), RevisionId(2, "f" * 12)))
    assert (NEWEST, False, [4]) == (news.newest, news.is_lost, [entry.revision for entry in news.entries])


def test_two_histories_part_somewhere() -> None:
    """The last revision that both have is found by the stamps, if it is recent."""
    before = [Step(number, (), stamp) for number, stamp in enumerate("abcd", 3)]
    after = [Step(number, (), stamp) for number, stamp in enumerate("abxyz", 3)]
    assert (4, None, None) == (
        find_last_common(before, after),
        find_last_common(before, after[2:]),
        find_last_common([], after),
    )
