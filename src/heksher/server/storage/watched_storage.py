"""A storage that notes what was changed through it."""

from collections.abc import Callable
from typing import TypeVar

from heksher.revision_id import RevisionId
from heksher.server.storage.base import (
    NOBODY,
    Expectation,
    LoggedChange,
    Origin,
    Reader,
    Storage,
    Writer,
    Written,
)
from heksher.server.storage.passing_storage import PassingStorage
from heksher.server.storage.records import MAX_HANDED_CHANGES

T = TypeVar("T")


class WatchedStorage(PassingStorage):
    """A storage that notes what its writes change. Belongs to one thread.

    Args:
        inner: the storage proper, which is open, and stays so.

    Attributes:
        changes: what was changed: of each write the first ``MAX_HANDED_CHANGES`` changes.
    """

    def __init__(self, inner: Storage) -> None:
        super().__init__(inner)
        self.changes: list[LoggedChange] = []

    def recall(self, work: Callable[[Reader], T], at_least: RevisionId | None = None) -> Written[T] | None:
        return self._inner.recall(work, at_least)

    def write_unless_known(
        self,
        know: Callable[[Reader], T | None],
        work: Callable[[Writer], T],
        origin: Origin = NOBODY,
        at_least: RevisionId | None = None,
    ) -> Written[T]:
        return self._watch(self._inner.write_unless_known(know, work, origin, at_least))

    def write(
        self, work: Callable[[Writer], T], origin: Origin = NOBODY, expected: Expectation | None = None
    ) -> Written[T]:
        return self._watch(self._inner.write(work, origin, expected))

    def _watch(self, written: Written[T]) -> Written[T]:
        if written.entry is not None:
            self.changes.extend(written.entry.changes)
        elif written.is_change:
            self.changes.extend(self.read(lambda reader: reader.changes(written.revision, 0, MAX_HANDED_CHANGES)))
        return written
