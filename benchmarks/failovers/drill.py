"""One failover: some writes are lost or not, some are made afterwards, and everybody is to read the truth."""

import threading
import time
from collections.abc import Sequence
from typing import Final, NamedTuple

from benchmarks.failovers.clients import Kind
from benchmarks.failovers.reader import Reader
from benchmarks.failovers.stage import Setup, Stage, Write

# How long the load lasts before the primary is killed, where no write is to be lost.
_LOAD_S: Final = 0.3
# How long clients are waited for that may never read the truth.
_PATIENCE_S: Final = 8.0


class Scenario(NamedTuple):
    """What is done.

    Attributes:
        name: in words.
        setup: what there is.
        lost: how many acknowledged writes the standby does not get.
        later: how many are made after it has taken over, in the drills in turn.
    """

    name: str
    setup: Setup
    lost: int
    later: Sequence[int]


class Outcome(NamedTuple):
    """How a drill ended.

    Attributes:
        lost: the acknowledged values that the database does not have.
        until_promoted_s: seconds from the end of the primary until the standby had taken over.
        until_writes_s: seconds from the end of the primary until a write was acknowledged; ``None`` if none was made.
        delays_s: for each client, the seconds from the moment in which its replica could know the truth until it read
            that; infinity if it did not.
        went_back: how many clients read a lost value after a later one.
    """

    lost: frozenset[int]
    until_promoted_s: float
    until_writes_s: float | None
    delays_s: list[tuple[Kind, float]]
    went_back: int


def play(stage: Stage, scenario: Scenario, number: int) -> Outcome:
    """Play a drill; the killed server is back as the standby in the end."""
    stage.await_clients(stage.write().value)
    with Reader(stage.replicas.urls) as reader:
        outcome = _fail_over(stage, scenario, scenario.later[number % len(scenario.later)])
    stage.note_reads(len(reader.values), reader.count_broken(outcome.lost))
    stage.pair.swap()
    return outcome


def _fail_over(stage: Stage, scenario: Scenario, count: int) -> Outcome:
    """Have the standby take over, then make so many writes."""
    acknowledged, failed_s = _lose_writes(stage, scenario.lost) if scenario.lost else _write_until_the_end(stage)
    stage.promote()
    promoted_s = time.monotonic()
    stored = stage.read_stored()
    later = [stage.write() for _ in range(count)]
    looks_s = stage.await_looks_s(promoted_s)
    truth, since_s = (later[-1].value, later[-1].at_s) if later else (stored, promoted_s)
    delays_s = _measure_delays_s(stage, truth, [max(look_s, since_s) for look_s in looks_s])
    lost = range(stored + 1, acknowledged[-1].value + 1) if acknowledged else range(0)
    news = range(lost.stop, truth + 1)
    return Outcome(
        lost=frozenset(write.value for write in acknowledged).intersection(lost),
        until_promoted_s=promoted_s - failed_s,
        until_writes_s=later[0].at_s - failed_s if later else None,
        delays_s=delays_s,
        went_back=sum(client.has_gone_back(lost, news) for client in stage.clients),
    )


def _lose_writes(stage: Stage, count: int) -> tuple[list[Write], float]:
    """Have writes acknowledged that the standby does not get, and read by all clients; then kill the primary.

    Returns:
        Them, and the moment of its end.
    """
    stage.pair.wait_for_standby()
    stage.pair.hold_back()
    writes = [stage.write() for _ in range(count)]
    stage.await_clients(writes[-1].value)
    failed_s = time.monotonic()
    stage.fail()
    return writes, failed_s


def _write_until_the_end(stage: Stage) -> tuple[list[Write], float]:
    """Write without a pause, and kill the primary meanwhile.

    Returns:
        What was acknowledged, and the moment of its end.
    """
    writes: list[Write] = []
    is_ending = threading.Event()

    def write() -> None:
        while not is_ending.is_set():
            writes.extend(filter(None, [stage.try_to_write()]))

    thread = threading.Thread(target=write)
    thread.start()
    time.sleep(_LOAD_S)
    failed_s = time.monotonic()
    stage.fail()
    is_ending.set()
    thread.join()
    return writes, failed_s


def _measure_delays_s(stage: Stage, truth: int, known_s: Sequence[float]) -> list[tuple[Kind, float]]:
    """Return for each client how many seconds after its replica could know the truth it read that."""
    deadline_s = time.monotonic() + _PATIENCE_S
    delays_s: list[tuple[Kind, float]] = []
    for client in stage.clients:
        since_s = max(known_s) if client.replica is None else known_s[client.replica]
        found_s = client.find(lambda value: value == truth, since_s, max(0.0, deadline_s - time.monotonic()))
        delays_s.append((client.kind, float("inf") if found_s is None else found_s - since_s))
    return delays_s
