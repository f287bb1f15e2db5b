"""Following the service's changes: when a stream is opened, what an event means, and what is done when it is lost."""

import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from typing import Final
from unittest import mock

import pytest

from heksher.clients.conversation.event_stream import EventStreamError
from heksher.clients.conversation.exchange import Outcome, Request, Response
from heksher.clients.conversation.schedule import MAX_NUDGE_DELAY_S, NET_INTERVAL_S, Schedule
from heksher.clients.conversation.session import Session
from heksher.clients.conversation.stream_policy import (
    FIRST_DELAYS_S,
    MAX_RETRY_S,
    OPENING_S,
    REFUSED_S,
    STEADY_S,
    StreamPolicy,
    UpdateMode,
)
from heksher.clients.conversation.stream_state import (
    STREAMING,
    TABLE,
    StreamAction,
    StreamEvent,
    StreamState,
    StreamStateError,
)
from heksher.context import ClientContext
from heksher.exceptions import TransportError
from tests.support.conversation import FEATURES, QUERY, Conversation, features, queried, respond

NOW_S: Final = 1000.0
INTERVAL_S: Final = 60.0
HEARTBEAT: Final = b":\n\n"
LOST: Final = TransportError("reset by peer")
STAMP: Final = "0123456789ab"
OTHER_STAMP: Final = "fedcba987654"
FOLLOWING: Final = "following the changes of the service by a stream"


def draw(share: float) -> AbstractContextManager[object]:
    """Have everything that is drawn at random be this share of the way from the lowest to the highest value."""
    return mock.patch("random.uniform", lambda low, high: low + share * (high - low))


class Stage:
    """A policy with all that it decides about.

    Attributes:
        policy: to be tested.
        session: of a client without settings, up to date with a service at revision 17.
        schedule: that of the client, whose last update was at ``NOW_S``.
        wake_ups: how often the background was woken.
    """

    def __init__(self, mode: UpdateMode = "auto", *capabilities: str) -> None:
        self.session = Session(ClientContext(("a",)))
        self.schedule = Schedule(INTERVAL_S)
        self.wake_ups = 0
        self.policy = StreamPolicy(mode, self.session, self.schedule, self._wake_up)
        self.update(*(capabilities or ("stream",)))

    def update(self, *capabilities: str, revision: int | None = 17, stamp: str = "") -> None:
        """Have an update succeed, from a service that announces these capabilities."""
        told = {"heksher-capabilities": ",".join(capabilities)}
        if revision is not None:
            told["heksher-revision"] = str(revision)
        if stamp:
            told["heksher-revision-id"] = f"{revision}-{stamp}"
        talk = Conversation(self.session.update())
        if talk.asked == [FEATURES]:
            talk.answer(features("a"))
        answer = queried({}, ("a",))
        talk.play((QUERY, answer._replace(headers={**answer.headers, **told})))
        self.session.publish(talk.result())
        self.schedule.begin()
        self.schedule.succeed(NOW_S)

    def open(self, now_s: float = NOW_S) -> Request:
        """Open a stream that is alive, and have the client ask once, as it does then."""
        request = self.begin(now_s)
        assert self.policy.receive(HEARTBEAT, now_s)
        self.schedule.begin()
        self.schedule.succeed(NOW_S)
        self.wake_ups = 0
        return request

    def begin(self, now_s: float = NOW_S) -> Request:
        """Send the request for a stream."""
        request = self.policy.begin(now_s)
        assert request is not None
        return request

    def tell(self, revision: int | str, now_s: float = NOW_S) -> None:
        """Have the service tell of a change."""
        self.policy.receive(b"event: change\nid: %s\ndata: {}\n\n" % str(revision).encode(), now_s)

    def wait_s(self, now_s: float = NOW_S) -> float:
        """Return how long the policy waits for its next attempt."""
        delay_s = self.policy.remaining(now_s)
        assert delay_s is not None
        return delay_s

    def _wake_up(self) -> None:
        self.wake_ups += 1


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> Callable[[], list[tuple[str, str]]]:
    """What was said so far, taken."""
    caplog.set_level(logging.INFO, "heksher")

    def take() -> list[tuple[str, str]]:
        records = [(record.levelname, record.getMessage()) for record in caplog.records]
        caplog.clear()
        return records

    return take


