"""Following the service's changes by a stream: when it is opened, what comes of it, and when it counts as lost.

Theory
------
A stream only ever brings an update forward. What settings answer comes from queries, with or without it, so whatever
becomes of a stream costs time at most: while it is alive the client asks more rarely, and as soon as it is lost it asks
as it would without.

The states of a stream, and what leads from one to another, are the table of ``stream_state``. This module finds out
which event has happened, and does what the table says.

The policy is told the time, and never asks for it. One thread or task calls it; only ``look``, ``end`` and the
properties may be called by any. They need no lock, and must not have one, because a process may be forked, or a signal
handled, at any moment: what they read is replaced by one assignment, and ``end`` sets one flag for good.

Source: docs/explanation/streams.md; docs/adr/0010-answers-from-memory.md.
"""

import logging
import math
from collections.abc import Callable, Iterable, Mapping
from typing import Final, Literal, NamedTuple

from heksher.backoff import FailureRow, draw
from heksher.clients.conversation.event_stream import EventReader, EventStreamError, ServerEvent
from heksher.clients.conversation.exchange import Outcome, Request, Response
from heksher.clients.conversation.query_protocol import Query
from heksher.clients.conversation.response_reader import read_retry_after
from heksher.clients.conversation.schedule import MAX_RETRY_AFTER_S, Schedule
from heksher.clients.conversation.session import Session
from heksher.clients.conversation.stream_state import (
    STREAMING,
    StreamAction,
    StreamEvent,
    StreamState,
    choose_step,
)
from heksher.clients.conversation.unexpected_status import describe_refused_credential
from heksher.exceptions import TransportError
from heksher.revision_id import parse_revision_id
from heksher.wire import STREAM_CAPABILITY

logger: logging.Logger = logging.getLogger(__name__)

UpdateMode = Literal["auto", "poll", "stream"]

# After its first update a client waits for so long, at random between these, before it opens a stream. Many may have
# been started together; and a process that has just started one is perhaps about to fork, which is best done while
# nothing is in flight.
FIRST_DELAYS_S: Final = (0.5, 1.5)

# A service sends a heartbeat as soon as the stream is open. What takes longer is kept back by something in between.
OPENING_S: Final = 15.0

# Three heartbeats of the service.
SILENCE_S: Final = 45.0

# Within which time the next attempt is made after the first loss or failure of a row, and the longest such time.
FIRST_RETRY_S: Final = 1.0
MAX_RETRY_S: Final = 60.0

# A stream that lives for so long ends a row of losses: one that something ends after some seconds each time does not.
STEADY_S: Final = 60.0

# After how long, at most, a client looks again for a stream that is not to be had.
REFUSED_S: Final = 600.0

_OK: Final = 200
# What a service, or a proxy, may say that is well again soon.
_TRANSIENT: Final = frozenset({408, 425, 429, 500, 502, 503, 504})


class _FollowedStream:
    """The stream under way.

    Attributes:
        query: what it answers.
        reader: reads what comes in.
        retry_s: for how long the service asked to stay away, at the end; ``None`` if it did not.
    """

    __slots__ = ("query", "reader", "retry_s")

    def __init__(self, query: Query) -> None:
        self.query: Query = query
        self.reader: EventReader = EventReader()
        self.retry_s: float | None = None


class _Occasion(NamedTuple):
    """What the actions of a step are told.

    Attributes:
        lasted_s: for how long the stream was in the state that it leaves; 0 where no action asks for that.
        outcome: what came in place of a stream, or what ended it; ``None`` if the service ended it, or nothing did.
        retry_s: as in ``_FollowedStream``.
    """

    now_s: float
    lasted_s: float = 0.0
    outcome: Outcome | None = None
    retry_s: float | None = None


