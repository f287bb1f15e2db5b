"""The answers to recent queries, by the key that identifies each query.

A cache belongs to one picture. The cache of the next picture takes over the answers that have not changed. So no client
gets an answer of another revision, and no answer that is still valid is computed again.
"""

import sys
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Final

from heksher.server.catalog.answer import Answer
from heksher.server.catalog.effect import Effect, shows_any
from heksher.server.catalog.query import CatalogQuery

# The memory of a slot besides the texts of its key and query, and its answer: a few objects.
_SLOT_BYTES: Final = 600
# A query that takes more is not kept. One that names 10,000 settings, as long as names can be, takes less; what is
# larger has a list of values that was made up, and is not sent twice.
_MAX_QUERY_BYTES: Final = 4 * 1024 * 1024


class Slot:
    """A query and its answer.

    Args:
        query: the query.
        answer: its answer.
        asked_bytes: the memory of the key and the query.

    Attributes:
        cost_bytes: the memory of all of it when the slot was made; its answer may have grown since.
        is_used: whether the slot was used since it was last considered for eviction.
    """

    __slots__ = ("answer", "asked_bytes", "cost_bytes", "is_used", "query")

    def __init__(self, query: CatalogQuery, answer: Answer, asked_bytes: int) -> None:
        self.query: CatalogQuery = query
        self.answer: Answer = answer
        self.asked_bytes: int = asked_bytes
        self.cost_bytes: int = asked_bytes + answer.cost_bytes
        self.is_used: bool = False

    def measure_anew(self) -> "Slot":
        """Return this slot, or one with its present cost if its answer has grown."""
        if self.cost_bytes == self.asked_bytes + self.answer.cost_bytes:
            return self
        slot = Slot(self.query, self.answer, self.asked_bytes)
        slot.is_used = self.is_used
        return slot


class AnswerCache:
    """Slots by key. When the cache is full, slots that are not used are evicted. Thread-safe.

    What it holds is counted: keys, parsed queries, and the answers in all forms that exist.

    Args:
        max_bytes: bound for the memory of all slots.
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

    def put(self, key: bytes, query: CatalogQuery, answer: Answer) -> None:
        """Store a query and its answer, unless one of them is too large: it would push all others out."""
        query_bytes = query.measure_bytes()
        if query_bytes <= _MAX_QUERY_BYTES:
            slot = Slot(query, answer, _SLOT_BYTES + sys.getsizeof(key) + query_bytes)
            with self._lock:
                self._store(key, slot)

    def measure_anew(self, key: bytes) -> None:
        """Count what the answer of a key has grown by; do nothing if it is not kept."""
        with self._lock:
            slot = self._slots.get(key)
            if slot is not None:
                self._store(key, slot.measure_anew())

    def carry_over(self, effects: Sequence[Effect]) -> "AnswerCache":
        """Return the cache of the next picture, without the answers that the effects show in."""
        carried = AnswerCache(self.max_bytes)
        with self._lock:
            slots = list(self._slots.items())
        for key, slot in slots:
            if not shows_any(effects, slot.query):
                carried._store(key, slot.measure_anew())
        return carried

    def _store(self, key: bytes, slot: Slot) -> None:
        replaced = self._slots.pop(key, None)
        self.size_bytes -= 0 if replaced is None else replaced.cost_bytes
        if slot.cost_bytes <= self.max_bytes // 2:
            self._slots[key] = slot
            self.size_bytes += slot.cost_bytes
            self._make_room()

    def _make_room(self) -> None:
        # Evict the oldest slot, unless it was used: then it becomes the newest (second chance).
        while self.size_bytes > self.max_bytes and self._slots:
            key, slot = self._slots.popitem(last=False)
            if slot.is_used:
                slot.is_used = False
                self._slots[key] = slot
            else:
                self.size_bytes -= slot.cost_bytes