# ---- whether to follow


def test_first_stream_is_opened_soon() -> None:
    """The first attempt comes a moment after the first look, at random, and is due until it is made."""
    for share, due_s in zip((0.0, 1.0), FIRST_DELAYS_S, strict=True):
        stage = Stage()
        with draw(share):
            assert due_s == stage.wait_s()
            assert 0 == stage.wait_s(NOW_S + 5)


def test_nothing_to_follow_before_an_update() -> None:
    """A client that was never answered has nothing to follow."""
    policy = StreamPolicy("auto", Session(ClientContext(("a",))), Schedule(INTERVAL_S), lambda: None)
    assert (False, None, None) == (policy.look(), policy.remaining(NOW_S), policy.begin(NOW_S))


@pytest.mark.parametrize(("mode", "capability"), [("poll", "stream"), ("auto", "aliases"), ("stream", "aliases")])
def test_nothing_to_follow(mode: UpdateMode, capability: str) -> None:
    """Who polls, or whose service has no streams, asks for none."""
    stage = Stage(mode, capability)
    assert (False, None, None) == (stage.policy.look(), stage.policy.remaining(NOW_S), stage.policy.begin(0))


def test_request() -> None:
    """A stream is asked for what the client asks for, from the published revision on."""
    stage = Stage()
    request = stage.begin()
    assert {"settings": "", "context_filters": "*", "include_metadata": "false"} == request.params
    assert ("17", "17") == (request.headers["Last-Event-ID"], request.headers["Heksher-Min-Revision"])


def test_request_with_a_stamp() -> None:
    """The stamp is told with the last event, where an older service ignores it, and not with what is demanded."""
    stage = Stage()
    stage.update("stream", stamp=STAMP)
    request = stage.begin()
    assert (f"17-{STAMP}", "17") == (request.headers["Last-Event-ID"], request.headers["Heksher-Min-Revision"])


def test_request_without_a_revision() -> None:
    """Where no revision is known there is no event that was the last."""
    stage = Stage()
    stage.update("stream", revision=None)
    assert {"Accept", "Accept-Encoding"} == set(stage.begin().headers)


# ---- alive


def test_alive(log: Callable[[], list[tuple[str, str]]]) -> None:
    """With the first sign of life, and not before, the service is asked as rarely as a net needs it; that is said."""
    stage = Stage()
    stage.begin()
    assert not stage.policy.receive(b"nonsense\n\n", NOW_S)
    assert (False, []) == (stage.policy.is_streaming, log())
    assert stage.policy.receive(HEARTBEAT, NOW_S)
    assert (True, [("INFO", FOLLOWING)]) == (stage.policy.is_streaming, log())
    stage.schedule.begin()
    stage.schedule.succeed(NOW_S)
    assert 0.8 * NET_INTERVAL_S <= stage.schedule.remaining(NOW_S) <= NET_INTERVAL_S


def test_opening_asks_once() -> None:
    """What happened before a stream was alive may not be told on it, so the client asks within a moment."""
    stage = Stage()
    stage.begin()
    stage.policy.receive(HEARTBEAT, NOW_S)
    assert (1, True) == (stage.wake_ups, stage.schedule.remaining(NOW_S) <= MAX_NUDGE_DELAY_S)


def test_heartbeats_are_no_news() -> None:
    """A sign of life changes nothing but that there was one."""
    stage = Stage()
    stage.open()
    assert stage.policy.receive(HEARTBEAT * 3, NOW_S)
    assert (0, False) == (stage.wake_ups, stage.schedule.remaining(NOW_S) < 1)


@pytest.mark.parametrize("revision", [18, 10**17, 16, "unknown", "", "9" * 4000])
def test_change(revision: int | str) -> None:
    """A revision that is not the published one has an update made within a moment."""
    stage = Stage()
    stage.open()
    stage.tell(revision)
    assert stage.schedule.remaining(NOW_S) <= MAX_NUDGE_DELAY_S
    assert 1 == stage.wake_ups


