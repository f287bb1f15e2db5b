"""Every storage, for suites that hold for all of them.

A place is where data lies. Storages that are connected to one place share it, as the processes of a service do, or one
process before and after a restart.
"""

import sqlite3
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, TypeVar

from heksher.revision_id import RevisionId
from heksher.server.operations.logged_change import change_features
from heksher.server.storage.access_records import PersonRecord, TokenRecord
from heksher.server.storage.base import Expectation, LoggedChange, Reader, SettingRecord, Storage, Writer, Written
from heksher.server.storage.memory import MemoryStorage
from heksher.server.storage.sql import SqlStorage
from heksher.server.storage.webhook_records import WebhookRecord
from heksher.value_type import JSON
from tests.support.postgres import make_postgres_schema, run_sql

T = TypeVar("T")
Clock = Callable[[], datetime]

STORAGE_KINDS: Final = ("memory", "sqlite", "postgres")
# For tests that are not about the log.
SOME_CHANGE: Final = LoggedChange("change", "setting", "some", None, None)


def read_clock() -> datetime:
    """Return the time in UTC."""
    return datetime.now(UTC)


class Place(ABC):
    """Where data lies; empty at first."""

    @abstractmethod
    def connect(self, now: Clock = read_clock) -> Storage:
        """Make a storage on this place; it is not open yet."""


class MemoryPlace(Place):
    """The memory of one storage, which is therefore the only one that can be connected."""

    def __init__(self) -> None:
        self._storage: MemoryStorage | None = None

    def connect(self, now: Clock = read_clock) -> Storage:
        self._storage = self._storage or MemoryStorage(now)
        return self._storage


class SqlPlace(Place):
    """A database.

    Attributes:
        url: how ``SqlStorage`` names it.
        kind: of ``STORAGE_KINDS``.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.kind = "postgres" if url.startswith("postgresql:") else "sqlite"

    def connect(self, now: Clock = read_clock) -> Storage:
        return SqlStorage(self.url, now)

    @property
    def file(self) -> Path:
        """Where an SQLite database is."""
        return Path(self.url.removeprefix("sqlite:///"))

    def run_sql(self, statement: str) -> None:
        """Run one statement by itself, as another program would."""
        if self.kind == "postgres":
            run_sql(self.url, statement)
        else:
            file = sqlite3.connect(self.file, isolation_level=None)
            try:
                file.execute(statement)
            finally:
                file.close()


@contextmanager
def make_place(kind: str, directory: Path) -> Iterator[Place]:
    """Make an empty place of one of ``STORAGE_KINDS``; files go into ``directory``."""
    if kind == "memory":
        yield MemoryPlace()
    elif kind == "sqlite":
        directory.mkdir(exist_ok=True)
        yield SqlPlace(f"sqlite:///{directory / 'heksher.db'}")
    else:
        with make_postgres_schema() as url:
            yield SqlPlace(url)


@contextmanager
def opened(url: str) -> Iterator[Storage]:
    """Open a storage."""
    storage = SqlStorage(url)
    storage.open()
    try:
        yield storage
    finally:
        storage.close()


def store(storage: Storage, *steps: Callable[[Writer], T], change: LoggedChange = SOME_CHANGE) -> Written[list[T]]:
    """Run some steps as one unit of writing work, and return their results."""

    def work(writer: Writer) -> list[T]:
        results = [step(writer) for step in steps]
        writer.record(change)
        return results

    return storage.write(work)


def write_something(storage: Storage) -> int:
    """Make a write that is not about what it writes, of which a catalog can make sense; return its revision."""

    def add_feature(writer: Writer) -> None:
        before = writer.context_features()
        after = (*before, f"something_{writer.revision()}")
        writer.set_context_features(after)
        writer.record(change_features("add", before, after))

    return storage.write(add_feature).revision


def read_revision(storage: Storage) -> int:
    """Return the newest revision."""
    return storage.read(lambda reader: reader.revision())


def expect(storage: Storage, kind: str, key: str, *revisions: int) -> Expectation:
    """Expect that the last change of an object is one of those with these revisions, which may be any numbers."""
    stamps = {entry.revision: entry.stamp for entry in storage.read(lambda reader: reader.log())}
    return Expectation(kind, key, frozenset(RevisionId(number, stamps.get(number, "")) for number in revisions))


def see_everything(storage: Storage) -> tuple[object, ...]:
    """Return everything that a storage holds, as one reader sees it."""
    return storage.read(
        lambda reader: (
            reader.revision(),
            reader.context_features(),
            reader.settings(),
            reader.rules(),
            reader.features_revision(),
            reader.log(limit=1_000_000, max_changes=1_000_000),
        )
    )


def see_last_changes(storage: Storage) -> tuple[object, ...]:
    """Return what a storage says of the last change of each object."""

    def work(reader: Reader) -> tuple[object, ...]:
        access = reader.access()
        records = (*reader.settings(), *reader.rules(), *access.tokens, *access.persons, *reader.webhooks())
        revisions = [reader.features_revision(), *(record.revision for record in records)]
        return tuple(reader.last_change(revision) for revision in revisions)

    return storage.read(work)


def see_access(storage: Storage) -> tuple[object, ...]:
    """Return everything that a storage holds for access, with what does not count for equality."""

    def work(reader: Reader) -> tuple[object, ...]:
        access = reader.access()
        uncounted = [token.last_used_at for token in access.tokens]
        return access, uncounted, [record.revision for record in (*access.tokens, *access.persons)]

    return storage.read(work)


def see_webhooks(storage: Storage) -> tuple[object, ...]:
    """Return everything that a storage holds of webhooks, with what does not count for equality."""

    def work(reader: Reader) -> tuple[object, ...]:
        webhooks = reader.webhooks()
        return webhooks, [webhook.revision for webhook in webhooks], reader.deliveries()

    return storage.read(work)


def see_usage(storage: Storage) -> tuple[object, ...]:
    """Return everything that a storage holds of use."""
    return storage.read(lambda reader: (reader.counted_since(), reader.setting_uses(), reader.clients()))


def a_token(name: str = "ci", *, expires_at: datetime | None = None) -> TokenRecord:
    """Make a token that was never used; what is not given does not matter."""
    return TokenRecord(name, f"digest of {name}", ("admin",), "ada", datetime(2026, 11, 1, tzinfo=UTC), expires_at)


def a_person(name: str = "ada") -> PersonRecord:
    """Make a person with a password; what is not given does not matter."""
    return PersonRecord(name, ("admin",), f"hash for {name}")


def a_webhook(name: str = "alerts") -> WebhookRecord:
    """Make a webhook that is on, and told of everything; what is not given does not matter."""
    at = datetime(2026, 11, 1, tzinfo=UTC)
    return WebhookRecord(name, f"https://{name}.example/in", "whsec_c2VjcmV0", (), "standard", "ada", at)


def a_setting(
    name: str = "cache_ttl",
    features: Collection[str] = ("user",),
    *,
    default_value: JSON = 60,
    aliases: Collection[str] = (),
) -> SettingRecord:
    """Make a setting; what is not given does not matter."""
    return SettingRecord(
        name=name,
        type="int",
        default_value=default_value,
        configurable_features=frozenset(features),
        version="1.0",
        metadata={},
        aliases=frozenset(aliases),
    )
