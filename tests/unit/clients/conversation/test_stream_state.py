"""The table of a stream's states, against a copy that is written by hand."""

from typing import Final

import pytest

from heksher.clients.conversation.stream_state import (
    STREAMING,
    TABLE,
    StreamAction,
    StreamEvent,
    StreamState,
    StreamStateError,
    choose_step,
)

# What follows from what, and by which actions. Whatever is not here is refused.
EXPECTED: Final = """
    IDLE       AVAILABLE        WAITING     PLAN_FIRST
    IDLE       UNAVAILABLE      IDLE
    IDLE       INTERRUPTION     IDLE
    IDLE       END              OVER
    WAITING    AVAILABLE        WAITING
    WAITING    UNAVAILABLE      IDLE
    WAITING    BEGIN            OPENING
    WAITING    INTERRUPTION     WAITING
    WAITING    END              OVER
    OPENING    SIGN_OF_LIFE     ALIVE       RELY_ON_STREAM POLL_ONCE
    OPENING    FAILURE          WAITING     PLAN_RETRY
    OPENING    REFUSAL          REFUSED     PLAN_RARE
    OPENING    REPLACEMENT      WAITING     PLAN_AT_ONCE
    OPENING    INTERRUPTION     WAITING     PLAN_AT_ONCE
    OPENING    END              OVER
    ALIVE      SIGN_OF_LIFE     ALIVE
    ALIVE      LOSS             WAITING     PLAN_AFTER_LOSS POLL_AGAIN
    ALIVE      REPLACEMENT      SWITCHING   PLAN_AT_ONCE
    ALIVE      INTERRUPTION     WAITING     PLAN_AT_ONCE POLL_AGAIN
    ALIVE      END              OVER        STOP
    SWITCHING  AVAILABLE        SWITCHING
    SWITCHING  UNAVAILABLE      IDLE        POLL_AGAIN
    SWITCHING  BEGIN            REOPENING
    SWITCHING  INTERRUPTION     WAITING     POLL_AGAIN
    SWITCHING  END              OVER        STOP
    REOPENING  SIGN_OF_LIFE     ALIVE       POLL_ONCE
    REOPENING  FAILURE          WAITING     PLAN_RETRY POLL_AGAIN
    REOPENING  REFUSAL          REFUSED     PLAN_RARE POLL_AGAIN
    REOPENING  REPLACEMENT      SWITCHING   PLAN_AT_ONCE
    REOPENING  INTERRUPTION     WAITING     PLAN_AT_ONCE POLL_AGAIN
    REOPENING  END              OVER        STOP
    REFUSED    AVAILABLE        REFUSED
    REFUSED    UNAVAILABLE      IDLE        PLAN_AT_ONCE
    REFUSED    CHANGED_SERVICE  WAITING     PLAN_AT_ONCE
    REFUSED    BEGIN            OPENING
    REFUSED    INTERRUPTION     REFUSED
    REFUSED    END              OVER
    OVER       AVAILABLE        OVER
    OVER       UNAVAILABLE      OVER
    OVER       CHANGED_SERVICE  OVER
    OVER       BEGIN            OVER
    OVER       SIGN_OF_LIFE     OVER
    OVER       LOSS             OVER
    OVER       FAILURE          OVER
    OVER       REFUSAL          OVER
    OVER       REPLACEMENT      OVER
    OVER       INTERRUPTION     OVER
    OVER       END              OVER
"""
STEPS: Final = {tuple(line.split()[:2]): line.split()[2:] for line in EXPECTED.strip().splitlines()}


def describe(state: StreamState, event: StreamEvent) -> list[str]:
    step = choose_step(state, event)
    return [step.state.name, *(action.name for action in step.actions)]


@pytest.mark.parametrize("state", StreamState, ids=lambda state: state.name)
@pytest.mark.parametrize("event", StreamEvent, ids=lambda event: event.name)
def test_each_event_in_each_state(state: StreamState, event: StreamEvent) -> None:
    """Each event leads to the state and the actions that are expected in each state, or is refused in it."""
    expected = STEPS.get((state.name, event.name))
    if expected is None:
        with pytest.raises(StreamStateError, match=f"a stream that is {state.name} cannot have {event.name}"):
            choose_step(state, event)
    else:
        assert expected == describe(state, event)


def test_the_expected_steps_are_those_of_the_table() -> None:
    """No step is expected that names a state or an event that there is not."""
    assert set(STEPS) == {(state.name, event.name) for state, steps in TABLE.items() for event in steps}


def test_every_state_can_be_reached_and_left() -> None:
    """From the first state each other is reached, and from each of them the end, which has no way out."""
    reached, new = set(), {StreamState.IDLE}
    while new:
        reached |= new
        new = {step.state for state in new for step in TABLE[state].values()} - reached
    assert set(StreamState) == reached
    assert all(TABLE[state][StreamEvent.END].state is StreamState.OVER for state in StreamState)
    assert {StreamState.OVER} == {step.state for step in TABLE[StreamState.OVER].values()}


def test_the_schedule_hears_of_each_change() -> None:
    """A step into or out of the states in which the service tells of its changes says so, and no other step does."""
    told = {StreamAction.RELY_ON_STREAM: (False, True), StreamAction.POLL_AGAIN: (True, False)}
    told[StreamAction.STOP] = (True, False)
    for state, steps in TABLE.items():
        for step in steps.values():
            change = (state in STREAMING, step.state in STREAMING)
            expected = [change] if change[0] != change[1] else []
            assert expected == [told[action] for action in step.actions if action in told]
