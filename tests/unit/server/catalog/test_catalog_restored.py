"""A catalog whose database gets another history before the catalog looks again.

A backup is restored, or a standby takes over that lacks the last changes, and then it is written to.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TypeVar

import pytest

from heksher.revision_id import RevisionId
from heksher.server.catalog import history
from heksher.server.catalog.catalog import Catalog
from heksher.server.storage.base import Reader, Storage
from heksher.server.storage.memory import MemoryStorage
from tests.support.restorable_storage import RestorableStorage
from tests.support.storages import a_setting, store, write_something

T = TypeVar("T")


def make_content(*settings: str) -> MemoryStorage:
    """Make a storage with a context feature, and these settings: as many revisions, and one."""
    content = MemoryStorage()
    content.open()
    store(content, lambda writer: writer.set_context_features(["user"]))
    for name in settings:
        store(content, lambda writer, name=name: writer.add_setting(a_setting(name)))
    return content


def read_revision_id(storage: Storage) -> RevisionId:
    return storage.read(lambda reader: reader.revision_id())


@pytest.mark.parametrize("later", [("d",), ("d", "e"), ("d", "e", "f"), ("d", "e", "f", "g")])
def test_other_history_is_noticed(later: tuple[str, ...]) -> None:
    """Whether the revision is lower, equal or higher by then: a look finds out that changes are gone."""
    storage = RestorableStorage(make_content("a", "b", "c"))
    catalog = Catalog(storage, 1_000_000)
    era, _ = catalog.load().position
    assert catalog.history_lost_at is None
    storage.content = make_content("a", *later)
    state = catalog.refresh()
    assert {"a", *later} == set(state.picture.settings)
    assert (era + 1, read_revision_id(storage)) == state.position
    assert len(later) + 2 == state.picture.revision
    assert 1 == catalog.losses
    assert timedelta(0) <= datetime.now(UTC) - catalog.history_lost_at < timedelta(minutes=1)


def test_same_history_is_not_restored() -> None:
    """A database that has only been written to is followed in the same era, from the first change on."""
    storage = RestorableStorage(MemoryStorage())
    storage.content.open()
    catalog = Catalog(storage, 1_000_000)
    era, _ = catalog.load().position
    for _ in range(2):
        write_something(storage)
        assert (era, read_revision_id(storage)) == catalog.refresh().position
    assert catalog.history_lost_at is None


class SwappedStorage(RestorableStorage):
    """A storage that gets another content between two units of reading work.

    Attributes:
        next: what it gets after the next one; ``None`` for nothing else.
    """

    next: MemoryStorage | None = None

    def read(self, work: Callable[[Reader], T]) -> T:
        try:
            return super().read(work)
        finally:
            self.content, self.next = self.next or self.content, None


def test_loss_between_a_look_and_loading_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that is far behind loads everything, and the database may have lost changes since it was looked at."""
    monkeypatch.setattr(history, "_MAX_ENTRIES", 0)
    storage = SwappedStorage(make_content("a"))
    catalog = Catalog(storage, 1_000_000)
    era, known = catalog.load().position
    write_something(storage)
    storage.next = make_content("b")
    state = catalog.refresh()
    assert (["b"], era + 1, known.number) == (list(state.picture.settings), state.era, state.picture.revision)
    assert catalog.history_lost_at is not None
