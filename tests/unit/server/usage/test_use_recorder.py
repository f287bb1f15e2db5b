"""The thread that stores what was counted."""

import logging
from collections.abc import Callable, Collection, Mapping
from datetime import UTC, datetime, timedelta
from typing import TypeVar

import pytest

from heksher.server.metrics import Metrics
from heksher.server.storage.base import Notes
from heksher.server.storage.memory import MemoryStorage
from heksher.server.storage.storage_errors import StorageUnavailableError
from heksher.server.storage.usage_records import ClientRecord, SettingUse
from heksher.server.usage import use_recorder as module
from heksher.server.usage.use_counter import UseCounter
from heksher.server.usage.use_recorder import Followers, UseRecorder
from tests.support.storages import a_setting, see_usage, store

T = TypeVar("T")

NOON = datetime(2026, 11, 28, 12, tzinfo=UTC)
WEB, SHOP = (b"web/1 heksher/1.0.0", b"name=web; instance=a"), (b"shop/2", b"")


class NotingStorage(MemoryStorage):
    """A storage with the settings a to d that says what it is told, and can be away."""

    def __init__(self) -> None:
        super().__init__()
        self.error: Exception | None = None
        self.told: list[tuple[set[str], list[str]]] = []
        self.open()
        store(self, lambda writer: writer.set_context_features(["user"]))
        for name in "abcd":
            store(self, lambda writer, name=name: writer.add_setting(a_setting(name, aliases=[f"old_{name}"])))

    def note(self, work: Callable[[Notes], T]) -> T:
        if self.error is not None:
            raise self.error
        return super().note(lambda notes: work(Listening(notes, self.told)))


class Listening:
    """Passes on what is noted, and writes it down."""

    def __init__(self, notes: Notes, told: list[tuple[set[str], list[str]]]) -> None:
        self._notes = notes
        self._told = told
        self.forget_count = notes.forget_count

    def note_uses(self, uses: Mapping[str, SettingUse], clients: Collection[ClientRecord], now: datetime) -> None:
        self._told.append((set(uses), [client.name for client in clients]))
        self._notes.note_uses(uses, clients, now)


class Clock:
    """The time, as the recorder sees it."""

    def __init__(self) -> None:
        self.time = NOON
        # What the clock that nobody sets says.
        self.elapsed = timedelta()

    def now(self, zone: object) -> datetime:
        del zone
        return self.time

    def monotonic(self) -> float:
        return self.elapsed.total_seconds()


