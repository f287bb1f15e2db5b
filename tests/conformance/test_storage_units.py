"""The guarantees that every storage gives for units of work: atomic, serial, isolated, durable, logged, thread-safe."""

import re
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta, timezone
from typing import TypeVar

import pytest

from heksher.server.storage.base import LogEntry, LoggedChange, Origin, Reader, RuleRecord, Storage, Writer
from heksher.server.storage.records import ActorKind
from heksher.server.storage.storage_errors import ContractError, StorageUnavailableError
from tests.support.storages import SOME_CHANGE, Place, a_setting, see_everything, store

T = TypeVar("T")

# So long that only a deadlock takes longer.
PATIENCE_S = 60.0


class OurError(Exception):
    """An error of the caller's work."""


def fill(writer: Writer) -> None:
    """Add a setting with one rule, which has the id 1 and the value 0."""
    writer.set_context_features(["user"])
    writer.add_setting(a_setting("counter"))
    writer.add_rule("counter", {"user": "x"}, 0, {})


def count_up(writer: Writer) -> object:
    """Add one to the value of the rule."""
    rule = writer.find_rule(1)
    assert rule is not None
    assert isinstance(rule.value, int)
    writer.replace_rule(RuleRecord(rule.rule_id, rule.setting, rule.conditions, rule.value + 1, rule.metadata))
    return rule.value + 1


def read_counter(reader: Reader) -> object:
    """Return the value of the rule."""
    rule = reader.find_rule(1)
    assert rule is not None
    return rule.value


def run_at_once(count: int, work: Callable[[int], T]) -> list[T]:
    """Run work in threads that all begin at the same moment, and return the results."""
    barrier = threading.Barrier(count)

    def run(number: int) -> T:
        barrier.wait(PATIENCE_S)
        return work(number)

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(run, range(count), timeout=PATIENCE_S))


@pytest.fixture
def counting(storage: Storage) -> Storage:
    """A storage with one rule."""
    store(storage, fill)
    return storage


@pytest.fixture
def counting_twice(place: Place, counting: Storage) -> Iterator[list[Storage]]:
    """Two storages on one place, as two processes have them."""
    other = place.connect()
    other.open()
    yield [counting, other]
    other.close()


def test_gives_result_and_revision(storage: Storage) -> None:
    """A write gives what the work returned, and the number of the log entry that it made."""
    written = store(storage, lambda _: "result")
    assert (written.result, written.revision) == (["result"], 1)
    assert store(storage, lambda _: "result").revision == 2
    assert storage.read(lambda reader: reader.revision()) == 2


def test_stores_nothing_without_record(counting: Storage) -> None:
    """A unit of writing work that changes nothing and records nothing gives the newest revision."""
    before = see_everything(counting)
    written = counting.write(read_counter)
    assert (written.result, written.revision) == (0, 1)
    assert see_everything(counting) == before


def test_refuses_changes_without_record(counting: Storage) -> None:
    """Changes that are not recorded are a fault of the caller, and are not stored."""
    before = see_everything(counting)
    with pytest.raises(ContractError, match="call record"):
        counting.write(count_up)
    assert see_everything(counting) == before


def test_writer_sees_its_own_changes(storage: Storage) -> None:
    """Inside a unit of work, everything that it did is visible; the record as well."""

    def work(writer: Writer) -> None:
        fill(writer)
        assert writer.context_features() == ("user",)
        assert writer.find_setting("counter") == a_setting("counter")
        assert [rule.rule_id for rule in writer.rules()] == [1]
        assert writer.revision() == 0
        writer.record(SOME_CHANGE)
        assert writer.revision() == 1
        assert [entry.change for entry in writer.log()] == [SOME_CHANGE]
        # The record need not come last.
        writer.delete_rule(1)

    storage.write(work)
    assert storage.read(lambda reader: reader.rules()) == []


@pytest.mark.parametrize("is_recorded", [False, True])
def test_stores_nothing_when_work_raises(counting: Storage, is_recorded: bool) -> None:
    """When the work raises, its error comes out, nothing that it did is stored, and the storage goes on."""
    before = see_everything(counting)

    def fail(writer: Writer) -> None:
        writer.set_context_features(["user", "theme"])
        writer.add_rule("counter", {"user": "y"}, 0, {})
        if is_recorded:
            writer.record(SOME_CHANGE)
        raise OurError

    with pytest.raises(OurError):
        counting.write(fail)
    assert see_everything(counting) == before
    assert store(counting, count_up).revision == 2


