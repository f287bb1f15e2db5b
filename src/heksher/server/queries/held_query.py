"""The queries of open streams. A stream holds its query as long as it is open, and a query can take megabytes.

So streams of equal queries share one, and those that take much memory are bounded together.
"""

from dataclasses import dataclass
from typing import Final

from heksher.server.catalog.query import CatalogQuery

# What a query takes that counts as large. One that names a hundred settings takes a quarter of this.
_MIN_LARGE_BYTES: Final = 64 * 1024
_MAX_LARGE_BYTES: Final = 32 * 1024 * 1024


@dataclass(slots=True)
class _Holding:
    """A query, what it counts for, and how many streams hold it."""

    query: CatalogQuery
    size_bytes: int
    count: int = 0


class HeldQueries:
    """The queries that are held, by the key that identifies each. Belongs to one event loop.

    Attributes:
        size_bytes: the memory that the large ones take.
    """

    def __init__(self) -> None:
        self._holdings: dict[bytes, _Holding] = {}
        self.size_bytes: int = 0

    def has_room(self, key: bytes, query: CatalogQuery) -> bool:
        """Return whether another stream can hold a query: any can that is held already, or is not large."""
        return key in self._holdings or self.size_bytes + _measure(query) <= _MAX_LARGE_BYTES

    def take(self, key: bytes, query: CatalogQuery) -> CatalogQuery:
        """Hold a query until it is released as often as it was taken; return the one that all streams share."""
        holding = self._holdings.get(key)
        if holding is None:
            holding = self._holdings[key] = _Holding(query, _measure(query))
            self.size_bytes += holding.size_bytes
        holding.count += 1
        return holding.query

    def release(self, key: bytes) -> None:
        """Hold a query once less."""
        holding = self._holdings[key]
        holding.count -= 1
        if not holding.count:
            del self._holdings[key]
            self.size_bytes -= holding.size_bytes


def _measure(query: CatalogQuery) -> int:
    size_bytes = query.measure_bytes()
    return size_bytes if size_bytes > _MIN_LARGE_BYTES else 0