@pytest.mark.parametrize(("stamp", "told"), [("", "17"), ("", f"17-{STAMP}"), (STAMP, "17"), (STAMP, f"17-{STAMP}")])
def test_change_that_is_published(stamp: str, told: str) -> None:
    """The published revision is no change, whoever knows its stamp."""
    stage = Stage()
    stage.update("stream", stamp=stamp)
    stage.open()
    stage.tell(told)
    assert (0, False) == (stage.wake_ups, stage.schedule.remaining(NOW_S) < 1)


def test_other_change_with_the_published_number() -> None:
    """The number of what is published, with another stamp, means that the service has lost what is published."""
    stage = Stage()
    stage.update("stream", stamp=STAMP)
    stage.open()
    stage.tell(f"17-{OTHER_STAMP}")
    assert (1, True) == (stage.wake_ups, stage.schedule.remaining(NOW_S) <= MAX_NUDGE_DELAY_S)


@pytest.mark.parametrize(
    ("stamp", "revision", "demanded"),
    [
        ("", 18, "18"),
        ("", 16, "17"),
        ("", "unknown", "17"),
        (STAMP, 18, "18"),
        (STAMP, 16, f"17-{STAMP}"),
        (STAMP, f"18-{OTHER_STAMP}", f"18-{OTHER_STAMP}"),
        (STAMP, f"17-{OTHER_STAMP}", "9" * 18),
        (STAMP, f"16-{OTHER_STAMP}", "9" * 18),
    ],
)
def test_change_is_demanded(stamp: str, revision: int | str, demanded: str) -> None:
    """The update asks for what the service told of.

    An earlier number says nothing without its stamp. With that, it may be of another history: then any process is made
    to look at its database, by a number that none has.
    """
    stage = Stage()
    stage.update("stream", stamp=stamp)
    stage.open()
    stage.tell(revision)
    [request] = Conversation(stage.session.update()).requests
    assert demanded == request.headers["Heksher-Min-Revision"]


def test_other_events() -> None:
    """Events that nobody knows are signs of life, and nothing else."""
    stage = Stage()
    stage.open()
    assert stage.policy.receive(b"event: teleport\nid: 99\ndata: {}\n\n", NOW_S)
    assert 0 == stage.wake_ups


def test_other_question() -> None:
    """A stream about something that the client no longer asks for is ended, and the next one opened at once."""
    stage = Stage()
    stage.open()
    assert not stage.policy.is_outdated
    # It is asked in other words from the next query on.
    stage.update("stream", "aliases")
    stage.update("stream", "aliases")
    assert stage.policy.is_outdated
    with pytest.raises(EventStreamError):
        stage.policy.receive(HEARTBEAT, NOW_S)
    stage.policy.conclude(LOST, NOW_S)
    assert (0, True, 0) == (stage.wait_s(), stage.policy.is_streaming, stage.wake_ups)
    assert "true" == stage.open().params["include_aliases"]


def test_other_question_while_there_is_no_stream() -> None:
    """While the next attempt is waited for, nothing is about anything: there is nothing to be ended."""
    stage = Stage()
    stage.open()
    stage.policy.conclude(LOST, NOW_S)
    stage.update("stream", "aliases")
    stage.update("stream", "aliases")
    assert not stage.policy.is_outdated


# ---- lost


@pytest.mark.parametrize("outcome", [None, LOST])
def test_lost(outcome: Outcome | None, log: Callable[[], list[tuple[str, str]]]) -> None:
    """When a stream ends the client asks again as it would without, from within one interval on; that is said."""
    stage = Stage()
    stage.open()
    log()
    with draw(0.5):
        stage.policy.conclude(outcome, NOW_S + 100)
    assert (False, 1, INTERVAL_S / 2) == (
        stage.policy.is_streaming,
        stage.wake_ups,
        stage.schedule.remaining(NOW_S + 100),
    )
    reason = "the service has ended it" if outcome is None else "reset by peer"
    text = f"the stream of changes has ended, polling until there is one again: {reason}"
    assert [("INFO", text)] == log()


def test_losses_in_a_row_are_said_once(log: Callable[[], list[tuple[str, str]]]) -> None:
    """A stream that something ends again and again is not worth a line each time, until it lasts for a while."""
    stage = Stage()
    for _ in range(4):
        stage.open()
        stage.policy.conclude(None, NOW_S + STEADY_S - 1)
    assert ["following", "the stream", "following"] == [text.rpartition(" of")[0][:10].strip() for _, text in log()][:3]
    assert [] == log()
    stage.open()
    stage.policy.conclude(None, NOW_S + STEADY_S)
    stage.open()
    assert [("INFO", FOLLOWING)] == log()[1:]