def test_passes_errors_of_readers(counting: Storage) -> None:
    """An error of reading work comes out as it is, any number of times."""

    def fail(reader: Reader) -> None:
        raise OurError

    for _ in range(30):
        with pytest.raises(OurError):
            counting.read(fail)
    assert counting.read(read_counter) == 0


def test_reader_sees_one_revision(counting: Storage) -> None:
    """A reader that takes its time sees the state at one revision, while others write and do not wait for it."""

    def read_slowly(reader: Reader) -> None:
        before = (reader.revision(), read_counter(reader), reader.settings(), reader.context_features())
        with ThreadPoolExecutor(1) as pool:
            for _ in range(3):
                pool.submit(store, counting, count_up).result(PATIENCE_S)
            pool.submit(
                store, counting, lambda writer: (writer.delete_setting("counter"), writer.set_context_features([]))
            ).result(PATIENCE_S)
        assert (reader.revision(), read_counter(reader), reader.settings(), reader.context_features()) == before
        assert [entry.revision for entry in reader.log()] == [1]

    counting.read(read_slowly)
    assert counting.read(lambda reader: (reader.revision(), reader.settings())) == (5, [])


def test_readers_do_not_see_what_is_not_stored(counting: Storage) -> None:
    """What a unit of work did is visible to others when it is stored, and not before."""

    def write_slowly(writer: Writer) -> None:
        count_up(writer)
        writer.record(SOME_CHANGE)
        with ThreadPoolExecutor(1) as pool:
            assert pool.submit(counting.read, read_counter).result(PATIENCE_S) == 0

    counting.write(write_slowly)
    assert counting.read(read_counter) == 1


def test_writers_take_turns(counting_twice: list[Storage]) -> None:
    """Of many writers at once, in several processes, each sees what those before it did; revisions have no gaps."""

    def count(number: int) -> list[object]:
        return [store(counting_twice[number % 2], count_up).revision for _ in range(10)]

    revisions = [revision for some in run_at_once(8, count) for revision in some]
    assert sorted(map(str, revisions)) == sorted(map(str, range(2, 82)))
    assert counting_twice[0].read(read_counter) == 80
    log = counting_twice[1].read(lambda reader: reader.log())
    assert [entry.revision for entry in log] == list(range(1, 82))


