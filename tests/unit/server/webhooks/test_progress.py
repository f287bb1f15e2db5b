"""Tests of how far webhooks were told, as far as the storage has not noted it yet."""

from dataclasses import replace

import pytest

from heksher.revision_id import RevisionId
from heksher.server.operations import webhooks
from heksher.server.operations.webhooks import STANDARD
from heksher.server.storage.memory import MemoryStorage
from heksher.server.storage.storage_errors import StorageUnavailableError
from heksher.server.storage.webhook_records import DeliveryRecord
from heksher.server.webhooks.progress import Progress
from tests.support.catalogs import FragileStorage
from tests.support.principals import ADMIN
from tests.support.storages import write_something

STAMP = "0123456789ab"
# The creation of the third webhook.
NEWEST = RevisionId(3, STAMP)


@pytest.fixture
def storage() -> FragileStorage:
    storage = FragileStorage(MemoryStorage(stamp=lambda: STAMP))
    storage.open()
    for name in "abc":
        webhooks.create(storage, name, "https://hooks.example", (), STANDARD, ADMIN)
    return storage


def read(storage: FragileStorage, name: str = "a") -> DeliveryRecord:
    return webhooks.get(storage, name).delivery


def go_on(delivery: DeliveryRecord, count: int = 1) -> DeliveryRecord:
    return replace(delivery, told=RevisionId(delivery.told.number + count, STAMP))


def test_what_is_not_noted_yet_is_known(storage: FragileStorage):
    """To this process, and stored in the end, for all webhooks at once."""
    progress, stored = Progress(storage), read(storage)
    assert stored == progress.find(stored)
    progress.put(stored, go_on(stored))
    progress.put(go_on(stored), go_on(stored, 2))
    progress.put(read(storage, "b"), go_on(read(storage, "b")))
    assert (go_on(stored, 2), stored) == (progress.find(stored), read(storage))
    assert {"a", "b"} == progress.note(NEWEST)
    assert (go_on(stored, 2), 2) == (read(storage), read(storage, "b").told.number)
    assert frozenset() == progress.note(NEWEST)


def test_what_was_under_way_while_it_was_noted_goes_on(storage: FragileStorage):
    """From what was noted."""
    progress, stored = Progress(storage), read(storage)
    progress.put(stored, go_on(stored))
    progress.note(NEWEST)
    progress.put(go_on(stored), go_on(stored, 2))
    assert go_on(stored, 2) == progress.find(read(storage))
    assert {"a"} == progress.note(NEWEST)
    assert go_on(stored, 2) == read(storage)


def test_what_others_have_changed_counts(storage: FragileStorage):
    """Nothing is noted over it."""
    progress, stored = Progress(storage), read(storage)
    progress.put(stored, go_on(stored))
    webhooks.enable(storage, "a", ADMIN, is_skipping=True)
    write_something(storage)
    changed = read(storage)
    assert changed == progress.find(changed)
    assert frozenset() == progress.note(NEWEST)
    assert changed == read(storage)
    progress.put(changed, go_on(changed))
    assert {"a"} == progress.note(NEWEST)


def test_while_the_storage_is_away_it_stays_to_be_noted(storage: FragileStorage):
    """Nothing is lost, and nothing has to be told again."""
    progress, stored = Progress(storage), read(storage)
    progress.put(stored, go_on(stored))
    storage.is_away = True
    with pytest.raises(StorageUnavailableError):
        progress.note(NEWEST)
    storage.is_away = False
    assert go_on(stored) == progress.find(stored)
    assert {"a"} == progress.note(NEWEST)


def test_what_is_to_be_noted_can_be_forgotten(storage: FragileStorage):
    """Then it is told again."""
    progress, stored = Progress(storage), read(storage)
    progress.put(stored, go_on(stored))
    progress.forget()
    assert (stored, frozenset()) == (progress.find(stored), progress.note(NEWEST))
    assert stored == read(storage)


def test_nothing_is_noted_of_a_log_that_is_gone(storage: FragileStorage):
    """A standby that took over has other changes of these numbers, which are told."""
    progress, stored = Progress(storage), read(storage)
    progress.put(stored, go_on(stored))
    assert frozenset() == progress.note(RevisionId(3, "another one"))
    assert (stored, stored) == (progress.find(stored), read(storage))
