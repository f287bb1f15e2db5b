"""The states of a client's stream, and what leads from one to another: the table that ``StreamPolicy`` runs on.

Theory
------
A stream only ever brings an update forward, so it may be anywhere in this table without a setting being wrong. The
table says two things: which state follows, and what is done on the way. *Whether the service tells of its changes* is a
function of the state, and so no step can forget to say so.

A stream counts as alive once something that makes sense has come in, not when it was answered: status and headers may
be those of a proxy that keeps the rest to itself. When the client asks for something else than its stream is about, the
next one takes its place. Nothing is lost then: ``SWITCHING`` and ``REOPENING`` are ``WAITING`` and ``OPENING`` with the
service still counting as one that tells of its changes, until it turns out that it does not.

All events but ``END`` come from the one thread or task that runs the stream. A pair that is not in the table is a
mistake in the calling code, and is refused; what is ignored on purpose stands in the table as a step to the same state
without an action. In ``OVER`` everything is ignored, because what was under way may come to its end later.

The documentation shows the same table: ``make stream-table``.
"""

from collections.abc import Mapping
from enum import Enum
from types import MappingProxyType
from typing import Final, NamedTuple


class StreamState(Enum):
    """Where a stream is; the value says what that means."""

    IDLE = 'there is nothing to follow: no update yet, `updates="poll"`, or a service that announces no streams'
    WAITING = "the next attempt is due at a known moment"
    OPENING = "the request is sent, and nothing that makes sense has come in"
    ALIVE = "comments or events come in"
    SWITCHING = "the client asks for something else by now; a stream about that is due at once"
    REOPENING = "as opening, for the stream that takes the place of another"
    REFUSED = "a stream is not to be had; it is looked for rarely"
    OVER = "the client has ended, or runs anew"


class StreamEvent(Enum):
    """What can happen; the value says what that means."""

    AVAILABLE = "the service announces streams"
    UNAVAILABLE = "the service announces none, or there is nothing to ask for"
    CHANGED_SERVICE = "the service announces something else than when it refused"
    BEGIN = "the request is sent"
    SIGN_OF_LIFE = "a comment or an event has come in"
    LOSS = "a stream that was alive has ended, or was silent for too long"
    FAILURE = "the attempt failed in a way that may soon be well again"
    REFUSAL = "the answer says that a stream is not to be had, or none came in time"
    REPLACEMENT = "the stream was ended because the client asks for something else"
    INTERRUPTION = "the task or thread that ran it has ended, cancelled by the program perhaps"
    END = "the client is closed, dropped, forked or started anew"


class StreamAction(Enum):
    """What is done on the way; the value says it."""

    PLAN_FIRST = "plan the first attempt, within a second or so"
    PLAN_AT_ONCE = "plan an attempt at once"
    PLAN_RETRY = "plan an attempt after a random time that grows from one second to a minute"
    PLAN_AFTER_LOSS = (
        "plan an attempt when the service said, else as after a failure; a first one if the stream lasted a minute"
    )
    PLAN_RARE = "plan an attempt after five to ten minutes"
    RELY_ON_STREAM = "poll each five minutes only"
    POLL_ONCE = "poll once, within a moment"
    POLL_AGAIN = "poll in the usual interval again, from a random moment within it on"
    STOP = "poll in the usual interval again, if the client goes on"


class StreamStep(NamedTuple):
    """One entry of the table.

    Attributes:
        state: the state that follows.
        actions: what is done, in this order.
    """

    state: StreamState
    actions: tuple[StreamAction, ...] = ()


class StreamStateError(RuntimeError):
    """An event came that cannot come in this state: a mistake in the code that calls."""


def _step(state: StreamState, *actions: StreamAction) -> StreamStep:
    return StreamStep(state, actions)


_S, _E, _A = StreamState, StreamEvent, StreamAction

