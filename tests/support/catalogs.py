"""What tests of the catalog share: pictures and log entries that are made by hand, and a storage that can go away."""

import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import UTC, datetime
from typing import TypeVar

from heksher.server.catalog.picture import Picture, enter_rule, enter_setting, make_picture
from heksher.server.operations.logged_change import change_features
from heksher.server.storage.base import (
    NOBODY,
    Expectation,
    LogEntry,
    LoggedChange,
    Notes,
    Origin,
    Reader,
    RuleRecord,
    SettingRecord,
    Storage,
    Writer,
    Written,
)
from heksher.server.storage.listener import Listener
from heksher.server.storage.memory import MemoryStorage
from heksher.server.storage.storage_errors import StorageError, StorageUnavailableError
from heksher.value_type import JSON
from tests.support.storages import a_setting

T = TypeVar("T")

ORDER = ("environment", "user", "theme")


def a_rule(
    rule_id: int = 1,
    setting: str = "cache_ttl",
    conditions: Mapping[str, str] | None = None,
    value: JSON = 10,
    metadata: Mapping[str, JSON] | None = None,
) -> RuleRecord:
    """Make a rule; what is not given does not matter."""
    return RuleRecord(rule_id, setting, conditions or {"user": f"u{rule_id}"}, value, metadata or {})


def a_picture(
    *settings: SettingRecord, rules: Collection[RuleRecord] = (), order: Sequence[str] = ORDER, revision: int = 7
) -> Picture:
    """Make a picture of some settings with their rules."""
    entered = [
        enter_setting(
            setting, {rule.rule_id: enter_rule(rule, order) for rule in rules if rule.setting == setting.name}
        )
        for setting in settings
    ]
    return make_picture(revision, tuple(order), entered, stamp=make_stamp(revision))


def an_entry(revision: int, *changes: LoggedChange) -> LogEntry:
    """Make an entry of the change log."""
    at = datetime(2026, 11, 1, tzinfo=UTC)
    return LogEntry(revision, at, NOBODY, make_stamp(revision), len(changes), changes)


def make_stamp(revision: int) -> str:
    """Make the stamp that an entry and a picture of this revision have, if they are made by hand."""
    return f"{revision:012x}"


class FragileStorage(Storage):
    """A storage that can go away and come back.

    Args:
        inner: the storage proper; ``None`` for a new one in memory.
        poll_interval_s: what it says about how often it is to be looked at.

    Attributes:
        is_away: while this is set, whatever is asked of it fails.
        sickness: what each write fails with; ``None`` while writes work.
        is_told: whether the check for writes finds the sickness.
        reads: how many units of reading work were asked for.
        gate: no unit of reading work goes on while this is not set.
        is_waiting: set when a unit of reading work has come to the gate.
    """

    def __init__(self, inner: Storage | None = None, poll_interval_s: float = 3600) -> None:
        self.inner = inner or MemoryStorage()
        self.is_away = False
        self.sickness: StorageError | None = None
        self.is_told = True
        self.reads = 0
        self.gate = threading.Event()
        self.gate.set()
        self.is_waiting = threading.Event()
        self._poll_interval_s = poll_interval_s
        self._listener = Listener()

    @property
    def poll_interval_s(self) -> float:
        return self._poll_interval_s

    def open(self) -> None:
        self.inner.open()

    def close(self) -> None:
        self.inner.close()

    def listen(self) -> Listener:
        return self._listener

    def notify(self) -> None:
        """Tell whoever listens that somebody has written something."""
        self._listener.interrupt()

    def check(self) -> None:
        if self.is_away:
            raise StorageUnavailableError("the database is away")
        self.inner.check()

    def prune(self, before: datetime) -> int:
        return self.inner.prune(before)

    def note(self, work: Callable[[Notes], T]) -> T:
        self.check()
        return self.inner.note(work)

    def check_writes(self) -> None:
        self.check()
        if self.sickness is not None and self.is_told:
            raise self.sickness

    def read(self, work: Callable[[Reader], T]) -> T:
        self.reads += 1
        self.is_waiting.set()
        self.gate.wait()
        self.check()
        return self.inner.read(work)

    def write(
        self, work: Callable[[Writer], T], origin: Origin = NOBODY, expected: Expectation | None = None
    ) -> Written[T]:
        self.check()
        if self.sickness is not None:
            raise self.sickness
        return self.inner.write(work, origin, expected)


def open_fragile(inner: Storage | None = None, poll_interval_s: float = 3600) -> FragileStorage:
    """Make a storage that can go away, which is there and open, with three context features and one setting."""
    storage = FragileStorage(inner, poll_interval_s)
    storage.open()
    fill(storage)
    return storage


def fill(storage: Storage) -> None:
    """Give a storage three context features and one setting with two rules, in one revision."""

    def work(writer: Writer) -> None:
        writer.set_context_features(ORDER)
        writer.add_setting(a_setting(features=ORDER))
        writer.add_rule("cache_ttl", {"user": "u1"}, 10, {})
        writer.add_rule("cache_ttl", {"user": "u2", "environment": "dev"}, 20, {"by": "me"})
        writer.record(change_features("seed", [], ORDER))

    storage.write(work)