class Desk:
    """A recorder, with what stands around it."""

    def __init__(self, clock: Clock, *, is_counting: bool = True) -> None:
        self.clock = clock
        self.storage = NotingStorage()
        self.counter = UseCounter(is_counting=is_counting)
        self.followers: list[Followers] = []
        self.metrics = Metrics()
        self.recorder = UseRecorder(self.storage, self.counter, lambda: self.followers, self.metrics)

    def store_after(self, **span: float) -> list[tuple[set[str], list[str]]]:
        """Store after some time, and return what the storage is told."""
        self.clock.time += timedelta(**span)
        self.clock.elapsed += timedelta(**span)
        self.storage.told.clear()
        self.recorder.store()
        return list(self.storage.told)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clock of the recorder, which stands still at noon."""
    clock = Clock()
    monkeypatch.setattr(module, "datetime", clock)
    monkeypatch.setattr(module, "time", clock)
    return clock


@pytest.fixture
def desk(clock: Clock) -> Desk:
    """A desk that counts."""
    return Desk(clock)


def test_what_was_counted_is_stored(desk: Desk):
    """When, by whom, and with which revision."""
    desk.counter.note(b"1", ("a", "old_b"), WEB, 3)
    desk.store_after()
    since, uses, clients = see_usage(desk.storage)
    use = SettingUse(NOON, "web/1 (a)")
    assert (NOON, {"a": use, "b": use}) == (since, uses)
    assert [ClientRecord("web", "1", "a", WEB[0].decode(), NOON, 3)] == clients


def test_counting_begins_with_the_first_store(desk: Desk):
    """Also if nobody has asked for anything."""
    assert [(set(), [])] == desk.store_after()
    assert [] == desk.store_after(minutes=1)
    assert NOON == see_usage(desk.storage)[0]


def test_a_setting_is_stored_once_an_hour(desk: Desk):
    """However often it is asked for, and by whom."""

    def ask(**span: float) -> set[str]:
        desk.counter.note(b"1", ("a", "b"), WEB, 3)
        return set().union(*(names for names, _ in desk.store_after(**span)))

    assert [{"a", "b"}, set(), set(), {"a", "b"}] == [ask(minutes=minutes) for minutes in (0, 1, 58, 1)]


def test_a_client_is_stored_when_it_has_something_new(desk: Desk):
    """Another revision at once, that it is still there each five minutes."""

    def ask(revision: int, **span: float) -> list[str]:
        desk.counter.note(b"1", ("a",), WEB, revision)
        return [name for _, names in desk.store_after(**span) for name in names]

    assert ["web"] == ask(3)
    assert [] == ask(3, minutes=1) + ask(3, minutes=3)
    assert ["web"] == ask(4, seconds=30)
    assert [] == ask(0, minutes=4)
    assert ["web"] == ask(4, minutes=1)


def test_who_follows_a_stream_asks_all_the_time(desk: Desk):
    """As clients and for the settings that they name; the revision is that of their last query."""
    desk.counter.note(b"1", ("a",), WEB, 3)
    desk.followers = [Followers(("a", "b"), [WEB, SHOP]), Followers(None, [SHOP])]
    assert [({"a", "b"}, []), (set(), ["web", "shop"])] == desk.store_after()
    assert [({"a", "b"}, []), (set(), ["web", "shop"])] == desk.store_after(hours=1)
    assert {("web", 3), ("shop", 0)} == {(client.name, client.revision) for client in see_usage(desk.storage)[2]}


def test_many_are_stored_bit_by_bit(desk: Desk, monkeypatch: pytest.MonkeyPatch):
    """So that other writes need not wait for long."""
    monkeypatch.setattr(module, "_MAX_ITEMS", 2)
    desk.counter.note(b"1", ("a", "b", "c"), WEB, 3)
    desk.counter.note(b"2", ("d",), SHOP, 3)
    assert [({"a", "b"}, []), ({"c", "d"}, []), (set(), ["web", "shop"])] == desk.store_after()


def test_what_cannot_be_stored_stays_noted(desk: Desk):
    """Until it can."""
    desk.counter.note(b"1", ("a",), WEB, 3)
    desk.storage.error = StorageUnavailableError("away")
    with pytest.raises(StorageUnavailableError):
        desk.recorder.store()
    desk.storage.error = None
    desk.counter.note(b"2", ("b",), SHOP, 4)
    assert [({"a", "b"}, []), (set(), ["web", "shop"])] == desk.store_after()


def test_after_a_restore_everything_is_stored_anew(desk: Desk):
    """There, nothing is known of use, so that of clients is told which would not be due yet."""
    desk.counter.note(b"1", ("a",), WEB, 3)
    desk.store_after()
    desk.storage.note(lambda notes: notes.forget_count())
    desk.counter.note(b"1", ("a",), WEB, 3)
    assert [(set(), ["web"])] == desk.store_after(minutes=1)
    assert NOON + timedelta(minutes=1) == see_usage(desk.storage)[0]


@pytest.mark.parametrize("days", [-400, -2, 2, 400])
def test_a_clock_that_is_set_leaves_nothing_wrong(desk: Desk, days: int):
    """Since when uses are counted, a clock that was wrong has said; and no time is later than now."""
    for revision in (1, 2):
        desk.counter.note(b"1", ("a",), WEB, revision)
        desk.counter.note(b"2", ("b",), SHOP, 1)
        desk.store_after(hours=1)
    desk.clock.time += timedelta(days=days)
    desk.counter.note(b"1", ("a",), WEB, 2)
    desk.store_after(minutes=1)
    now = desk.clock.time
    since, uses, clients = see_usage(desk.storage)
    assert (now, now.replace(minute=0)) == (since, uses["a"].used_at)
    assert now == next(client.seen_at for client in clients if client.name == "web")
    assert all(client.seen_at <= now for client in clients)
    desk.store_after(minutes=1)
    assert now == see_usage(desk.storage)[0]


def test_a_clock_that_is_set_a_little_is_no_gap(desk: Desk):
    """As clocks are, and as a machine that sleeps for a night looks; a client is noted all the same."""
    desk.counter.note(b"1", ("a",), WEB, 1)
    desk.store_after()
    for step in (timedelta(hours=-2), timedelta(hours=10)):
        desk.clock.time += step
        desk.counter.note(b"1", ("a",), WEB, 1)
        assert ["web"] == [name for _, names in desk.store_after(minutes=1) for name in names]
    assert NOON == see_usage(desk.storage)[0]


def test_what_is_in_doubt_stays_so_until_that_is_stored(desk: Desk):
    """A database may be away just then."""
    desk.store_after()
    desk.clock.time += timedelta(days=400)
    desk.storage.error = StorageUnavailableError("away")
    with pytest.raises(StorageUnavailableError):
        desk.recorder.store()
    desk.storage.error = None
    desk.store_after(minutes=1)
    assert desk.clock.time == see_usage(desk.storage)[0]


def test_metrics_say_when_it_was_stored_and_how_many_clients_there_are(desk: Desk, monkeypatch: pytest.MonkeyPatch):
    """So that somebody can be alerted if it is not, and see a flood of clients."""
    monkeypatch.setattr("time.time", lambda: 1_700_000_000.0)
    desk.counter.note(b"1", ("a",), WEB, 3)
    desk.followers = [Followers(("c",), [SHOP, WEB])]
    desk.store_after()
    expected = {"heksher_clients 2.0", "heksher_usage_stored_timestamp_seconds 1.7e+09"}
    assert expected <= set(desk.metrics.render()[0].decode().splitlines())
    desk.storage.error = StorageUnavailableError("away")
    desk.counter.note(b"2", ("b",), WEB, 4)
    monkeypatch.setattr("time.time", lambda: 1_800_000_000.0)
    with pytest.raises(StorageUnavailableError):
        desk.recorder.store()
    assert expected <= set(desk.metrics.render()[0].decode().splitlines())


def test_what_is_not_stored_is_told(desk: Desk):
    """What was noted, and what streams follow now, under the names by which it was asked for."""
    desk.counter.note(b"1", ("a", "old_b"), WEB, 3)
    desk.followers = [Followers(("c",), [SHOP]), Followers(None, [SHOP])]
    assert {"a": "web/1 (a)", "old_b": "web/1 (a)", "c": "shop/2"} == desk.recorder.list_unstored()
    desk.store_after()
    assert {"c": "shop/2"} == desk.recorder.list_unstored()


def test_a_service_that_does_not_count_says_so(clock: Clock):
    """What others have counted has a gap then, once for each time."""
    desk = Desk(clock, is_counting=False)
    desk.storage.note(lambda notes: notes.note_uses({"a": SettingUse(NOON, "x")}, (), NOON))
    desk.followers = [Followers(("b",), [WEB])]
    desk.recorder.store()
    assert (None, {"a"}) == (see_usage(desk.storage)[0], see_usage(desk.storage)[1].keys())
    desk.storage.error = AssertionError("there is nothing to say")
    desk.recorder.store()


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (StorageUnavailableError("away"), "what programs use was not stored, which is tried again: away"),
        (KeyError("bug"), "storing what programs use failed; it is tried again"),
    ],
)
def test_the_thread_goes_on(clock: Clock, caplog: pytest.LogCaptureFixture, error: Exception, message: str):
    """Once a minute, whatever happens, and a last time at the end."""
    desk = Desk(clock)
    delays: list[float] = []

    def wait(delay_s: float) -> bool:
        delays.append(delay_s)
        desk.storage.error = error if len(delays) == 2 else None
        desk.counter.note(b"1", ("a",), WEB, len(delays))
        return len(delays) > 3

    recorder = UseRecorder(desk.storage, desk.counter, list, desk.metrics, wait)
    recorder.start()
    recorder.close()
    assert [message] == [record.message for record in caplog.records if record.levelno >= logging.WARNING]
    assert 0 <= delays[0] <= 60
    assert [60, 60, 60] == delays[1:]
    assert [4] == [client.revision for client in see_usage(desk.storage)[2]]


def test_a_recorder_that_was_not_started_has_nothing_to_store(desk: Desk):
    """As in a service that could not start."""
    desk.counter.note(b"1", ("a",), WEB, 3)
    desk.recorder.close()
    assert [] == desk.storage.told