TABLE: Final[Mapping[StreamState, Mapping[StreamEvent, StreamStep]]] = MappingProxyType(
    {
        _S.IDLE: {
            _E.AVAILABLE: _step(_S.WAITING, _A.PLAN_FIRST),
            _E.UNAVAILABLE: _step(_S.IDLE),
            _E.INTERRUPTION: _step(_S.IDLE),
            _E.END: _step(_S.OVER),
        },
        _S.WAITING: {
            _E.AVAILABLE: _step(_S.WAITING),
            _E.UNAVAILABLE: _step(_S.IDLE),
            _E.BEGIN: _step(_S.OPENING),
            _E.INTERRUPTION: _step(_S.WAITING),
            _E.END: _step(_S.OVER),
        },
        _S.OPENING: {
            # What happened before is not for sure told on this stream.
            _E.SIGN_OF_LIFE: _step(_S.ALIVE, _A.RELY_ON_STREAM, _A.POLL_ONCE),
            _E.FAILURE: _step(_S.WAITING, _A.PLAN_RETRY),
            _E.REFUSAL: _step(_S.REFUSED, _A.PLAN_RARE),
            _E.REPLACEMENT: _step(_S.WAITING, _A.PLAN_AT_ONCE),
            _E.INTERRUPTION: _step(_S.WAITING, _A.PLAN_AT_ONCE),
            _E.END: _step(_S.OVER),
        },
        _S.ALIVE: {
            _E.SIGN_OF_LIFE: _step(_S.ALIVE),
            _E.LOSS: _step(_S.WAITING, _A.PLAN_AFTER_LOSS, _A.POLL_AGAIN),
            _E.REPLACEMENT: _step(_S.SWITCHING, _A.PLAN_AT_ONCE),
            _E.INTERRUPTION: _step(_S.WAITING, _A.PLAN_AT_ONCE, _A.POLL_AGAIN),
            _E.END: _step(_S.OVER, _A.STOP),
        },
        _S.SWITCHING: {
            _E.AVAILABLE: _step(_S.SWITCHING),
            _E.UNAVAILABLE: _step(_S.IDLE, _A.POLL_AGAIN),
            _E.BEGIN: _step(_S.REOPENING),
            _E.INTERRUPTION: _step(_S.WAITING, _A.POLL_AGAIN),
            _E.END: _step(_S.OVER, _A.STOP),
        },
        _S.REOPENING: {
            # It was said before that the service tells of its changes, and nothing said otherwise since.
            _E.SIGN_OF_LIFE: _step(_S.ALIVE, _A.POLL_ONCE),
            _E.FAILURE: _step(_S.WAITING, _A.PLAN_RETRY, _A.POLL_AGAIN),
            _E.REFUSAL: _step(_S.REFUSED, _A.PLAN_RARE, _A.POLL_AGAIN),
            _E.REPLACEMENT: _step(_S.SWITCHING, _A.PLAN_AT_ONCE),
            _E.INTERRUPTION: _step(_S.WAITING, _A.PLAN_AT_ONCE, _A.POLL_AGAIN),
            _E.END: _step(_S.OVER, _A.STOP),
        },
        _S.REFUSED: {
            _E.AVAILABLE: _step(_S.REFUSED),
            # When there is a stream again, another service has announced it.
            _E.UNAVAILABLE: _step(_S.IDLE, _A.PLAN_AT_ONCE),
            _E.CHANGED_SERVICE: _step(_S.WAITING, _A.PLAN_AT_ONCE),
            _E.BEGIN: _step(_S.OPENING),
            _E.INTERRUPTION: _step(_S.REFUSED),
            _E.END: _step(_S.OVER),
        },
        _S.OVER: {event: _step(_S.OVER) for event in StreamEvent},
    }
)

# Where the service counts as one that tells of its changes.
STREAMING: Final = frozenset({_S.ALIVE, _S.SWITCHING, _S.REOPENING})


def choose_step(state: StreamState, event: StreamEvent) -> StreamStep:
    """Return what an event leads to.

    Raises:
        StreamStateError: the event cannot come in this state.
    """
    step = TABLE[state].get(event)
    if step is None:
        raise StreamStateError(f"a stream that is {state.name} cannot have {event.name}")
    return step
