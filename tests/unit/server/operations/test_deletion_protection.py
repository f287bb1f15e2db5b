"""Which settings are protected from being deleted. What becomes of that is in the tests of the routes."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import pytest

from heksher.server.errors import ConflictError
from heksher.server.operations import deletion_protection as module
from heksher.server.operations import settings
from heksher.server.operations.deletion_protection import NO_PROTECTION, DeletionProtection
from heksher.server.operations.lookup import get_setting
from heksher.server.storage.base import NOBODY, Storage
from heksher.server.storage.usage_records import SettingUse

NOW = datetime(2026, 11, 28, 12, 30, tzinfo=UTC)
DAYS = 30
# Uses are stored to the hour, so that of the oldest hour all is protected.
OLDEST = datetime(2026, 10, 29, 12, 0, tzinfo=UTC)


class Clock:
    """The time, which stands still."""

    def now(self, zone: object) -> datetime:
        assert UTC == zone
        return NOW


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock stands still."""
    monkeypatch.setattr(module, "datetime", Clock())


def use(storage: Storage, at: datetime) -> None:
    storage.note(lambda notes: notes.note_uses({"cache_ttl": SettingUse(at, "checkout/2.3 (web-1)")}, (), at))


def describe(storage: Storage, days: int | None = DAYS, unstored: Mapping[str, str] | None = None) -> str | None:
    protection = DeletionProtection(days, lambda: unstored or {})
    return storage.read(lambda reader: protection.describe_use(reader, get_setting(reader, "cache_ttl")))


@pytest.mark.parametrize(
    ("at", "is_protected"),
    [(NOW, True), (OLDEST, True), (OLDEST - timedelta(seconds=1), False), (NOW + timedelta(hours=2), True)],
)
def test_what_was_asked_for_lately_is_protected(declared: Storage, at: datetime, is_protected: bool):
    """So many days, and the hour in which they begin."""
    use(declared, at)
    assert is_protected == (describe(declared) is not None)
    assert describe(declared, None) is None


def test_what_nobody_has_asked_for_is_not(declared: Storage):
    """Nor what others have asked for."""
    assert describe(declared, unstored={"other": "web"}) is None


def test_it_is_said_who_has_asked_and_when(declared: Storage):
    """What is not stored yet was asked for just now, by any of its names."""
    use(declared, NOW - timedelta(days=3))
    asked = "was asked for by checkout/2.3 (web-1) at 2026-11-25T12:00Z, in the last 30 days"
    assert asked == describe(declared)
    settings.rename(declared, "cache_ttl", "ttl", "1.1", NOBODY)
    for name in ("ttl", "cache_ttl"):
        unstored = describe(declared, unstored={"other": "x", name: "shop"})
        assert "was asked for by shop at 2026-11-28T12:30Z, in the last 30 days" == unstored


def test_what_is_not_stored_is_looked_at_once(declared: Storage):
    """Many settings can be deleted together."""
    looks: list[None] = []

    def list_unstored() -> Mapping[str, str]:
        looks.append(None)
        return {}

    protection = DeletionProtection(DAYS, list_unstored)
    for _ in range(3):
        declared.read(lambda reader: protection.require_unused(reader, get_setting(reader, "cache_ttl")))
    assert [None] == looks


def test_a_protected_setting_is_not_deleted(declared: Storage):
    """The message says what to do; without protection it is."""
    use(declared, NOW)
    with pytest.raises(ConflictError, match=r"^setting 'cache_ttl' was asked for by checkout.*say so with force=true$"):
        settings.delete(declared, "cache_ttl", NOBODY, DeletionProtection(DAYS))
    settings.delete(declared, "cache_ttl", NOBODY, NO_PROTECTION)
    assert [] == settings.list_all(declared)
