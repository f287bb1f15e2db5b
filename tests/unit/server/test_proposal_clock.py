"""The thread that applies proposals when their time has come."""

import logging
import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from heksher.server.app import Application
from heksher.server.config import Config
from heksher.server.operations.applying import Applier
from heksher.server.operations.proposed_writes import ProposedWrites
from heksher.server.proposal_clock import ProposalClock
from heksher.server.storage.base import Origin, Storage
from heksher.server.storage.gathering_writer import NO_LOOKUPS
from heksher.server.storage.memory import MemoryStorage
from heksher.server.storage.proposal_records import ProposalContent, ProposalRecord
from heksher.server.storage.storage_errors import StorageUnavailableError
from heksher.value_type import JSON
from tests.support.waiting import wait_until

NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)
SOME = ProposalRecord(0, "open", "ada", "nobody", "", NOON, NOON, None, needs_approval=False, size=1)


class ToldMetrics:
    """What the clock has told."""

    def __init__(self) -> None:
        self.states: list[tuple[int, float]] = []
        self.ended: list[str] = []

    def set_proposals(self, open_: int, overdue_s: float) -> None:
        self.states.append((open_, overdue_s))

    def count_ended_proposal(self, state: str) -> None:
        self.ended.append(state)


def read_nothing(operations: Sequence[JSON]) -> ProposedWrites:
    """Read operations that do nothing, or raise what they say."""

    def step(_: Storage, __: Origin) -> dict[str, JSON]:
        for operation in operations:
            if operation == "fail":
                raise ZeroDivisionError
            if operation == "be away":
                raise StorageUnavailableError("away")
        return {}

    return ProposedWrites([step], NO_LOOKUPS, has_features=False)


@pytest.fixture
def storage() -> Iterator[MemoryStorage]:
    storage = MemoryStorage()
    storage.open()
    yield storage
    storage.close()


def add(storage: Storage, at: datetime | None = NOON, operation: JSON = None, **more: object) -> int:
    record = replace(SOME, at=at, **more)
    return storage.note(lambda notes: notes.add_proposal(record, ProposalContent((operation,), ())))


def run(
    storage: Storage, rounds: int, now: datetime = NOON, *, has_access: bool = False
) -> tuple[list[float], ToldMetrics]:
    """Let a clock look so many times; return how long it waits before each look and the next one, and what it told."""
    delays: list[float] = []
    metrics = ToldMetrics()

    is_over = threading.Event()

    def wait(delay_s: float) -> bool:
        delays.append(delay_s)
        if len(delays) > rounds:
            is_over.set()
        return is_over.is_set()

    applier = Applier(storage, read_nothing, has_access=has_access, find_now=lambda: now)
    clock = ProposalClock(applier, metrics, wait)
    clock.start()
    assert is_over.wait(30)
    clock.close()
    return delays, metrics


def find_state(storage: Storage, proposal_id: int) -> str:
    record = storage.read(lambda reader: reader.find_proposal(proposal_id))
    assert record is not None
    return record.state


def test_it_looks_each_second(storage: MemoryStorage):
    """And when the next one becomes due, if that is earlier."""
    assert [0, 1, 1] == run(storage, 2)[0]
    add(storage, NOON + SECOND / 4)
    assert [0, 0.25] == run(storage, 1)[0]
    assert [0, 1] == run(storage, 1, NOON - 9 * SECOND)[0]


def test_it_applies_what_is_due(storage: MemoryStorage, caplog: pytest.LogCaptureFixture):
    """And says so; what waits stays."""
    first, second, third = add(storage), add(storage, NOON + SECOND), add(storage, NOON - SECOND, author="")
    with caplog.at_level(logging.INFO):
        _, metrics = run(storage, 2)
    assert ["applied", "open", "applied"] == [find_state(storage, each) for each in (first, second, third)]
    assert ([(3, 1.0), (1, 0.0)], ["applied", "applied"]) == (metrics.states, metrics.ended)
    # In any order, so that processes that look at once do not wait for each other.
    told = {message.rpartition(" as ")[0] for message in caplog.messages}
    assert {f"applied proposal {third} of nobody known", f"applied proposal {first} of 'ada'"} == told


def test_it_says_which_one_is_stale(storage: MemoryStorage, caplog: pytest.LogCaptureFixture):
    proposal_id = add(storage, author_kind="token")
    _, metrics = run(storage, 1, has_access=True)
    assert (["stale"], "stale") == (metrics.ended, find_state(storage, proposal_id))
    assert [f"proposal {proposal_id} of 'ada' is stale: the token 'ada', who has made it, was revoked since"] == (
        caplog.messages
    )


def test_one_that_fails_keeps_no_other_from_being_applied(storage: MemoryStorage, caplog: pytest.LogCaptureFixture):
    """By a fault of this program, which is logged once; it is tried again."""
    failing, other = add(storage, NOON - SECOND, "fail"), add(storage)
    _, metrics = run(storage, 3)
    assert ("open", "applied", ["applied"]) == (
        find_state(storage, failing),
        find_state(storage, other),
        metrics.ended,
    )
    assert [f"applying proposal {failing} failed; it is tried again"] == caplog.messages


def test_many_that_fail_keep_no_other_from_being_applied(storage: MemoryStorage):
    """Though a look takes some only; where there are more, it looks again at once."""
    for _ in range(12):
        add(storage, NOON - SECOND, "fail")
    others = [add(storage) for _ in range(11)]
    delays, _ = run(storage, 4)
    assert {"applied"} == {find_state(storage, each) for each in others}
    assert {0, 1} == set(delays)


def test_it_goes_on_when_the_database_is_back(storage: MemoryStorage, caplog: pytest.LogCaptureFixture):
    """Without a word: whoever follows the database tells of it."""

    class AwayStorage(MemoryStorage):
        looks = 0

        def read(self, work):
            AwayStorage.looks += 1
            if AwayStorage.looks == 1:
                raise StorageUnavailableError("away")
            return super().read(work)

    away = AwayStorage()
    away.open()
    proposal_id, waiting = add(away), add(away, NOON, "be away")
    delays, _ = run(away, 2)
    assert ([0, 1, 1], [], "applied", "open") == (
        delays,
        caplog.messages,
        find_state(away, proposal_id),
        find_state(away, waiting),
    )


def test_a_service_has_one(storage: MemoryStorage):
    """As long as it runs."""
    feature = {"method": "POST", "path": "/api/v1/context_features", "body": {"context_feature": "user"}}
    add(storage, datetime.now(UTC), feature)
    application = Application(Config("unused"), storage)
    with application.run():
        assert wait_until(lambda: find_state(storage, 1) == "applied")
        assert wait_until(lambda: application.services.catalog.load().picture.revision == 1)
