"""A storage in front of another one, as long as that is open."""

from collections.abc import Callable
from typing import TypeVar

from heksher.server.storage.base import Notes, Reader, Storage
from heksher.server.storage.ceilings import Ceilings

T = TypeVar("T")


class PassingStorage(Storage):
    """A storage that passes everything on but writes, which are up to the class that extends it.

    Args:
        inner: the storage proper, which is open, and stays so.
    """

    def __init__(self, inner: Storage) -> None:
        self._inner = inner
        self.ceilings: Ceilings | None = inner.ceilings

    def open(self) -> None:
        """Do nothing: the storage is open."""

    def close(self) -> None:
        """Do nothing: the storage stays open."""

    def check(self) -> None:
        self._inner.check()

    def read(self, work: Callable[[Reader], T]) -> T:
        return self._inner.read(work)

    def note(self, work: Callable[[Notes], T]) -> T:
        return self._inner.note(work)
