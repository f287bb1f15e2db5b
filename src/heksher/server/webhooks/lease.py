"""That one process does something at a time, of all that work on one database.

The process that does it says so every few seconds in a row of the database, by counting. Another one takes over if the
row has stayed the same for longer than that, by its own clock: nobody compares the clocks of two machines, which may
differ. A process that ends says that nobody does it, so that another one need not wait.
"""

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from heksher.server.storage.base import Notes, Storage
from heksher.server.storage.webhook_records import LeaseRecord

# How long the row stays the same before others take over, and after how long its holder changes it, in seconds. What
# the holder does after it was told that it may must not take longer than the difference.
LEASE_S: Final = 20.0
RENEWAL_S: Final = 5.0


class Lease:
    """A process's claim to do something that only one may do at a time. Belongs to one thread at a time.

    Args:
        storage: has the row.
        task: what it is.
        holder: the process, by a name that no other one has.
        now_s: returns the time; monotonic.

    Attributes:
        held_since_s: when this process last became the one that does it.
    """

    def __init__(self, storage: Storage, task: str, holder: str, now_s: Callable[[], float] = time.monotonic) -> None:
        self._storage = storage
        self._task = task
        self._holder = holder
        self._now_s = now_s
        self.held_since_s: float = now_s()
        # When this process has last begun to say that it does it; None if it does not.
        self._said_s: float | None = None
        # What another process has said last, and since when this one has known that.
        self._seen: tuple[LeaseRecord, float] | None = None

    @property
    def is_held(self) -> bool:
        """Whether this process was the one when it last asked."""
        return self._said_s is not None

    def take(self) -> bool:
        """Return whether this process is the one that may do it, if possible by becoming that.

        Raises:
            StorageUnavailableError: the storage cannot be reached.
        """
        if self.keep():
            return True
        present = self._storage.read(lambda reader: reader.find_lease(self._task))
        if present.holder not in {"", self._holder} and not self._has_expired(present):
            return False
        return self._say(lambda stored: stored == present)

    def keep(self) -> bool:
        """Return whether this process has been the one since it became that, and may go on.

        Raises:
            StorageUnavailableError: the storage cannot be reached.
        """
        if self._said_s is None:
            return False
        return self._is_recent() or self._say(lambda stored: stored.holder == self._holder)

    def release(self) -> None:
        """Let another process do it.

        Raises:
            StorageUnavailableError: the storage cannot be reached.
        """
        if self._said_s is None:
            return
        self._said_s = None
        self._storage.note(self._give_up)

    def _say(self, may_say: Callable[[LeaseRecord], bool]) -> bool:
        """Say that this process does it, if what is stored allows that; return whether it may."""
        began_s, was_held = self._now_s(), self.is_held

        def work(notes: Notes) -> bool:
            stored = notes.find_lease(self._task)
            if is_possible := may_say(stored):
                notes.put_lease(replace(stored, holder=self._holder, turn=stored.turn + 1))
            return is_possible

        self._said_s = began_s if self._storage.note(work) else None
        if not was_held:
            self.held_since_s = self._now_s()
        # What takes long has not said for how long it holds.
        return self._is_recent()

    def _is_recent(self) -> bool:
        return self._said_s is not None and self._now_s() - self._said_s < RENEWAL_S

    def _has_expired(self, present: LeaseRecord) -> bool:
        if self._seen is None or self._seen[0] != present:
            self._seen = present, self._now_s()
        return self._now_s() - self._seen[1] >= LEASE_S

    def _give_up(self, notes: Notes) -> None:
        stored = notes.find_lease(self._task)
        if stored.holder == self._holder:
            notes.put_lease(replace(stored, holder="", turn=stored.turn + 1))
