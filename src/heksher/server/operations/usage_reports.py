"""What is known of use: when settings were last asked for, and which clients ask."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache

from heksher.server.json_form import JSONObject
from heksher.server.storage.base import Reader, SettingRecord, Storage
from heksher.server.storage.usage_records import ClientRecord, SettingUse


@dataclass(frozen=True, slots=True)
class UsageReport:
    """A list, and since when it can be relied on.

    Attributes:
        counted_since: since when no use is missing; ``None`` if any may be.
        items: in their JSON form.
    """

    counted_since: datetime | None
    items: list[JSONObject]


def report_settings(storage: Storage, unused_for_days: int | None = None, *, is_counting: bool = True) -> UsageReport:
    """Report when each setting was last asked for, sorted by name.

    Args:
        storage: where the settings are.
        unused_for_days: to list only those that nobody has asked for in so many days, and that were there all the time:
            none at all, as long as uses were not counted for so many days. ``None`` for all settings.
        is_counting: whether this service counts uses; otherwise it knows of no setting that it is unused.
    """

    def work(reader: Reader) -> UsageReport:
        since = reader.counted_since() if is_counting else None
        uses = reader.setting_uses()
        listed = iter(reader.settings())
        if unused_for_days is not None:
            listed = _keep_unused(reader, uses, since, datetime.now(UTC) - timedelta(days=unused_for_days))
        return UsageReport(since, [_describe_setting(setting.name, uses.get(setting.name)) for setting in listed])

    return storage.read(work)


def report_clients(storage: Storage, name: str | None = None, *, is_counting: bool = True) -> UsageReport:
    """Report which clients have asked for settings, sorted by all that they say of themselves.

    Args:
        storage: where that is known.
        name: to list only the clients of the program with this name; ``None`` for all.
        is_counting: as above.
    """

    def work(reader: Reader) -> UsageReport:
        clients = [client for client in reader.clients() if name is None or client.name == name]
        items = sorted(map(_describe_client, clients), key=make_client_key)
        return UsageReport(reader.counted_since() if is_counting else None, items)

    return storage.read(work)


def make_client_key(client: JSONObject) -> str:
    """Return the text that clients are sorted by, in which no two are the same."""
    return "\0".join(str(client[part] or "") for part in ("name", "version", "instance", "user_agent"))


def _keep_unused(
    reader: Reader, uses: dict[str, SettingUse], since: datetime | None, until: datetime
) -> Iterator[SettingRecord]:
    # One write can have made thousands of settings.
    find_change = cache(reader.last_change)

    def is_unused(setting: SettingRecord) -> bool:
        if use := uses.get(setting.name):
            return use.used_at < until
        # A setting that was added since had less time to be asked for.
        last = find_change(setting.revision)
        return last is None or last.at < until

    if since is None or since > until:
        return iter(())
    return filter(is_unused, reader.settings())


def _describe_setting(name: str, use: SettingUse | None) -> JSONObject:
    return {
        "name": name,
        "last_used_at": None if use is None else use.used_at.isoformat(),
        "last_client": None if use is None else use.client,
    }


def _describe_client(client: ClientRecord) -> JSONObject:
    return {
        "name": client.name,
        "version": client.version,
        "instance": client.instance,
        "user_agent": client.user_agent,
        "last_seen_at": client.seen_at.isoformat(),
        "revision": client.revision or None,
    }
