"""A storage inside a unit of writing work: what is written to it becomes a part of that unit.

So operations that each run a unit of their own are made together, in one transaction with one entry of the change log.
"""

from collections.abc import Callable
from typing import TypeVar

from heksher.server.storage.base import NOBODY, Expectation, Notes, Origin, Reader, Storage, Writer, Written
from heksher.server.storage.unit import require_expected

T = TypeVar("T")


class JoinedStorage(Storage):
    """The storage as a unit of writing work sees and changes it, until the unit returns.

    What is written is stored when the unit is, and its origin is the unit's. An error of a write has to end the unit:
    nothing takes back what was done before it.

    Args:
        writer: of the unit.
    """

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        # What held when it was expected. Since then nobody but this unit has changed anything.
        self._held: set[Expectation] = set()

    def open(self) -> None:
        """Do nothing: the unit's storage is open."""

    def close(self) -> None:
        """Do nothing: the unit's storage stays open."""

    def check(self) -> None:
        """Do nothing: the unit is running."""

    def read(self, work: Callable[[Reader], T]) -> T:
        return work(self._writer)

    def write(
        self, work: Callable[[Writer], T], origin: Origin = NOBODY, expected: Expectation | None = None
    ) -> Written[T]:
        del origin
        if expected is not None and expected not in self._held:
            require_expected(self._writer, expected)
            self._held.add(expected)
        before = self._writer.count_changes()
        result = work(self._writer)
        return Written(result, *self._writer.revision_id(), is_change=self._writer.count_changes() > before)

    def note(self, work: Callable[[Notes], T]) -> T:
        return work(self._writer)
