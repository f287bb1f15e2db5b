"""When tokens were last used: noted in memory, stored from time to time, so that a request never waits for it."""

from datetime import UTC, datetime
from typing import Final

from heksher.server.storage.base import Storage
from heksher.server.storage.storage_errors import StorageError

_HOUR_S: Final = 3600


class TokenUses:
    """The last use of each token, to the hour. Thread-safe.

    Args:
        storage: keeps it.
    """

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        # By the name of the token, in hours since 1970: what is not stored yet, and what was stored last.
        self._noted: dict[str, int] = {}
        self._stored: dict[str, int] = {}

    def note(self, name: str, now_s: float) -> float:
        """Note the use of a token, at a time by ``time.time``; return until when further uses need not be noted."""
        hour = int(now_s) // _HOUR_S
        if self._stored.get(name) != hour:
            self._noted[name] = hour
        return float((hour + 1) * _HOUR_S)

    def store(self) -> None:
        """Store what was noted; while the database cannot be written to, it stays noted."""
        noted, self._noted = self._noted, {}
        if not noted:
            return
        try:
            self._storage.note_token_uses(
                {name: datetime.fromtimestamp(hour * _HOUR_S, UTC) for name, hour in noted.items()}
            )
        except StorageError:
            self._noted = {**noted, **self._noted}
        else:
            self._stored = {**self._stored, **noted}
