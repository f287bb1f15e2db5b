"""Storages for tests that need one each: made once, and emptied afterwards, as to make one takes longer.

Whoever runs a test says of which kind they are (``leasing``); what a test has leased is given back at its end. What
many tests begin with is stored step by step once, and then as a whole (``fill``).
"""

import atexit
import tempfile
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path

from heksher.server.access.token import digest_token
from heksher.server.storage.access_records import TokenRecord
from heksher.server.storage.base import Storage
from heksher.server.storage.memory import MemoryStorage
from heksher.server.storage.memory_state import MemoryState
from tests.support.lent_places import empty, lend_place, put_back, write_content
from tests.support.storages import SqlPlace

# The kind of a storage in memory whose services ask for a token: see ``is_guarded``.
GUARDED = "guarded"
TOKEN = "hks_existing"  # noqa: S105 - of no service


class _Lessor:
    """What there is to lease in this process."""

    def __init__(self) -> None:
        self.kind = "memory"
        # By kind: places that are empty, with their open storages; and those that are leased now.
        self._free: defaultdict[str, list[tuple[SqlPlace, Storage]]] = defaultdict(list)
        self._leased: list[tuple[SqlPlace, Storage]] = []
        # By kind and by what was done to them: what storages had then. For those in memory that is their state, which
        # nothing changes any more; for others, the statements that store it.
        self._filled: dict[tuple[str, Hashable], MemoryState | str] = {}

    def lease(self) -> Storage:
        if self.kind in {"memory", GUARDED}:
            storage: Storage = MemoryStorage()
            storage.open()
            if self.kind == GUARDED:
                know_token(storage)
            return storage
        free = self._free[self.kind]
        leased = free.pop() if free else self._make()
        self._leased.append(leased)
        return leased[1]

    def fill(self, storage: Storage, key: Hashable, store: Callable[[], object]) -> None:
        content = self._filled.get((self.kind, key))
        if content is None:
            store()
            self._filled[self.kind, key] = self._take_content(storage)
        elif isinstance(content, MemoryState):
            assert isinstance(storage, MemoryStorage)
            storage._state = content
        else:
            put_back(self._find_place(storage), content)

    def _take_content(self, storage: Storage) -> MemoryState | str:
        return storage._state if isinstance(storage, MemoryStorage) else write_content(self._find_place(storage))

    def _find_place(self, storage: Storage) -> SqlPlace:
        return next(place for place, leased in self._leased if leased is storage)

    def take_back(self) -> None:
        for place, storage in self._leased:
            empty(place)
            self._free[self.kind].append((place, storage))
        self._leased.clear()

    def _make(self) -> tuple[SqlPlace, Storage]:
        made = ExitStack()
        directory = Path(made.enter_context(tempfile.TemporaryDirectory(prefix="heksher-leased-")))
        place = made.enter_context(lend_place(self.kind, directory))
        assert isinstance(place, SqlPlace)
        # Registered after the lender of the place, so done before that ends.
        atexit.register(made.close)
        storage = place.connect()
        storage.open()
        made.callback(storage.close)
        return place, storage


_lessor = _Lessor()


@contextmanager
def leasing(kind: str) -> Iterator[None]:
    """Have storages leased that are of one of ``STORAGE_KINDS``, and take them all back in the end."""
    _lessor.kind = kind
    try:
        yield
    finally:
        _lessor.take_back()
        _lessor.kind = "memory"


def lease() -> Storage:
    """Return an open, empty storage, until the end of ``leasing``; in memory if nobody has said of which kind."""
    return _lessor.lease()


def fill(storage: Storage, key: Hashable, store: Callable[[], object]) -> None:
    """Have something in a leased storage: it is stored step by step once for each kind, and at once from then on.

    Args:
        storage: with the same content each time.
        key: stands for what is stored, and for the content before.
        store: stores it in this storage.
    """
    _lessor.fill(storage, key, store)


def is_guarded() -> bool:
    """Return whether services on leased storages are to ask for the token that these know from the beginning."""
    return _lessor.kind == GUARDED


def know_token(storage: MemoryStorage) -> None:
    """Have an empty storage know a token that may do everything, as if it always had: without an entry of the log."""
    record = TokenRecord("existing", digest_token(TOKEN), ("admin",), "tests", datetime(2026, 11, 1, tzinfo=UTC), None)
    storage._state.access.put_token(record, 0)