class StreamPolicy:
    """The stream of one run of a client.

    Args:
        mode: ``"poll"`` for never.
        session: says what is followed, and is told which revision to ask for.
        schedule: is told when updates are needed.
        wake_up: has the background look at the schedule again.

    Attributes:
        due_s: when the next attempt is due; infinity before one was planned.
        problem: why there is no stream; ``None`` while there is one, before the first attempt, and if none is wanted.
    """

    def __init__(self, mode: UpdateMode, session: Session, schedule: Schedule, wake_up: Callable[[], object]) -> None:
        self._mode = mode
        self._session = session
        self._schedule = schedule
        self._wake_up = wake_up
        self._state = StreamState.IDLE
        # When it began.
        self._since_s = 0.0
        # Whether the state is OVER, whatever the thread that runs the stream makes of the other attribute meanwhile.
        self._is_over = False
        # None while there is none.
        self._stream: _FollowedStream | None = None
        self.due_s: float = math.inf
        self.problem: str | None = None
        # Losses and failed attempts, and losses alone.
        self._failures = FailureRow()
        self._losses = FailureRow()
        # What the service announced when it refused; counts in that state only.
        self._refused_by: frozenset[str] = frozenset()
        self._is_warned = False

    @property
    def state(self) -> StreamState:
        """Where the stream is."""
        return StreamState.OVER if self._is_over else self._state

    @property
    def is_streaming(self) -> bool:
        """Whether the service tells of its changes."""
        return self.state in STREAMING

    @property
    def is_outdated(self) -> bool:
        """Whether the stream under way, if there is one, is about something else than the client asks for by now."""
        stream = self._stream
        return stream is not None and stream.query != self._session.query

    @property
    def is_hurried(self) -> bool:
        """Whether the next attempt is due earlier than was planned: another service may be there now."""
        return self.state is StreamState.REFUSED and self._refused_by != self._session.capabilities

    def look(self) -> bool:
        """Return whether there is something to follow. May be called from any thread."""
        if self._is_over or self._mode == "poll" or self._session.query is None:
            return False
        if STREAM_CAPABILITY not in self._session.capabilities:
            self.do_without("it does not announce one")
            return False
        return True

    def do_without(self, reason: str) -> None:
        """Note why there is no stream; say it, once, if the program wants one."""
        self.problem = reason
        if self._mode == "stream" and not self._is_warned:
            self._is_warned = True
            logger.warning("there is no stream of the service's changes, updates go on by polling: %s", reason)

    def end(self, now_s: float) -> None:
        """Stop for good: nothing that comes in later has any effect. May be called from any thread."""
        # Before looking at the state: the thread that runs the stream may be changing it, and looks at this afterwards.
        was_over, self._is_over = self._is_over, True
        if not was_over:
            self._act(choose_step(self._state, StreamEvent.END).actions, _Occasion(now_s))

    def resume(self, now_s: float) -> None:
        """Begin to run the stream, in a thread or task that is new: one before it may have been ended for this one."""
        if self._stream is not None:
            self._finish(StreamEvent.REPLACEMENT, now_s)

    def interrupt(self, now_s: float) -> None:
        """Note that the thread or task that ran the stream has ended: there is polling until another one runs it."""
        self._finish(StreamEvent.INTERRUPTION, now_s)

    def remaining(self, now_s: float) -> float | None:
        """Return the seconds until a stream is to be opened; ``None`` if there is nothing to follow any more."""
        if not self.look():
            self._take(StreamEvent.UNAVAILABLE, now_s)
            return None
        self._take(StreamEvent.CHANGED_SERVICE if self.is_hurried else StreamEvent.AVAILABLE, now_s)
        return max(0.0, self.due_s - now_s)

    def begin(self, now_s: float) -> Request | None:
        """Return the request for the stream that is opened now; ``None`` if there is nothing to follow any more."""
        remaining_s, query = self.remaining(now_s), self._session.query
        if remaining_s is None or query is None:
            return None
        self._take(StreamEvent.BEGIN, now_s)
        self._stream = _FollowedStream(query)
        return self._session.make_stream_request(query)

    def receive(self, chunk: bytes, now_s: float) -> bool:
        """Take what has come in; return whether it was a sign of life.

        Raises:
            EventStreamError: the stream is to be ended.
        """
        stream = self._stream
        if self._is_over or stream is None:
            raise EventStreamError("the client follows no longer")
        if self.is_outdated:
            raise EventStreamError("the client asks for something else by now")
        events = stream.reader.feed(chunk)
        if events:
            self._take(StreamEvent.SIGN_OF_LIFE, now_s)
        for event in events:
            self._handle(stream, event, now_s)
        return bool(events)

    def conclude(self, outcome: Outcome | None, now_s: float) -> None:
        """Note how a stream ended.

        Args:
            outcome: what there was in its place, or what ended it; ``None`` if the service did.
            now_s: the time.
        """
        self._finish(self._classify(outcome, now_s), now_s, outcome)

    # ---- events

    def _take(
        self, event: StreamEvent, now_s: float, outcome: Outcome | None = None, retry_s: float | None = None
    ) -> None:
        """Do what the table says."""
        state, actions = choose_step(self.state, event)
        occasion = _Occasion(now_s, now_s - self._since_s, outcome, retry_s)
        if state is not self._state:
            self._state, self._since_s = state, now_s
        self._act(actions, occasion)

    def _act(self, actions: Iterable[StreamAction], occasion: _Occasion) -> None:
        for action in actions:
            _ACTIONS[action](self, occasion)

    def _finish(self, event: StreamEvent, now_s: float, outcome: Outcome | None = None) -> None:
        stream, self._stream = self._stream, None
        self._take(event, now_s, outcome, None if stream is None else stream.retry_s)

    def _classify(self, outcome: Outcome | None, now_s: float) -> StreamEvent:
        if self.is_outdated:
            return StreamEvent.REPLACEMENT
        if self.state is StreamState.ALIVE:
            return StreamEvent.LOSS
        is_transient = outcome.status in _TRANSIENT if isinstance(outcome, Response) else outcome is not None
        is_soon = now_s - self._since_s < OPENING_S
        return StreamEvent.FAILURE if is_transient and is_soon else StreamEvent.REFUSAL

    def _handle(self, stream: _FollowedStream, event: ServerEvent, now_s: float) -> None:
        if event.kind == "change":
            self._handle_change(event, now_s)
        elif event.kind == "end" and event.retry_ms is not None:
            stream.retry_s = min(event.retry_ms / 1000, MAX_RETRY_S)

    def _handle_change(self, event: ServerEvent, now_s: float) -> None:
        published, told = self._session.revision, parse_revision_id(event.last_id)
        if told is not None and published is not None and told.may_be(published):
            return
        # An earlier one is news, too, and so is the same number with another stamp: that the service has lost changes.
        if told is not None:
            self._session.require_revision(told)
        self._schedule.nudge(now_s)
        self._wake_up()

    # ---- actions

    def _plan_first(self, occasion: _Occasion) -> None:
        # One that was planned before, for a service that had streams, is due when it was.
        if self.due_s == math.inf:
            self.due_s = occasion.now_s + draw(*FIRST_DELAYS_S)

    def _plan_at_once(self, occasion: _Occasion) -> None:
        self.due_s = occasion.now_s

    def _plan_retry(self, occasion: _Occasion) -> None:
        self._tell_failure(occasion)
        outcome = occasion.outcome
        asked_s = read_retry_after(outcome.headers) if isinstance(outcome, Response) else None
        self._back_off(occasion.now_s + min(asked_s or 0.0, MAX_RETRY_AFTER_S))

    def _plan_after_loss(self, occasion: _Occasion) -> None:
        if occasion.lasted_s >= STEADY_S:
            self._failures.end()
            self._losses.end()
        level = self._losses.fail(logging.INFO)
        self.problem = reason = _describe(occasion.outcome)
        logger.log(level, "the stream of changes has ended, polling until there is one again: %s", reason)
        self._back_off(occasion.now_s)
        if occasion.retry_s is not None:
            self.due_s = occasion.now_s + occasion.retry_s

    def _plan_rare(self, occasion: _Occasion) -> None:
        self._tell_failure(occasion)
        self._refused_by = self._session.capabilities
        self.due_s = occasion.now_s + REFUSED_S * draw(0.5, 1)

    def _rely_on_stream(self, occasion: _Occasion) -> None:
        self.problem = None
        self._schedule.note_stream(occasion.now_s, is_open=True)
        if self._is_over:
            # Another thread has ended it in this very moment, perhaps before the line above.
            self._stop(occasion)
        # After the first loss of a row this is news, after the others it is not.
        level = logging.INFO if self._losses.count <= 1 else logging.DEBUG
        logger.log(level, "following the changes of the service by a stream")

    def _poll_once(self, occasion: _Occasion) -> None:
        self._schedule.nudge(occasion.now_s)
        self._wake_up()

    def _poll_again(self, occasion: _Occasion) -> None:
        self._stop(occasion)
        self._wake_up()

    def _stop(self, occasion: _Occasion) -> None:
        self._schedule.note_stream(occasion.now_s, is_open=False)

    def _tell_failure(self, occasion: _Occasion) -> None:
        reason = _describe(occasion.outcome)
        if occasion.lasted_s >= OPENING_S:
            reason += "; something in between may keep back what it should pass on, as a proxy does that buffers"
        logger.debug("the stream of changes cannot be opened: %s", reason)
        self.do_without(reason)

    def _back_off(self, from_s: float) -> None:
        self._failures.fail()
        self.due_s = from_s + draw(0, self._failures.span_s(first_s=FIRST_RETRY_S, longest_s=MAX_RETRY_S))


