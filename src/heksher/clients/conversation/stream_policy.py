"""Following the service's changes by a stream: when it is opened, what comes of it, and when it counts as lost.

Theory
------
A stream only ever brings an update forward. What settings answer comes from queries, with or without it, so whatever
becomes of a stream costs time at most: while it is alive the client asks more rarely, and as soon as it is lost it asks
as it would without.

A stream is alive once a comment or an event has come in, which a service sends at once; status and headers may be those
of a proxy that keeps the rest to itself. It is lost when it ends, and when it is silent for longer than it may be.

What is not to be had (a status that refuses it, an answer that is no stream, nothing within the first seconds) is
looked for rarely. Any other failure is followed by attempts at random moments, ever further apart.

Told the time, never asking for it. Used by one thread or task, but for ``look`` and ``end``, which need no lock: each
value is replaced by one assignment, and what is decided with an old one is noticed with the next heartbeat.

Source: docs/adr/0010-answers-from-memory.md.
"""

import logging
import random
from collections.abc import Callable
from typing import Final, Literal

from heksher.clients.conversation.event_stream import EventReader, EventStreamError, ServerEvent
from heksher.clients.conversation.exchange import Outcome, Request, Response
from heksher.clients.conversation.querying import Query
from heksher.clients.conversation.response_reader import read_retry_after
from heksher.clients.conversation.schedule import MAX_RETRY_AFTER_S, Schedule
from heksher.clients.conversation.session import Session
from heksher.exceptions import TransportError
from heksher.wire import STREAM_CAPABILITY, parse_revision

logger: logging.Logger = logging.getLogger(__name__)

UpdateMode = Literal["auto", "poll", "stream"]

# After its first update a client waits for so long, at random between these, before it opens a stream. Many may have
# been started together; and a process that has just started one is perhaps about to fork, which is best done while
# nothing is under way.
FIRST_DELAYS_S: Final = (0.5, 1.5)

# A service sends a heartbeat as soon as the stream is open. What takes longer is kept back by something in between.
OPENING_S: Final = 15.0

# Three heartbeats of the service.
SILENCE_S: Final = 45.0

# After the n-th loss or failure in a row, the next attempt is made within 2**(n-1) seconds, but within the longest.
FIRST_RETRY_S: Final = 1.0
MAX_RETRY_S: Final = 60.0

# A stream that lives for so long ends a row of losses: one that something ends after some seconds each time does not.
STEADY_S: Final = 60.0

# After how long a client looks again for a stream that is not to be had.
REFUSED_S: Final = 600.0

# What a service, or a proxy, may say that is well again soon.
_TRANSIENT: Final = frozenset({408, 425, 429, 500, 502, 503, 504})


