"""When updates are due: the interval, retries with full jitter, and calls for haste at any moment."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heksher.clients.conversation.schedule import (
    FIRST_RETRY_S,
    MAX_NUDGE_DELAY_S,
    MAX_REFUSED_S,
    MAX_RETRY_AFTER_S,
    NET_INTERVAL_S,
    Schedule,
)

INTERVALS_S = st.floats(0.001, 1e6)
NOWS_S = st.floats(0, 1e6)


def draw(share: float) -> AbstractContextManager[object]:
    """Have everything that is drawn at random be this share of the way from the lowest to the highest value."""
    return mock.patch("random.uniform", lambda low, high: low + share * (high - low))


def test_first_update_is_due_at_once() -> None:
    """A new client updates without waiting."""
    assert Schedule(60).remaining(1000) == 0


@pytest.mark.parametrize(("share", "due_s"), [(0.0, 48.0), (0.5, 54.0), (1.0, 60.0)])
def test_success_waits_for_most_of_the_interval(share: float, due_s: float) -> None:
    """After a success the next update is due in the last fifth of the interval, and stays due until it comes."""
    plan = Schedule(60)
    plan.begin()
    with draw(share):
        plan.succeed(1000)
    assert [due_s, due_s - 15, 0, 0] == [plan.remaining(now_s) for now_s in (1000, 1015, 1060, 2000)]


def test_hurry_between_updates() -> None:
    """Haste ends the wait."""
    plan = Schedule(60)
    plan.begin()
    plan.succeed(1000)
    plan.hurry()
    assert plan.remaining(1000) == 0


@pytest.mark.trap(11)
@pytest.mark.parametrize("end", [Schedule.succeed, Schedule.fail])
def test_hurry_during_an_update(end: Callable[[Schedule, float], None]) -> None:
    """Who asks for haste during an update comes too late for it: another one follows at once, and then none."""
    plan = Schedule(60)
    plan.begin()
    plan.hurry()
    end(plan, 1000)
    assert plan.remaining(1000) == 0
    plan.begin()
    plan.succeed(1000)
    assert 48 <= plan.remaining(1000) <= 60


def test_hurry_before_an_update_is_served_by_it() -> None:
    """An update serves every call for haste from before its begin."""
    plan = Schedule(60)
    plan.hurry()
    plan.hurry()
    plan.begin()
    plan.succeed(1000)
    assert 48 <= plan.remaining(1000) <= 60


@given(INTERVALS_S, NOWS_S, st.lists(st.booleans(), min_size=1, max_size=50))
def test_never_later_than_the_interval(interval_s: float, now_s: float, outcomes: list[bool]) -> None:
    """Whatever happened before, the next update is due within one interval of the last one."""
    plan = Schedule(interval_s)
    for is_success in outcomes:
        plan.begin()
        (plan.succeed if is_success else plan.fail)(now_s)
        # The sum of the two rounds, where the first is small and the second large.
        assert 0 <= plan.remaining(now_s) <= interval_s + 1e-9 * (interval_s + now_s)


@pytest.mark.trap(10)
@given(INTERVALS_S, st.integers(1, 2000), st.floats(0, 1))
def test_full_jitter(interval_s: float, failures: int, share: float) -> None:
    """After n failures in a row the delay is drawn from the whole span up to 2**(n-1) seconds, or the interval."""
    plan = Schedule(interval_s)
    for _ in range(failures - 1):
        plan.fail(0)
    with draw(share):
        plan.fail(0)
    assert plan.remaining(0) == share * min(interval_s, FIRST_RETRY_S * 2 ** min(failures - 1, 30))


@pytest.mark.trap(10)
def test_clients_that_failed_together_come_back_apart() -> None:
    """The delays of many clients after one failure differ."""
    plans = [Schedule(60) for _ in range(100)]
    for plan in plans:
        plan.fail(0)
    assert len({plan.remaining(0) for plan in plans}) > 90


def test_success_ends_the_row_of_failures() -> None:
    """After a success, the first failure is a first failure again."""
    plan = Schedule(1000)
    for _ in range(10):
        plan.fail(0)
    plan.succeed(0)
    plan.fail(0)
    assert plan.remaining(0) <= FIRST_RETRY_S


@pytest.mark.trap(10)
def test_clients_that_succeeded_together_come_back_apart() -> None:
    """The intervals of many clients after one success differ."""
    plans = [Schedule(60) for _ in range(100)]
    for plan in plans:
        plan.succeed(0)
    assert len({plan.remaining(0) for plan in plans}) > 90


@pytest.mark.trap(10)
@given(INTERVALS_S, st.floats(0, 1e9), st.floats(0, 1), st.booleans())
def test_retry_after(interval_s: float, retry_after_s: float, share: float, is_refused: bool) -> None:
    """A client stays away for as long as it is asked to, within reason; those asked together spread out."""
    plan, unasked = Schedule(interval_s), Schedule(interval_s)
    with draw(share):
        plan.fail(0, is_refused=is_refused, retry_after_s=retry_after_s)
        unasked.fail(0, is_refused=is_refused)
    asked_s = min(retry_after_s, MAX_RETRY_AFTER_S)
    assert asked_s <= plan.remaining(0)
    assert pytest.approx(asked_s + unasked.remaining(0)) == plan.remaining(0)


@pytest.mark.parametrize(("interval_s", "delays_s"), [(60, [60, 120, 240, 300, 300]), (1000, [1000, 1000, 1000])])
def test_refusals(interval_s: float, delays_s: list[float]) -> None:
    """A service that refuses is asked ever more rarely, but at least every five minutes, or every interval."""
    plan = Schedule(interval_s)
    found = []
    for _ in delays_s:
        with draw(1):
            plan.fail(0, is_refused=True)
        found.append(plan.remaining(0))
    assert delays_s == found
    assert MAX_REFUSED_S == 300
    with draw(0):
        plan.fail(0, is_refused=True)
    assert delays_s[-1] / 2 == plan.remaining(0)
    plan.succeed(0)
    assert plan.remaining(0) <= interval_s


@given(INTERVALS_S, st.floats(0, 1))
def test_scatter(interval_s: float, share: float) -> None:
    """In a forked process the next update is due at a random moment, but not later than it was."""
    plan = Schedule(interval_s)
    plan.succeed(0)
    before_s = plan.remaining(0)
    with draw(share):
        plan.scatter(0)
    assert share * before_s == plan.remaining(0)


def test_a_refusal_after_other_failures() -> None:
    """A first refusal is followed by a try within an interval, however often the service failed otherwise before."""
    plan = Schedule(60)
    for _ in range(10):
        plan.fail(0)
    plan.fail(0, is_refused=True)
    assert 30 <= plan.remaining(0) <= 60
    plan.fail(0)
    assert plan.remaining(0) <= 60


# ---- a service that tells of its changes


def make_current(interval_s: float = 60) -> Schedule:
    """Make the schedule of a client whose last update succeeded at 1000."""
    plan = Schedule(interval_s)
    plan.begin()
    with draw(1.0):
        plan.succeed(1000)
    return plan


@pytest.mark.parametrize(("interval_s", "net_s"), [(60, NET_INTERVAL_S), (0.01, NET_INTERVAL_S), (3600, 3600)])
def test_stream_makes_updates_rare(interval_s: float, net_s: float) -> None:
    """While there is a stream updates are a net, also those that were planned before; never rarer than that."""
    plan = make_current(interval_s)
    plan.note_stream(1000, is_open=True)
    assert net_s == plan.remaining(1000)
    plan.begin()
    with draw(0.0):
        plan.succeed(1000)
    assert 0.8 * net_s == plan.remaining(1000)


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_end_of_a_stream(share: float) -> None:
    """When it is lost the next update comes within the usual interval, at random: others have lost theirs, too."""
    plan = make_current()
    plan.note_stream(1000, is_open=True)
    with draw(share):
        plan.note_stream(1200, is_open=False)
    assert 60 * share == plan.remaining(1200)


def test_end_of_a_stream_during_an_update() -> None:
    """An update that ends after the stream is planned without it, whatever held when it began."""
    plan = make_current()
    plan.note_stream(1000, is_open=True)
    plan.begin()
    plan.note_stream(1200, is_open=False)
    plan.succeed(1200)
    assert plan.remaining(1200) <= 60


def test_end_of_a_stream_after_a_failure() -> None:
    """What was planned after a failure stays: the service may have asked to be left alone."""
    plan = make_current()
    plan.note_stream(1000, is_open=True)
    plan.begin()
    with draw(0.0):
        plan.fail(1000, retry_after_s=500)
    plan.note_stream(1000, is_open=False)
    assert 500 == plan.remaining(1000)


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_nudge(share: float) -> None:
    """A change has an update made within a moment, at random; further ones before it do not put it off."""
    plan = make_current()
    plan.note_stream(1000, is_open=True)
    with draw(share):
        plan.nudge(1000)
        plan.nudge(1000.1)
    assert MAX_NUDGE_DELAY_S * share == pytest.approx(plan.remaining(1000))
    plan.begin()
    plan.succeed(1001)
    assert plan.remaining(1001) > 200


@pytest.mark.parametrize("end", [Schedule.succeed, Schedule.fail])
def test_nudge_during_an_update(end: Callable[[Schedule, float], None]) -> None:
    """A change during an update may have come too late for it: another one follows."""
    plan = make_current()
    plan.begin()
    plan.nudge(1000)
    end(plan, 1000)
    assert plan.remaining(1000) <= MAX_NUDGE_DELAY_S


def test_nudge_while_the_service_wants_to_be_left_alone() -> None:
    """A change does not have a service asked before the time that it has said."""
    plan = make_current()
    plan.begin()
    with draw(1.0):
        plan.fail(1000, retry_after_s=30)
        plan.nudge(1000)
    assert 30 == plan.remaining(1000)
    plan.begin()
    plan.succeed(1030)
    plan.nudge(1030)
    assert plan.remaining(1030) <= MAX_NUDGE_DELAY_S


# ---- declarations that failed


def test_declarations_bring_an_update_forward() -> None:
    """Declarations that failed are tried again when they are due, and put no update off."""
    plan = make_current()
    plan.plan_declarations(1010)
    assert 10 == plan.remaining(1000)
    plan.plan_declarations(2000)
    assert 60 == plan.remaining(1000)


def test_declarations_wait_while_queries_fail() -> None:
    """A service that does not answer queries is not asked more often for the sake of declarations."""
    plan = make_current()
    plan.begin()
    with draw(1.0):
        plan.fail(1000, retry_after_s=50)
    plan.plan_declarations(1001)
    assert 51 == plan.remaining(1000)
