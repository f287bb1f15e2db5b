"""What every storage keeps of policies: for which settings a second person is demanded."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest

from heksher.server.storage.access_records import POLICY, PolicyRecord
from heksher.server.storage.base import LastChange, LoggedChange, Origin, Storage
from heksher.server.storage.storage_errors import ContractError
from tests.support.storages import Place, store

NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)
SHOP = PolicyRecord("shop.", 'ada\x00"\ud800', NOON)
MADE = LoggedChange("create", POLICY, "shop.", None, {})


def list_policies(storage: Storage) -> tuple[PolicyRecord, ...]:
    found = storage.read(lambda reader: reader.policies())
    assert found == storage.read(lambda reader: reader.access()).policies
    return found


def test_there_are_none_at_first(storage: Storage) -> None:
    assert () == list_policies(storage)


def test_keeps_every_attribute(place: Place, storage: Storage) -> None:
    """Sorted by prefix, also after a restart; the storage dates the records itself."""
    at = NOON.astimezone(timezone(timedelta(hours=-2)))
    store(
        storage,
        lambda writer: writer.put_policy(replace(SHOP, created_at=at, revision=9)),
        lambda writer: writer.put_policy(replace(SHOP, prefix="")),
        change=MADE,
    )
    storage.close()
    reopened = place.connect()
    reopened.open()
    found = list_policies(reopened)
    assert (replace(SHOP, prefix=""), SHOP) == found
    assert [(1, timedelta())] * 2 == [(policy.revision, policy.created_at.utcoffset()) for policy in found]
    reopened.close()


def test_one_is_replaced_and_removed(storage: Storage) -> None:
    """One that is not there cannot be removed, and none has a prefix that no storage can keep."""
    store(storage, lambda writer: writer.put_policy(SHOP), change=MADE)
    changed = replace(SHOP, creator="bob")
    store(storage, lambda writer: writer.put_policy(changed), change=MADE)
    assert ((changed,), 2) == (list_policies(storage), list_policies(storage)[0].revision)
    store(storage, lambda writer: writer.remove_policy("shop."), change=MADE)
    assert () == list_policies(storage)
    for work in (
        lambda writer: writer.remove_policy("shop."),
        lambda writer: writer.remove_policy("x\x00"),
        lambda writer: writer.put_policy(replace(SHOP, prefix="x\x00")),
    ):
        with pytest.raises(ContractError):
            store(storage, work, change=MADE)


def test_its_last_change_stays_known(storage: Storage) -> None:
    """Who made it, and when, when the log was pruned."""
    storage.write(lambda writer: (writer.put_policy(SHOP), writer.record(MADE)), Origin("ada", "", "person"))
    store(storage, change=MADE)
    storage.prune(datetime.now(UTC) + timedelta(days=1))
    kept = storage.read(lambda reader: reader.last_change(1))
    assert isinstance(kept, LastChange)
    assert (1, "ada", "create") == (kept.revision, kept.actor, kept.action)
