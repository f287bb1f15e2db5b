"""The answers to recent queries, by the key that identifies each query.

A cache belongs to one picture. The cache of the next picture takes over the answers that have not changed. So no client
gets an answer of another revision, and no answer that is still valid is computed again.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Final

from heksher.server.catalog.answer import Answer
from heksher.server.catalog.effect import Effect, shows_any
from heksher.server.catalog.query import CatalogQuery

# Approximate memory use of a query besides its texts and its answer: a few objects.
_SLOT_BYTES: Final = 1024


class Slot:
    """A query and its answer, which is ``None`` until it is computed."""

    __slots__ = ("answer", "cost_bytes", "is_used", "query")

    def __init__(self, query: CatalogQuery, answer: Answer | None, cost_bytes: int) -> None:
        self.query: CatalogQuery = query
        self.answer: Answer | None = answer
        self.cost_bytes: int = cost_bytes
        # Whether the slot was used since it was last considered for eviction.
        self.is_used: bool = False


class AnswerCache:
    """Slots by key. When the cache is full, slots that are not used are evicted. Thread-safe.

    Args:
        max_bytes: approximate bound for the memory of all slots.
    """

    def __init__(self, max_bytes: int) -> None:
        self.max_bytes: int = max_bytes
        self.size_bytes: int = 0
        # Guards changes of both; looking a key up needs no lock.
        self._lock = threading.Lock()
        self._slots: OrderedDict[bytes, Slot] = OrderedDict()
        self.get: Callable[[bytes], Slot | None] = self._slots.get

    def __len__(self) -> int:
        return len(self._slots)

    def put(self, key: bytes, query: CatalogQuery, answer: Answer | None) -> None:
        """Store a query, with its answer unless that alone is too large."""
        key_bytes = _SLOT_BYTES + 3 * len(key)
        cost_bytes = key_bytes + (0 if answer is None else answer.cost_bytes)
        slot = Slot(query, answer, cost_bytes) if cost_bytes <= self.max_bytes // 2 else Slot(query, None, key_bytes)
        with self._lock:
            replaced = self._slots.pop(key, None)
            self._slots[key] = slot
            self.size_bytes += slot.cost_bytes - (0 if replaced is None else replaced.cost_bytes)
            self._make_room()

    def carry_over(self, effects: Sequence[Effect]) -> "AnswerCache":
        """Return the cache of the next picture, without the answers that the effects show in."""
        carried = AnswerCache(self.max_bytes)
        with self._lock:
            slots = list(self._slots.items())
        for key, slot in slots:
            if slot.answer is not None and shows_any(effects, slot.query):
                carried.put(key, slot.query, None)
            else:
                carried._slots[key] = slot
                carried.size_bytes += slot.cost_bytes
        return carried

    def _make_room(self) -> None:
        # Evict the oldest slot, unless it was used: then it becomes the newest (second chance).
        while self.size_bytes > self.max_bytes and self._slots:
            key, slot = self._slots.popitem(last=False)
            if slot.is_used:
                slot.is_used = False
                self._slots[key] = slot
            else:
                self.size_bytes -= slot.cost_bytes