def test_attempts_after_losses() -> None:
    """After losses attempts come at random moments, ever further apart, up to a minute; a steady stream ends that."""
    stage = Stage()
    waits = []
    with draw(1.0):
        for _ in range(9):
            stage.open()
            stage.policy.conclude(LOST, NOW_S)
            waits.append(stage.wait_s())
        assert [1, 2, 4, 8, 16, 32, 60, 60, 60] == waits
        stage.open()
        stage.policy.conclude(LOST, NOW_S + STEADY_S)
        assert 1 == stage.wait_s(NOW_S + STEADY_S)
    with draw(0.0):
        stage.open()
        stage.policy.conclude(LOST, NOW_S)
        assert 0 == stage.wait_s()


@pytest.mark.parametrize(("retry_ms", "wait_s"), [(1234, 1.234), (0, 0), (999_999_999, MAX_RETRY_S)])
def test_service_that_says_when_to_come_back(retry_ms: int, wait_s: float) -> None:
    """A time that comes with the end is the time of the next attempt, within reason; it holds for that one only."""
    stage = Stage()
    stage.open()
    stage.policy.receive(b"event: end\nretry: %d\n\n" % retry_ms, NOW_S)
    stage.policy.conclude(None, NOW_S)
    assert wait_s == pytest.approx(stage.wait_s())
    stage.open()
    with draw(1.0):
        stage.policy.conclude(None, NOW_S)
    assert 2 == stage.wait_s()


# ---- not to be had


@pytest.mark.parametrize(
    "outcome",
    [respond("", 404), respond("", 405), respond("", 501), respond("", 401), respond("<html>"), respond("", 302), None],
)
def test_stream_that_is_refused(outcome: Response | None) -> None:
    """What is not to be had is looked for after some minutes, and polling goes on as it was."""
    stage = Stage()
    before_s = stage.schedule.remaining(NOW_S)
    for share, wait_s in ((0.0, REFUSED_S / 2), (1.0, REFUSED_S)):
        stage.begin()
        with draw(share):
            stage.policy.conclude(outcome, NOW_S)
        assert wait_s == stage.wait_s()
    assert (before_s, 0) == (stage.schedule.remaining(NOW_S), stage.wake_ups)


@pytest.mark.parametrize("outcome", [respond("", 503), respond("", 500), respond("", 429), respond("", 408), LOST])
def test_stream_that_fails(outcome: Outcome) -> None:
    """What may be well again soon is tried again soon."""
    stage = Stage()
    with draw(1.0):
        for wait_s in (1, 2, 4):
            stage.begin()
            stage.policy.conclude(outcome, NOW_S)
            assert wait_s == stage.wait_s()


def test_stream_that_something_keeps_back() -> None:
    """Where nothing has come in for as long as a first sign of life may take, a stream is not to be had."""
    stage = Stage()
    stage.begin()
    stage.policy.conclude(LOST, NOW_S + OPENING_S)
    assert stage.wait_s(NOW_S + OPENING_S) >= REFUSED_S / 2


@pytest.mark.parametrize(("retry_after", "wait_s"), [("7", 8), ("99999", 3601), ("soon", 1)])
def test_stream_that_fails_for_a_time(retry_after: str, wait_s: float) -> None:
    """A service that says for how long is asked after that time, within reason."""
    stage = Stage()
    stage.begin()
    with draw(1.0):
        stage.policy.conclude(respond("", 503, {"retry-after": retry_after}), NOW_S)
    assert wait_s == stage.wait_s()


def test_other_service_after_a_refusal() -> None:
    """When the service announces something else than when it refused, it is another one: it is tried at once."""
    stage = Stage()
    stage.begin()
    stage.policy.conclude(respond("", 404), NOW_S)
    stage.update("stream")
    assert stage.wait_s() > 0
    assert not stage.policy.is_hurried
    stage.update("stream", "post-query")
    assert (True, True) == (stage.policy.look(), stage.policy.is_hurried)
    assert 0 == stage.wait_s()
    stage.begin()
    assert not stage.policy.is_hurried


