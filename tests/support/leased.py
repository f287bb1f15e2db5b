"""Empty storages for tests that need one each: made once, and emptied afterwards, as to make one takes longer.

Whoever runs a test says of which kind they are (``leasing``); what a test has leased is given back at its end.
"""

import atexit
import sqlite3
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import psycopg

from heksher.server.access.token import digest_token
from heksher.server.storage.access_records import TokenRecord
from heksher.server.storage.base import Storage
from heksher.server.storage.memory import MemoryStorage
from tests.support.storages import SqlPlace, make_place

# The kind of a storage in memory whose services ask for a token: see ``is_guarded``.
GUARDED = "guarded"
TOKEN = "hks_existing"  # noqa: S105 - of no service

# Children before parents. What the schema's own tables hold stays.
_EMPTY = """
DELETE FROM setting_use; DELETE FROM client; DELETE FROM usage_state;
DELETE FROM rule; DELETE FROM setting_feature; DELETE FROM setting_name; DELETE FROM setting;
DELETE FROM context_feature; DELETE FROM log_part; DELETE FROM log_value; DELETE FROM log_entry;
DELETE FROM kept_change; DELETE FROM forgotten_object; DELETE FROM token; DELETE FROM person; DELETE FROM signing_key;
DELETE FROM webhook_delivery; DELETE FROM webhook; DELETE FROM lease;
UPDATE write_state SET last_rule_id = 0, last_setting_id = 0, features_revision = 0;
"""


class _Lessor:
    """What there is to lease in this process."""

    def __init__(self) -> None:
        self.kind = "memory"
        # By kind: places that are empty, with their open storages; and those that are leased now.
        self._free: defaultdict[str, list[tuple[SqlPlace, Storage]]] = defaultdict(list)
        self._leased: list[tuple[SqlPlace, Storage]] = []

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

    def take_back(self) -> None:
        for place, storage in self._leased:
            _empty(place)
            self._free[self.kind].append((place, storage))
        self._leased.clear()

    def _make(self) -> tuple[SqlPlace, Storage]:
        made = ExitStack()
        directory = Path(made.enter_context(tempfile.TemporaryDirectory(prefix="heksher-leased-")))
        place = made.enter_context(make_place(self.kind, directory))
        assert isinstance(place, SqlPlace)
        # Registered after the server of the place, so done before that ends.
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


def is_guarded() -> bool:
    """Return whether services on leased storages are to ask for the token that these know from the beginning."""
    return _lessor.kind == GUARDED


def know_token(storage: MemoryStorage) -> None:
    """Have an empty storage know a token that may do everything, as if it always had: without an entry of the log."""
    record = TokenRecord("existing", digest_token(TOKEN), ("admin",), "tests", datetime(2026, 11, 1, tzinfo=UTC), None)
    storage._state.access.put_token(record, 0)


def _empty(place: SqlPlace) -> None:
    if place.url.startswith("postgresql:"):
        with psycopg.connect(place.url, autocommit=True) as connection:
            connection.execute(_EMPTY.encode())
    else:
        with closing(sqlite3.connect(place.url.removeprefix("sqlite:///"))) as file:
            file.executescript(_EMPTY)
