"""The drill of proposals: in a small form, and what it says of outcomes that must not be. No time is judged."""

import random
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from benchmarks.figures import Line
from benchmarks.proposals import FOREIGN, Outcome, Planned, describe, drill, plan

NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)
# One that is applied, a chain of two, and one whose rule somebody else changes.
PLANNED = [Planned(1, (0.1,), False), Planned(2, (0.2, 0.3), False), Planned(3, (0.4,), True)]


def tell(state: str, due: datetime, end: datetime | None, after: int | None = None, reason: str = "") -> dict[str, Any]:
    ended = None if end is None else {"at": end.isoformat(), "reason": reason or None}
    return {"state": state, "at": due.isoformat(), "after": after, "end": ended}


PROPOSALS = {
    1: tell("applied", NOON, NOON + SECOND),
    2: tell("applied", NOON, NOON + SECOND),
    3: tell("applied", NOON, NOON + 2 * SECOND, after=2),
    4: tell("stale", NOON, NOON + SECOND, reason="rule 3 was changed since"),
    5: tell("withdrawn", NOON, NOON),
}
APPLIED = [(1, NOON + SECOND), (2, NOON + SECOND), (3, NOON + 2 * SECOND)]
VALUES: Mapping[int, object] = {1: 5, 2: 25, 3: FOREIGN}
GOOD = Outcome(PROPOSALS, APPLIED, VALUES, 1)


def list_broken(lines: list[Line]) -> list[str]:
    return [line.what for line in lines if line.is_met is False]


def test_nothing_is_wrong_with_an_outcome_as_planned():
    """What comes after another one is due when that was applied."""
    lines = describe(GOOD, PLANNED, max_delay_s=1.0)
    assert ([], "1.00 / 1.00 / 1.00") == (list_broken(lines), lines[-1].figure)


@pytest.mark.parametrize(
    ("outcome", "broken"),
    [
        (GOOD._replace(applied=[*APPLIED, APPLIED[0]]), "in the change log twice, or though not applied"),
        (GOOD._replace(applied=[*APPLIED, (4, NOON)]), "in the change log twice, or though not applied"),
        (GOOD._replace(applied=APPLIED[1:]), "applied, but not in the change log"),
        (GOOD._replace(values={**VALUES, 2: 5}), "rules with another value than planned"),
        (
            GOOD._replace(proposals={**PROPOSALS, 4: tell("stale", NOON, NOON + SECOND)}),
            "stale without a reason",
        ),
        (GOOD._replace(proposals={**PROPOSALS, 1: tell("open", NOON, None)}), "still open"),
        (GOOD._replace(applied=[(1, NOON + 3 * SECOND), *APPLIED[1:]]), "seconds after its time, p50 / p99 / longest"),
        (GOOD._replace(kills=0), "kills"),
    ],
)
def test_what_must_not_be_is_found(outcome: Outcome, broken: str):
    assert broken in list_broken(describe(outcome, PLANNED, max_delay_s=1.0))


def test_as_many_are_planned_as_are_wanted():
    """Chains among them, and rules that somebody else changes."""
    planned = plan(range(1, 1001), 1000, random.Random(1))  # noqa: S311 - repeatable
    assert 1000 == sum(len(each.shares) for each in planned)
    assert {1, 3} <= {len(each.shares) for each in planned}
    assert {False, True} == {each.is_changed for each in planned}


def test_a_small_drill():
    """Two replicas on PostgreSQL, one of which is killed: each proposal is applied once, or stale with a reason."""
    assert [] == list_broken(drill(12, 3.0, seed=3, max_delay_s=60.0))
