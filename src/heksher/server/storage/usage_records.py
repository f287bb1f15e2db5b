"""The records of use: when settings were last asked for, and which clients ask.

They are no changes: they are in no log and in no backup, and make no revision.
"""

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final

from heksher.server.limits import KEEP_CLIENTS_DAYS, MAX_CLIENTS
from heksher.server.storage.access_records import floor_hour
from heksher.server.storage.json_text import encode_json

KEEP_CLIENTS: Final = timedelta(days=KEEP_CLIENTS_DAYS)
# A time further ahead than this was noted by a clock that was wrong. Those of replicas differ by much less.
MAX_AHEAD: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class SettingUse:
    """The last use of a setting.

    Attributes:
        used_at: when it was asked for, in UTC; stored to the hour.
        client: one of those that asked for it in that hour, in words.
    """

    used_at: datetime
    client: str

    def floor(self) -> "SettingUse":
        """Return the use as it is stored."""
        return replace(self, used_at=floor_hour(self.used_at))


@dataclass(frozen=True, slots=True)
class ClientRecord:
    """A client: a process of a program that asks for settings, as far as it says which it is.

    Attributes:
        name: of the program; empty if it says nothing.
        version: of the program; ``None`` if it says nothing.
        instance: which of the program's processes it is; ``None`` if it says nothing.
        user_agent: what it calls itself, as it was sent.
        seen_at: when it last asked, in UTC; stored to the second.
        revision: of the last answer that it got; 0 if none is known, which leaves what is stored as it is.
    """

    name: str
    version: str | None
    instance: str | None
    user_agent: str
    seen_at: datetime
    revision: int

    @property
    def identity(self) -> tuple[str | None, ...]:
        """What this client is told from others by."""
        return (self.name, self.version, self.instance, self.user_agent)

    @property
    def digest(self) -> str:
        """The identity as 64 characters, whatever its length."""
        return hashlib.sha256(encode_json(self.identity).encode()).hexdigest()

    def floor(self) -> "ClientRecord":
        """Return the record as it is stored."""
        return replace(self, seen_at=self.seen_at.astimezone(UTC).replace(microsecond=0))


def is_newer(at: datetime, known_at: datetime) -> bool:
    """Return whether a time takes the place of one that is stored."""
    return at > known_at or known_at > at + MAX_AHEAD


def join_uses(uses: Mapping[str, SettingUse], names: Mapping[str, int]) -> dict[int, SettingUse]:
    """Return the last use of each setting by its number, of uses under all of its names.

    Args:
        uses: by any names.
        names: the numbers of the settings that have these names; others are ignored.
    """
    joined: dict[int, SettingUse] = {}
    for name in sorted(uses.keys() & names.keys()):
        use, number = uses[name].floor(), names[name]
        if number not in joined or joined[number].used_at < use.used_at:
            joined[number] = use
    return joined


def find_last(clients: Collection[ClientRecord]) -> dict[str, ClientRecord]:
    """Return clients by digest as they are stored: of one that stands several times, what was seen last."""
    last: dict[str, ClientRecord] = {}
    for client in sorted(clients, key=lambda client: client.seen_at):
        digest = client.digest
        revision = client.revision or (last[digest].revision if digest in last else 0)
        last[digest] = replace(client.floor(), revision=revision)
    return last


def list_excess(clients: Collection[tuple[datetime, str]], now: datetime) -> list[str]:
    """Return the digests of the clients that are not kept: they were not seen for long, or others are newer.

    One that was seen by a clock that was wrong is not kept either: it would be newer than all others for as long.

    Args:
        clients: when each was seen, and its digest.
        now: the time.
    """
    newest_first = sorted(clients, key=lambda client: (-client[0].timestamp(), client[1]))
    return [
        digest
        for number, (seen_at, digest) in enumerate(newest_first)
        if number >= MAX_CLIENTS or not now - KEEP_CLIENTS <= seen_at <= now + MAX_AHEAD
    ]
