"""A catalog whose database is brought back to a backup, and written to, before the catalog looks again."""

import pytest

from heksher.server.catalog.catalog import Catalog
from heksher.server.storage.memory import MemoryStorage
from tests.support.restorable_storage import RestorableStorage
from tests.support.storages import a_setting, store, write_something


def make_content(*settings: str) -> MemoryStorage:
    """Make a storage with a context feature, and these settings: as many revisions, and one."""
    content = MemoryStorage()
    content.open()
    store(content, lambda writer: writer.set_context_features(["user"]))
    for name in settings:
        store(content, lambda writer, name=name: writer.add_setting(a_setting(name)))
    return content


@pytest.mark.parametrize("later", [("d",), ("d", "e", "f"), ("d", "e", "f", "g")])
def test_other_history_is_noticed(later: tuple[str, ...]) -> None:
    """Whether the revision is lower or higher by then: a look finds out that what was written after the backup is gone.

    An equal one says nothing; the next write does.
    """
    storage = RestorableStorage(make_content("a", "b", "c"))
    catalog = Catalog(storage, 1_000_000)
    era, _ = catalog.load().position
    storage.content = make_content("a", *later)
    state = catalog.refresh()
    assert {"a", *later} == set(state.picture.settings)
    assert (era + 1, len(later) + 2) == state.position


def test_same_history_is_not_restored() -> None:
    """A database that has only been written to is followed in the same era, from the first change on."""
    storage = RestorableStorage(MemoryStorage())
    storage.content.open()
    catalog = Catalog(storage, 1_000_000)
    era, _ = catalog.load().position
    assert [(era, 1), (era, 2)] == [
        catalog.refresh(write_something(storage)).position,
        catalog.refresh(write_something(storage)).position,
    ]