def test_service_that_no_longer_has_streams() -> None:
    """When the capability is gone, nothing is followed any more, and polling goes on in the usual interval."""
    stage = Stage()
    stage.open()
    stage.update("aliases")
    stage.policy.conclude(None, NOW_S)
    assert None is stage.policy.remaining(NOW_S)
    assert (False, True) == (stage.policy.is_streaming, stage.schedule.remaining(NOW_S) <= INTERVAL_S)


# ---- what is said to who wants a stream


@pytest.mark.parametrize("mode", ["auto", "stream"])
def test_warning(mode: UpdateMode, log: Callable[[], list[tuple[str, str]]]) -> None:
    """Only a program that wants a stream is told that there is none, and why, once."""
    stage = Stage(mode)
    for _ in range(3):
        stage.begin()
        stage.policy.conclude(respond("", 404), NOW_S)
    text = "there is no stream of the service's changes, updates go on by polling: it was answered with status 404"
    assert ([("WARNING", text)] if mode == "stream" else []) == log()


def test_warning_of_a_service_without_streams(log: Callable[[], list[tuple[str, str]]]) -> None:
    """So it is with a service that has none."""
    stage = Stage("stream", "aliases")
    stage.policy.look()
    stage.policy.look()
    text = "there is no stream of the service's changes, updates go on by polling: it does not announce one"
    assert [("WARNING", text)] == log()


# ---- the table


def ask_in_other_words(stage: Stage) -> None:
    stage.update("stream", "aliases")
    stage.update("stream", "aliases")
    stage.policy.conclude(LOST, NOW_S)


# What is done to get a new policy into each state.
WAYS: Final[Mapping[StreamState, Sequence[Callable[[Stage], object]]]] = {
    StreamState.IDLE: [],
    StreamState.WAITING: [Stage.wait_s],
    StreamState.OPENING: [Stage.begin],
    StreamState.ALIVE: [Stage.open],
    StreamState.SWITCHING: [Stage.open, ask_in_other_words],
    StreamState.REOPENING: [Stage.open, ask_in_other_words, Stage.begin],
    StreamState.REFUSED: [Stage.begin, lambda stage: stage.policy.conclude(respond("", 404), NOW_S)],
    StreamState.OVER: [lambda stage: stage.policy.end(NOW_S)],
}

# How each event is told to a policy.
TELLING: Final[Mapping[StreamEvent, Sequence[Callable[[Stage], object]]]] = {
    StreamEvent.AVAILABLE: [lambda stage: stage.policy.remaining(NOW_S)],
    StreamEvent.UNAVAILABLE: [lambda stage: stage.update("aliases"), lambda stage: stage.policy.remaining(NOW_S)],
    StreamEvent.CHANGED_SERVICE: [
        lambda stage: stage.update("stream", "post-query"),
        lambda stage: stage.policy.remaining(NOW_S),
    ],
    StreamEvent.BEGIN: [lambda stage: stage.policy.begin(NOW_S)],
    StreamEvent.SIGN_OF_LIFE: [lambda stage: stage.policy.receive(HEARTBEAT, NOW_S)],
    StreamEvent.LOSS: [lambda stage: stage.policy.conclude(None, NOW_S)],
    StreamEvent.FAILURE: [lambda stage: stage.policy.conclude(LOST, NOW_S)],
    StreamEvent.REFUSAL: [lambda stage: stage.policy.conclude(respond("", 404), NOW_S)],
    StreamEvent.REPLACEMENT: [lambda stage: stage.policy.resume(NOW_S)],
    StreamEvent.INTERRUPTION: [lambda stage: stage.policy.interrupt(NOW_S)],
    StreamEvent.END: [lambda stage: stage.policy.end(NOW_S)],
}

# What each action changes, where whatever is drawn at random is the largest: when the next attempt is due, in seconds
# from now; when the next update is, likewise; and how often the background is woken.
EFFECTS: Final[Mapping[StreamAction, tuple[float | None, float | None, int]]] = {
    StreamAction.PLAN_FIRST: (1.5, None, 0),
    StreamAction.PLAN_AT_ONCE: (0, None, 0),
    StreamAction.PLAN_RETRY: (1, None, 0),
    StreamAction.PLAN_AFTER_LOSS: (1, None, 0),
    StreamAction.PLAN_RARE: (600, None, 0),
    StreamAction.RELY_ON_STREAM: (None, 300, 0),
    StreamAction.POLL_ONCE: (None, MAX_NUDGE_DELAY_S, 1),
    StreamAction.POLL_AGAIN: (None, 60, 1),
    StreamAction.STOP: (None, 60, 0),
}