_ACTIONS: Final[Mapping[StreamAction, Callable[[StreamPolicy, _Occasion], None]]] = {
    StreamAction.PLAN_FIRST: StreamPolicy._plan_first,
    StreamAction.PLAN_AT_ONCE: StreamPolicy._plan_at_once,
    StreamAction.PLAN_RETRY: StreamPolicy._plan_retry,
    StreamAction.PLAN_AFTER_LOSS: StreamPolicy._plan_after_loss,
    StreamAction.PLAN_RARE: StreamPolicy._plan_rare,
    StreamAction.RELY_ON_STREAM: StreamPolicy._rely_on_stream,
    StreamAction.POLL_ONCE: StreamPolicy._poll_once,
    StreamAction.POLL_AGAIN: StreamPolicy._poll_again,
    StreamAction.STOP: StreamPolicy._stop,
}


def _describe(outcome: Outcome | None) -> str:
    if isinstance(outcome, TransportError):
        return str(outcome)
    if outcome is None:
        return "the service has ended it"
    text = f"it was answered with status {outcome.status}"
    encoding = outcome.headers.get("content-encoding")
    if outcome.status == _OK and encoding is not None:
        return f"{text} and Content-Encoding {encoding}, which nobody asked for: something in between compresses it"
    if outcome.status == _OK:
        return f"{text} and Content-Type {outcome.headers.get('content-type')}, as something in between may do"
    return text + describe_refused_credential(outcome)
