"""A storage that counts what is read of it."""

from collections import Counter
from collections.abc import Callable
from typing import Any, TypeVar, cast

from heksher.server.storage.base import Reader, Storage
from tests.support.restorable_storage import RestorableStorage

T = TypeVar("T")


class CountingStorage(RestorableStorage):
    """A storage that counts by which methods of readers it is read, outside of units of writing work.

    Args:
        content: what is read and written; open.
    """

    def __init__(self, content: Storage) -> None:
        super().__init__(content)
        self._counts: Counter[str] = Counter()

    def count(self, method: str) -> int:
        """Return how often a method was called."""
        return self._counts[method]

    def read(self, work: Callable[[Reader], T]) -> T:
        return super().read(lambda reader: work(cast("Reader", _CountingReader(reader, self._counts))))


class _CountingReader:
    def __init__(self, reader: Reader, counts: Counter[str]) -> None:
        self._reader = reader
        self._counts = counts

    def __getattr__(self, method: str) -> Any:
        self._counts[method] += 1
        return getattr(self._reader, method)