@pytest.mark.parametrize(
    ("state", "event"),
    [(state, event) for state, steps in TABLE.items() for event in steps],
    ids=lambda part: part.name,
)
def test_each_step_of_the_table(state: StreamState, event: StreamEvent) -> None:
    """What happens to a policy in each state leads to the state that the table says, and has the effects of it."""
    with draw(1.0):
        stage = Stage()
        for lead in WAYS[state]:
            lead(stage)
        assert state is stage.policy.state
        *preparation, tell = TELLING[event]
        for prepare in preparation:
            prepare(stage)
        step = TABLE[state][event]
        due_s, update_s, wakes = stage.policy.due_s, stage.schedule.remaining(NOW_S), 0
        for effect in map(EFFECTS.__getitem__, step.actions):
            due_s = due_s if effect[0] is None else NOW_S + effect[0]
            update_s = update_s if effect[1] is None else effect[1]
            wakes += effect[2]
        with suppress(EventStreamError):
            tell(stage)
    assert (step.state, due_s) == (stage.policy.state, stage.policy.due_s)
    assert (update_s, wakes) == (stage.schedule.remaining(NOW_S), stage.wake_ups)
    assert (stage.policy.state in STREAMING) == stage.policy.is_streaming


def test_what_cannot_be() -> None:
    """Calls out of order are refused: an attempt while there is a stream, the end of one where there is none."""
    stage = Stage()
    stage.wait_s()
    with pytest.raises(StreamStateError, match="WAITING cannot have FAILURE"):
        stage.policy.conclude(LOST, NOW_S)
    stage.open()
    with pytest.raises(StreamStateError, match="ALIVE cannot have AVAILABLE"):
        stage.policy.begin(NOW_S)


def test_thread_that_is_gone_without_a_word() -> None:
    """Whoever takes over opens the next stream at once; the service counts as following until that fails."""
    stage = Stage()
    stage.open()
    stage.policy.resume(NOW_S)
    assert (0, True) == (stage.wait_s(), stage.policy.is_streaming)
    stage.open()
    assert (StreamState.ALIVE, 0) == (stage.policy.state, stage.wake_ups)


def test_stream_of_another_service_after_a_refusal() -> None:
    """A service that announced no streams for a while is asked at once when it does, whatever it refused before."""
    stage = Stage()
    stage.begin()
    stage.policy.conclude(respond("", 404), NOW_S)
    stage.update("aliases")
    assert (True, None) == (stage.policy.is_hurried, stage.policy.remaining(NOW_S))
    stage.update("stream")
    assert 0 == stage.wait_s()


# ---- the end


def test_end() -> None:
    """After the end nothing is followed, and nothing that comes in, or ends, has any effect."""
    stage = Stage()
    stage.open()
    stage.policy.end(NOW_S)
    assert (False, None, 0) == (stage.policy.is_streaming, stage.policy.remaining(NOW_S), stage.wake_ups)
    with pytest.raises(EventStreamError):
        stage.tell(18)
    stage.policy.conclude(LOST, NOW_S)
    assert stage.schedule.remaining(NOW_S) <= INTERVAL_S
    assert 0 == stage.wake_ups


def test_end_while_the_stream_comes_alive() -> None:
    """A policy that another thread ends in the moment in which the stream comes alive leaves no trace of it."""
    stage = Stage()
    stage.begin()
    note_stream = stage.schedule.note_stream

    def be_ended(now_s: float, *, is_open: bool) -> None:
        if is_open:
            stage.policy.end(now_s)
        note_stream(now_s, is_open=is_open)

    with mock.patch.object(stage.schedule, "note_stream", be_ended):
        stage.policy.receive(HEARTBEAT, NOW_S)
    assert (False, True) == (stage.policy.is_streaming, stage.schedule.remaining(NOW_S) <= INTERVAL_S)
