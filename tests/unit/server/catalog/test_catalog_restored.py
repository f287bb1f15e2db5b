"""A catalog whose database gets another history before the catalog looks again.

A backup is restored, or a standby takes over that lacks the last changes, and then it is written to.
"""

from datetime import UTC, datetime, timedelta

import pytest

from heksher.revision_id import RevisionId
from heksher.server.catalog.catalog import Catalog
from heksher.server.storage.base import Storage
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
