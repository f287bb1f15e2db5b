"""What the benchmark of failovers says of drills, and one drill; no time is judged."""

from typing import Any

import pytest

from benchmarks.failover import describe, list_scenarios
from benchmarks.failovers.clients import Reading, WatchedClient, find_own_python
from benchmarks.failovers.drill import Outcome, Scenario, play
from benchmarks.failovers.reader import Reader
from benchmarks.failovers.stage import Setup, set_up

SCENARIO = Scenario("some", Setup(1), lost=2, later=(2,))
GOOD = Outcome(
    lost=frozenset({2, 3}),
    until_promoted_s=0.2,
    until_writes_s=0.5,
    delays_s=[("stream", 0.1), ("poll", 1.0), ("existing", 1.2)],
    went_back=0,
)


def find_broken(outcome: Outcome, broken: int = 0) -> list[str]:
    """Return the promises that a drill has broken, each by its beginning."""
    lines = describe(SCENARIO, [GOOD, outcome], demands=20, broken=broken)
    return [" ".join(line.what.split()[:2]) for line in lines if line.is_met is False]


@pytest.mark.parametrize(
    ("change", "broken"),
    [
        ({}, []),
        ({"lost": frozenset({2, 3, 4})}, ["acknowledged writes"]),
        ({"until_writes_s": None}, []),
        ({"delays_s": [("stream", 3.1)]}, ["streaming clients,"]),
        ({"delays_s": [("poll", 3.9), ("existing", 4.1)]}, ["existing clients,"]),
        ({"delays_s": [("poll", float("inf"))]}, ["polling clients,"]),
        ({"went_back": 1}, ["clients that"]),
    ],
)
def test_broken_promises_are_found(change: dict[str, Any], broken: list[str]) -> None:
    """A write more than was made to be lost, a client that is late, or goes back: one drill is enough."""
    assert broken == find_broken(GOOD._replace(**change))


def test_a_broken_demand_is_found() -> None:
    """An answer older than what was demanded is one too many."""
    assert ["demands that"] == find_broken(GOOD, broken=1)


def test_all_that_is_to_be_shown_is_played() -> None:
    """Both kinds of standby, one and two replicas, fewer, as many and more writes after, and PgBouncer."""
    scenarios = list(list_scenarios())
    assert [0, 2, 2, 2] * 2 + [2] == [scenario.lost for scenario in scenarios]
    assert [1] * 4 + [2] * 5 == [scenario.setup.replicas for scenario in scenarios]
    assert [[1], [0, 1], [2], [3, 4]] * 2 + [[2]] == [list(scenario.later) for scenario in scenarios]
    assert [False] * 8 + [True] == [scenario.setup.is_pooled for scenario in scenarios]
    assert len(scenarios) == len({scenario.name for scenario in scenarios})


@pytest.mark.parametrize(
    ("values", "has_gone_back"),
    [([1, 2, 3, 4], False), ([1, 2, 3, 1, 4], False), ([1, 3, 4, 2], True), ([1, 4, 3, 4], True), ([1], False)],
)
def test_going_back_is_found(values: list[int], *, has_gone_back: bool) -> None:
    """A client may return to what was there before the lost writes, but not to them after it has read a later one."""
    client = WatchedClient("poll", 0, "unused", find_own_python())
    client.readings += [Reading(float(moment_s), value) for moment_s, value in enumerate(values)]
    assert has_gone_back == client.has_gone_back(range(2, 4), range(4, 6))


def test_broken_demands_of_a_reader_are_found() -> None:
    """What it was answered before is demanded; only of what was lost, something older is the truth."""
    reader = Reader([])
    reader.values += [1, 2, 3, 1, 4, 3]
    assert (1, 2) == (reader.count_broken({2, 3}), reader.count_broken(()))


def test_a_drill() -> None:
    """Two writes are lost, two are made; clients of one replica read the truth, and nobody is answered with less."""
    with set_up(SCENARIO.setup, {"stream": find_own_python(), "poll": find_own_python()}) as stage:
        outcome = play(stage, SCENARIO, 0)
        assert 0 == stage.broken
    assert (2, 0) == (len(outcome.lost), outcome.went_back)
    assert ["stream", "poll"] == [kind for kind, _ in outcome.delays_s]
    assert all(delay_s < float("inf") for _, delay_s in outcome.delays_s)
