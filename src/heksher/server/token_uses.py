"""When tokens were last used: noted in memory, stored from time to time, so that a request never waits for it."""

import threading
from datetime import UTC, datetime
from typing import Final, NamedTuple

from heksher.server.storage.base import Storage
from heksher.server.storage.storage_errors import StorageError

_HOUR_S: Final = 3600


class _Use(NamedTuple):
    """The use of a token, by its name, in an hour since 1970."""

    name: str
    hour: int


class TokenUses:
    """The last use of each token, to the hour. Thread-safe.

    Args:
        storage: keeps it.
    """

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        # Guards what follows.
        self._lock = threading.Lock()
        # By digests, as a name can be given again: what is not stored yet, and what is stored of the newest hour.
        self._noted: dict[str, _Use] = {}
        self._stored: dict[str, _Use] = {}

    def note(self, name: str, digest: str, now_s: float) -> float:
        """Note the use of a token, at a time by ``time.time``; return until when further uses need not be noted."""
        use = _Use(name, int(now_s) // _HOUR_S)
        with self._lock:
            if self._stored.get(digest) != use:
                self._noted[digest] = use
        return float((use.hour + 1) * _HOUR_S)

    def store(self) -> None:
        """Store what was noted; while the database cannot be written to, it stays noted."""
        with self._lock:
            noted, self._noted = self._noted, {}
        if not noted:
            return
        try:
            self._storage.note_token_uses(
                {use.name: datetime.fromtimestamp(use.hour * _HOUR_S, UTC) for use in noted.values()}
            )
        except StorageError:
            with self._lock:
                self._noted = {**noted, **self._noted}
            return
        newest = max(use.hour for use in noted.values())
        with self._lock:
            stored = {**self._stored, **noted}
            self._stored = {digest: use for digest, use in stored.items() if use.hour == newest}