def test_readers_see_whole_units_while_others_write(counting_twice: list[Storage]) -> None:
    """Readers never see half of a unit of work: here the counter is always one less than the revision."""

    def work(number: int) -> None:
        for _ in range(10):
            if number % 2:
                store(counting_twice[number % 4 // 2], count_up)
            else:
                seen = counting_twice[0].read(lambda reader: (reader.revision() - 1, read_counter(reader)))
                assert seen[0] == seen[1]

    run_at_once(8, work)
    assert counting_twice[1].read(read_counter) == 40


@pytest.mark.trap(40)
def test_one_of_many_equal_rules_is_stored(counting_twice: list[Storage]) -> None:
    """When the same rule is added many times at once, one attempt succeeds, and the others are refused."""

    def add(number: int) -> bool:
        try:
            store(counting_twice[number % 2], lambda writer: writer.add_rule("counter", {"user": "new"}, number, {}))
        except ContractError:
            return False
        return True

    assert sum(run_at_once(20, add)) == 1
    assert counting_twice[0].read(lambda reader: [rule.rule_id for rule in reader.rules()]) == [1, 2]


@pytest.mark.trap(39)
def test_one_of_many_equal_settings_is_stored(counting_twice: list[Storage]) -> None:
    """When the same setting is added many times at once, one attempt succeeds, and the others see its result."""

    def add(number: int) -> bool:
        def work(writer: Writer) -> bool:
            if writer.find_setting("new") is not None:
                return False
            writer.add_setting(a_setting("new"))
            writer.record(SOME_CHANGE)
            return True

        return counting_twice[number % 2].write(work).result

    assert sum(run_at_once(40, add)) == 1


def test_many_can_open_an_empty_place_at_once(place: Place) -> None:
    """Any number of processes may make one empty place ready at the same moment."""
    with ExitStack() as closing:

        def open_storage(_: int) -> int:
            storage = place.connect()
            closing.callback(storage.close)
            storage.open()
            return store(storage, lambda writer: len(writer.log())).revision

        assert sorted(run_at_once(8, open_storage)) == list(range(1, 9))


def test_keeps_everything_over_a_restart(place: Place, counting: Storage) -> None:
    """What was written is there for a storage that is opened later."""
    store(counting, count_up)
    before = see_everything(counting)
    counting.close()
    reopened = place.connect()
    reopened.open()
    assert see_everything(reopened) == before
    reopened.close()


def test_shows_the_writes_of_other_processes(counting_twice: list[Storage]) -> None:
    """What one process wrote, another one reads at once."""
    for _ in range(3):
        revision = store(counting_twice[0], count_up).revision
        assert counting_twice[1].read(lambda reader: reader.revision()) == revision


@pytest.mark.parametrize("actor_kind", ["token", "person", "nobody"])
def test_logs_who_when_what_and_why(place: Place, actor_kind: ActorKind) -> None:
    """A log entry has the change, its origin, and the time in UTC; people's words may have any character."""
    times = iter([datetime(2026, 1, 2, 3, 4, 5, 678, timezone(timedelta(hours=2))), datetime(2026, 1, 1, tzinfo=UTC)])
    storage = place.connect(now=lambda: next(times))
    storage.open()
    change = LoggedChange("rename", "setting", "new", {"name": "old"}, {"name": "new"})
    origin = Origin("Zoë\0", "it's \ud83d late\n", actor_kind)
    storage.write(lambda writer: writer.record(change), origin)
    storage.write(lambda writer: writer.record(SOME_CHANGE))
    log = storage.read(lambda reader: reader.log())
    stamps = [entry.stamp for entry in log]
    assert log == [
        LogEntry(1, datetime(2026, 1, 2, 1, 4, 5, 678, UTC), origin, stamps[0], 1, (change,)),
        LogEntry(2, datetime(2026, 1, 1, tzinfo=UTC), Origin("", "", "nobody"), stamps[1], 1, (SOME_CHANGE,)),
    ]
    assert len(set(stamps)) == 2
    assert all(re.fullmatch("[0-9a-f]{12}", stamp) for stamp in stamps)
    assert [entry.at.utcoffset() for entry in log] == [timedelta(0), timedelta(0)]
    storage.close()


@pytest.mark.parametrize(
    ("after_revision", "limit", "revisions"),
    [
        (0, 1000, [1, 2, 3, 4, 5]),
        (0, 2, [1, 2]),
        (3, 1000, [4, 5]),
        (3, 1, [4]),
        (5, 10, []),
        (10**30, 10, []),
        (-(10**30), 10**30, [1, 2, 3, 4, 5]),
        (0, 0, []),
        (0, -1, []),
    ],
)
def test_lists_parts_of_the_log(storage: Storage, after_revision: int, limit: int, revisions: list[int]) -> None:
    """The log can be read in parts, by any whole numbers."""
    for _ in range(5):
        storage.write(lambda writer: writer.record(SOME_CHANGE))
    log = storage.read(lambda reader: reader.log(after_revision, limit))
    assert [entry.revision for entry in log] == revisions


def test_can_be_checked(storage: Storage) -> None:
    """A storage that can be reached passes its check."""
    storage.check()


def test_can_be_opened_and_closed_again(counting: Storage) -> None:
    """Opening twice and closing twice is the same as once; a closed storage can be opened again."""
    counting.open()
    assert counting.read(read_counter) == 0
    counting.close()
    counting.close()
    counting.open()
    assert counting.read(read_counter) == 0


CALLS: dict[str, Callable[[Storage], object]] = {
    "check": lambda storage: storage.check(),
    "read": lambda storage: storage.read(lambda reader: reader.revision()),
    "write": lambda storage: storage.write(lambda writer: writer.revision()),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS.keys())
def test_is_unavailable_unless_open(place: Place, call: Callable[[Storage], object]) -> None:
    """Before it is opened, and after it is closed, a storage says so."""
    storage = place.connect()
    with pytest.raises(StorageUnavailableError, match="not open"):
        call(storage)
    storage.open()
    call(storage)
    storage.close()
    with pytest.raises(StorageUnavailableError, match="not open"):
        call(storage)
