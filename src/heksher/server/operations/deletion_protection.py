"""Keeps settings from being deleted by mistake that programs have asked for lately."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Final

from heksher.server.errors import ConflictError
from heksher.server.storage.access_records import floor_hour
from heksher.server.storage.base import Reader, SettingRecord
from heksher.server.storage.usage_records import SettingUse


class DeletionProtection:
    """What programs have asked for lately, as it is known at this moment. Make a new one for each request.

    Known is what all processes have stored, each once a minute, and what this one has not stored yet.

    Args:
        days: for so many days after somebody has asked for it a setting is protected; ``None`` protects none.
        list_unstored: returns who has asked for what and is not stored yet: clients in words by the names, or aliases,
            of settings. Called once, or never.
    """

    def __init__(self, days: int | None, list_unstored: Callable[[], Mapping[str, str]] = dict) -> None:
        self._days = days
        self._list_unstored = cache(list_unstored)

    def require_unused(self, reader: Reader, setting: SettingRecord) -> None:
        """Check that a setting is not protected.

        Raises:
            ConflictError: it is; the message says by whose use.
        """
        if (use := self.describe_use(reader, setting)) is not None:
            raise ConflictError(
                f"setting {setting.name!r} {use}: if it is to be deleted all the same, say so with force=true"
            )

    def describe_use(self, reader: Reader, setting: SettingRecord) -> str | None:
        """Return in words who has asked for a setting, and when, if that protects it; else ``None``."""
        if self._days is None:
            return None
        now = datetime.now(UTC)
        use = self._find_unstored(setting, now) or reader.setting_uses([setting.name]).get(setting.name)
        # Stored is the hour alone, so of that hour all is protected.
        if use is None or use.used_at < floor_hour(now - timedelta(days=self._days)):
            return None
        return f"was asked for by {use.client} at {use.used_at:%Y-%m-%dT%H:%MZ}, in the last {self._days} days"

    def _find_unstored(self, setting: SettingRecord, now: datetime) -> SettingUse | None:
        unstored = self._list_unstored()
        clients = (unstored[name] for name in (setting.name, *sorted(setting.aliases)) if name in unstored)
        return next((SettingUse(now, client) for client in clients), None)


NO_PROTECTION: Final = DeletionProtection(None)