class StreamPolicy:
    """The stream of one run of a client.

    Args:
        mode: ``"poll"`` for never.
        session: says what is followed, and is told which revision to ask for.
        schedule: is told when updates are needed.
        wake_up: has the background look at the schedule again.

    Attributes:
        is_streaming: whether a stream is alive.
        is_hurried: whether the next attempt is due earlier than was said.
    """

    def __init__(self, mode: UpdateMode, session: Session, schedule: Schedule, wake_up: Callable[[], object]) -> None:
        self._mode = mode
        self._session = session
        self._schedule = schedule
        self._wake_up = wake_up
        self.is_streaming: bool = False
        self.is_hurried: bool = False
        self._is_over = False
        # What the stream under way answers, when it was begun and when it came alive. The first is None while there is
        # none, the last before there was a sign of life.
        self._query: Query | None = None
        self._begun_s = 0.0
        self._alive_s: float | None = None
        self._events = EventReader()
        # None before there was something to follow.
        self._due_s: float | None = None
        # For how long the service has asked to stay away, at its end; None if it has not.
        self._told_s: float | None = None
        # Of the last row: losses and failures, and losses alone.
        self._failures = self._losses = 0
        # What the service announced when it was found that a stream is not to be had; None if that was not found.
        self._refused_by: frozenset[str] | None = None
        self._is_warned = False

    @property
    def is_outdated(self) -> bool:
        """Whether the stream under way, if there is one, is about something else than the client asks for by now."""
        return self._query is not None and self._query != self._session.query

    def look(self) -> bool:
        """Return whether there is something to follow; to be called after each update."""
        if self._is_over or self._mode == "poll" or self._session.query is None:
            return False
        capabilities = self._session.capabilities
        if self._refused_by is not None and self._refused_by != capabilities:
            # Another service may be there now.
            self._refused_by, self._due_s, self.is_hurried = None, 0.0, True
        if STREAM_CAPABILITY not in capabilities:
            self.do_without("it does not announce one")
            return False
        return True

    def end(self, now_s: float) -> None:
        """Stop for good: nothing that comes in later has any effect."""
        self._is_over = True
        self._note_silence(now_s)

    def remaining(self, now_s: float) -> float | None:
        """Return the seconds until a stream is to be opened; ``None`` if there is nothing to follow any more."""
        if self.look():
            if self._due_s is None:
                self._due_s = now_s + random.uniform(*FIRST_DELAYS_S)  # noqa: S311 - spreads load, guards nothing
            return max(0.0, self._due_s - now_s)
        if self._note_silence(now_s):
            self._wake_up()
        return None

    def begin(self, now_s: float) -> Request | None:
        """Return the request for the stream that is opened now; ``None`` if there is nothing to follow."""
        query = self._session.query if self.look() else None
        self._query, self.is_hurried = query, False
        self._begun_s, self._alive_s, self._told_s = now_s, None, None
        self._events = EventReader()
        return None if query is None else self._session.make_stream_request(query)

    def receive(self, chunk: bytes, now_s: float) -> bool:
        """Take what has come in; return whether it was a sign of life.

        Raises:
            EventStreamError: the stream is to be ended.
        """
        if self._is_over:
            raise EventStreamError("the client follows no longer")
        if self.is_outdated:
            raise EventStreamError("the client asks for something else by now")
        events = self._events.feed(chunk)
        if events and self._alive_s is None:
            self._come_alive(now_s)
        for event in events:
            self._handle(event, now_s)
        return bool(events)

    def conclude(self, outcome: Outcome | None, now_s: float) -> None:
        """Note how a stream ended.

        Args:
            outcome: what there was in its place, or what ended it; ``None`` if the service did.
            now_s: the time.
        """
        is_outdated, self._query = self.is_outdated, None
        if self._is_over:
            return
        if is_outdated:
            # Nothing was lost: the next one is opened at once, and is told what this one was not.
            self._due_s = now_s
            return
        reason = _describe(outcome)
        if self._alive_s is None:
            self._note_failure(outcome, reason, now_s)
        else:
            self._note_loss(reason, now_s - self._alive_s, now_s)
        if self._note_silence(now_s):
            self._wake_up()

    def do_without(self, reason: str) -> None:
        """Say, once, that there is no stream, if the program wants one."""
        if self._mode == "stream" and not self._is_warned:
            self._is_warned = True
            logger.warning("there is no stream of the service's changes, updates go on by polling: %s", reason)

    # ---- alive

    def _come_alive(self, now_s: float) -> None:
        self._alive_s = now_s
        self._refused_by = None
        if self.is_streaming:
            # The one before was about something else.
            return
        self.is_streaming = True
        self._schedule.note_stream(now_s, is_open=True)
        if self._is_over:
            # Another thread has ended it in this very moment.
            self._note_silence(now_s)
        # After the first loss of a row this is news, after the others it is not.
        logger.log(
            logging.INFO if self._losses <= 1 else logging.DEBUG, "following the changes of the service by a stream"
        )

    def _handle(self, event: ServerEvent, now_s: float) -> None:
        if event.kind == "change":
            self._handle_change(event, now_s)
        elif event.kind == "end" and event.retry_ms is not None:
            self._told_s = min(event.retry_ms / 1000, MAX_RETRY_S)

    def _handle_change(self, event: ServerEvent, now_s: float) -> None:
        published = self._session.revision
        revision = parse_revision(event.last_id)
        if revision is not None and revision == published:
            return
        # An earlier one is news, too: that the service was restored from a backup.
        if revision is not None and (published is None or revision > published):
            self._session.require_revision(revision)
        self._schedule.nudge(now_s)
        self._wake_up()

    # ---- lost

    def _note_silence(self, now_s: float) -> bool:
        """Note that the service tells of nothing any more; return whether it did until now."""
        was_streaming, self.is_streaming = self.is_streaming, False
        if was_streaming:
            self._schedule.note_stream(now_s, is_open=False)
        return was_streaming

    def _note_loss(self, reason: str, lasted_s: float, now_s: float) -> None:
        if lasted_s >= STEADY_S:
            self._failures = self._losses = 0
        level = logging.INFO if self._losses == 0 else logging.DEBUG
        logger.log(level, "the stream of changes has ended, polling until there is one again: %s", reason)
        self._losses += 1
        self._back_off(now_s)
        if self._told_s is not None:
            self._due_s = now_s + self._told_s

    def _note_failure(self, outcome: Outcome | None, reason: str, now_s: float) -> None:
        logger.debug("the stream of changes cannot be opened: %s", reason)
        self.do_without(reason)
        is_transient = outcome.status in _TRANSIENT if isinstance(outcome, Response) else outcome is not None
        if is_transient and now_s - self._begun_s < OPENING_S:
            asked_s = read_retry_after(outcome.headers) if isinstance(outcome, Response) else None
            self._back_off(now_s + min(asked_s or 0.0, MAX_RETRY_AFTER_S))
        else:
            self._refused_by = self._session.capabilities
            self._due_s = now_s + REFUSED_S * random.uniform(0.5, 1)  # noqa: S311 - as above

    def _back_off(self, from_s: float) -> None:
        self._failures += 1
        span_s = min(FIRST_RETRY_S * 2 ** min(self._failures - 1, 30), MAX_RETRY_S)
        self._due_s = from_s + random.uniform(0, span_s)  # noqa: S311 - as above


def _describe(outcome: Outcome | None) -> str:
    if isinstance(outcome, TransportError):
        return str(outcome)
    return "the service has ended it" if outcome is None else f"it was answered with status {outcome.status}"
