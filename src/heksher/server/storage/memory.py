"""A storage in memory: for tests and demonstrations, and as the reference that other storages are compared with.

A published state is never changed, so a reader keeps the state that was current when it started. A writer works on a
copy, which replaces the state if the unit of work may be stored. JSON is copied on the way in and out, so no caller can
change what is stored. ``close`` and ``open`` keep the data; it is lost when the process ends.
"""

import threading
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TypeVar

from heksher.server.storage.base import NOBODY, Expectation, LogEntry, Notes, Origin, Reader, Storage, Writer, Written
from heksher.server.storage.memory_notes import MemoryNotes
from heksher.server.storage.memory_reader import MemoryReader
from heksher.server.storage.memory_state import MemoryState
from heksher.server.storage.memory_writer import MemoryWriter
from heksher.server.storage.records import MAX_HANDED_CHANGES
from heksher.server.storage.stamp import make_stamp
from heksher.server.storage.storage_errors import StorageUnavailableError
from heksher.server.storage.unit import UnitOfWork, require_expected

T = TypeVar("T")


class MemoryStorage(Storage):
    """A storage in memory.

    Args:
        now: returns the time for log entries, in any time zone.
        stamp: returns the stamps for log entries.
    """

    def __init__(
        self, now: Callable[[], datetime] = lambda: datetime.now(UTC), stamp: Callable[[], str] = make_stamp
    ) -> None:
        self._now = now
        self._stamp = stamp
        # Serializes writers. Readers need no lock: they take one reference.
        self._write_lock = threading.Lock()
        self._state = MemoryState()
        self._is_open = False

    def open(self) -> None:
        self._is_open = True

    def close(self) -> None:
        self._is_open = False

    def check(self) -> None:
        if not self._is_open:
            raise StorageUnavailableError("the storage in memory is not open: call open() first")

    def read(self, work: Callable[[Reader], T]) -> T:
        self.check()
        return work(MemoryReader(self._state))

    def write(
        self, work: Callable[[Writer], T], origin: Origin = NOBODY, expected: Expectation | None = None
    ) -> Written[T]:
        with self._write_lock:
            self.check()
            unit = UnitOfWork(self.ceilings)
            draft = self._state.copy()
            empty_entry = LogEntry(
                draft.newest_revision + 1, self._now().astimezone(UTC), origin, self._stamp(), size=0, changes=()
            )
            writer = MemoryWriter(draft, unit, empty_entry)
            require_expected(writer, expected)
            result = work(writer)
            if not unit.is_to_store():
                return Written(result, *MemoryReader(self._state).revision_id())
            self._state = draft
            entry = draft.log[-1].show(MAX_HANDED_CHANGES)
            previous = draft.log[-2].entry.stamp if len(draft.log) > 1 else None
            handed = entry if entry.is_whole else None
            return Written(result, *entry.revision_id, handed, previous, is_change=True)

    def note(self, work: Callable[[Notes], T]) -> T:
        with self._write_lock:
            self.check()
            draft = self._state.copy()
            result = work(MemoryNotes(draft))
            self._state = draft
            return result

    def prune(self, before: datetime) -> int:
        with self._write_lock:
            self.check()
            draft = self._state.copy()
            removed = draft.prune(before)
            self._state = draft
            return removed
