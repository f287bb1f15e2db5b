"""What both clients share: options, contexts, the life of settings, snapshots, and what is said of updates."""

import logging
import threading
from datetime import timedelta
from typing import Any

import pytest

from heksher.clients.base_client import BaseHeksherClient
from heksher.clients.conversation.schedule import IDLE_S
from heksher.clients.conversation.stream_policy import StreamPolicy
from heksher.clients.conversation.update import Update
from heksher.clients.offline.fallback import Fallback
from heksher.clients.option import ClientOptions
from heksher.clients.reporting.dispatch import Dispatcher
from heksher.clients.stream_runner import StreamRunner
from heksher.exceptions import ClientStateError, InvalidContextError, InvalidOptionError, StatusError
from heksher.setting import Setting
from tests.support.conversation import DECLARE, FEATURES, QUERY, Conversation, declared, features, queried

OPTIONS = ClientOptions(60, ("a", "b"), "raise", 1, "auto", "raise")


class IdleFollower(StreamRunner):
    """Follows nothing: notes how often it could have, and whether that came to an end."""

    def __init__(self, policy: StreamPolicy) -> None:
        super().__init__(policy)
        self.calls: list[str] = []

    def tend(self) -> None:
        self.calls.append("tend")

    def _is_running(self) -> bool:
        return True

    def stop(self) -> None:
        super().stop()
        self.calls.append("stop")


class Client(BaseHeksherClient):
    """A client without a transport, and without a background: notes how often it was told to look up."""

    def __init__(self, update_interval: Any = 60, context_features: Any = ("a", "b"), **options: Any) -> None:
        own = OPTIONS._replace(update_interval=update_interval, context_features=context_features, **options)
        super().__init__(own, "", Fallback(None, None, ""), Dispatcher())
        self.wake_ups = 0
        self.heard: list[Exception | None] = []

    def _wake_up(self) -> None:
        self.wake_ups += 1

    def _explain_end(self) -> str | None:
        return None

    def _make_stream_runner(self, policy: StreamPolicy) -> IdleFollower:
        return IdleFollower(policy)

    def on_update_ok(self) -> None:
        self.heard.append(None)

    def on_update_error(self, exc: Exception) -> None:
        self.heard.append(exc)


def make_setting(name: str = "size") -> Setting[int]:
    return Setting(name, int, ["a", "b"], 0)


def prepare(client: Client, **default_values: int) -> Update:
    """Play the first update of a client's session."""
    talk = Conversation(client._session.update())
    talk.play((FEATURES, features("a", "b")))
    while DECLARE in talk.asked:
        talk.answer(*[declared()] * len(talk.requests))
    talk.play((QUERY, queried(default_values)))
    return talk.result()


# ---- options


@pytest.mark.parametrize("interval", [1, 0.5, timedelta(minutes=5), 10**400, float("inf"), timedelta.max])
def test_intervals(interval: Any) -> None:
    """An interval is any positive number of seconds, or a timedelta; what no thread could wait for is cut."""
    for options in ({"update_interval": interval}, {"start_timeout": interval}):
        client = Client(**options)
        client._schedule.succeed(0)
        assert 0 < client._schedule.remaining(0) <= threading.TIMEOUT_MAX


@pytest.mark.parametrize("interval", [0, -1, float("nan"), timedelta(0), True, "60"])
def test_wrong_interval(interval: Any) -> None:
    """Anything else is refused when the client starts; the error names the option and the value."""
    client = Client(update_interval=interval)
    with pytest.raises(InvalidOptionError) as raised:
        client._require_interval()
    assert str(raised.value) == (
        f"update_interval must be a positive number of seconds or a timedelta, not {interval!r}"
    )


@pytest.mark.parametrize("updates", ["auto", "stream", "poll"])
def test_no_interval(updates: Any) -> None:
    """Without an interval the client is never due, and follows no stream."""
    client = Client(update_interval=None, updates=updates)
    client._require_interval()
    client._schedule.succeed(0)
    assert (IDLE_S, "poll") == (client._schedule.remaining(0), client._updates)


def test_start_timeout() -> None:
    """The time limit of the start follows the same rules; None means that there is none."""
    Client(start_timeout=None)
    with pytest.raises(InvalidOptionError, match="start_timeout must be a positive number"):
        Client(start_timeout=0)


def test_start_failure() -> None:
    """What a failed start leads to is one of two words."""
    with pytest.raises(InvalidOptionError, match="on_start_failure must be 'raise' or 'continue', not 'log'"):
        Client(on_start_failure="log")


def test_options_are_value_errors() -> None:
    """A program may catch ValueError."""
    with pytest.raises(ValueError, match="start_timeout"):
        Client(start_timeout=0)


def test_features_may_be_any_iterable() -> None:
    """The features are kept as they were when the client was created."""
    names = ["a", "b"]
    client = Client(context_features=iter(names))
    names.clear()
    assert client._context.features == ("a", "b")


# ---- contexts


def test_contexts() -> None:
    """Defaults, tracked values and the namespace are those of the client's context; features may have any name."""
    client = Client(context_features=["a", "self"])
    client.set_defaults(self="x")
    client.track_contexts(self=["x", "y"], a="z")
    assert client.context_namespace({"a": "z"}) == {"a": "z", "self": "x"}
    assert client._context.tracked == {"self": frozenset("xy"), "a": frozenset("z")}
    with pytest.raises(InvalidContextError):
        client.set_defaults(self="y")


@pytest.mark.trap(27)
def test_untracked_reads_are_counted() -> None:
    """How often settings were read with untracked values can be looked at, and not changed."""
    client = Client()
    setting = make_setting()
    client._adopt([setting])
    client._publish(prepare(client, size=1))
    client.track_contexts(a="x", b="y")
    for _ in range(3):
        setting.get(a="z", b="y")
    assert client.untracked_reads == {("size", "a"): 3}
    assert not hasattr(client.untracked_reads, "clear")


# ---- settings


def test_adopt() -> None:
    """New settings hurry the next update, wherever it is waited for; none do not."""
    client = Client()
    client._schedule.succeed(0)
    client._adopt([])
    assert client.wake_ups == 0
    assert client._schedule.remaining(0) > 0
    setting = make_setting()
    client._adopt([setting])
    assert (client.wake_ups, client._schedule.remaining(0)) == (1, 0)
    assert client._has_undeclared_settings()
    assert setting in client.snapshot()


def test_release() -> None:
    """A client that lets go of its settings has nothing to declare; they keep their values."""
    client = Client()
    setting = make_setting()
    client._adopt([setting])
    client._publish(prepare(client, size=1))
    client._release()
    assert not client._has_undeclared_settings()
    assert (len(client.snapshot()), setting.get()) == (0, 1)


@pytest.mark.trap(20)
def test_snapshot() -> None:
    """A snapshot has all settings of the client as they are at the moment."""
    client = Client()
    settings = [make_setting("height"), make_setting("width")]
    client._adopt(settings)
    before = client.snapshot()
    client._publish(prepare(client, height=1, width=2))
    after = client.snapshot()
    assert [before.get(setting) for setting in settings] == [0, 0]
    assert [after.get(setting) for setting in settings] == [1, 2]


# ---- states


def test_states() -> None:
    """What needs a client that runs says so before the start, and after the end."""
    client = Client()
    client._require_open()
    with pytest.raises(ClientStateError, match=r"not started; call set_as_main\(\) first"):
        client._require_running()
    client._begin_run()
    client._require_running()
    assert not client._is_over()
    client._end_run()
    assert client._is_over()
    for check in (client._require_open, client._require_running):
        with pytest.raises(ClientStateError, match="this client is closed; create a new one"):
            check()


def test_waking_is_up_to_each_client() -> None:
    """How the background is woken depends on what the background is."""
    with pytest.raises(TypeError, match="_wake_up"):
        BaseHeksherClient(OPTIONS, "", Fallback(None, None, ""), Dispatcher())  # type: ignore[abstract]


def test_abandoned_start() -> None:
    """After a start that failed a client is as before it, unless it was closed meanwhile."""
    client = Client()
    client._begin_run()
    client._abandon_start(None)
    with pytest.raises(ClientStateError, match="not started"):
        client._require_running()
    client._begin_run()
    client._end_run()
    client._abandon_start(None)
    assert client._is_over()


# ---- what is said of updates


def finish(client: Client, *errors: Exception | None) -> None:
    """End updates of a running client, one after the other; ``None`` stands for success."""
    for error in errors:
        concluded = client._conclude(client._run, 0, error)
        client._announce(concluded)
        assert concluded is error


def make_running(kind: type[Client] = Client) -> Client:
    client = kind()
    client._begin_run()
    return client


@pytest.mark.trap(23)
def test_success_and_failure() -> None:
    """Each failure and each success is told to the callback that is for it, and to no other."""
    client = make_running()
    outcomes = [StatusError("refused"), None, None]
    finish(client, *outcomes)
    assert outcomes == client.heard


def test_success_and_failure_are_scheduled() -> None:
    """After a success the next update is due in an interval, after a failure within the first retry's span."""
    client = make_running()
    finish(client, None)
    assert 48 <= client._schedule.remaining(0) <= 60
    finish(client, StatusError("refused"))
    assert client._schedule.remaining(0) <= 1


@pytest.mark.parametrize("error", [None, StatusError("refused")])
def test_update_that_outlives_its_client(error: Exception | None) -> None:
    """An update that ends after the client was closed is told to nobody, and is no success for who waited for it."""
    client = make_running()
    run = client._run
    client._end_run()
    for ended in (run, client._run):
        concluded = client._conclude(ended, 0, error)
        client._announce(concluded)
        assert isinstance(concluded, ClientStateError)
    assert client.heard == []


def test_failures_in_a_row_are_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    """The first failure of a row is an error, the others are details, and the end of the row is information."""
    caplog.set_level(logging.DEBUG)
    error = StatusError("refused")
    finish(make_running(), error, error, error, None, None, error)
    failure = "error during heksher update: updating settings failed, they keep what they have: refused"
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        ("ERROR", failure),
        ("DEBUG", failure),
        ("DEBUG", failure),
        ("INFO", "updating settings works again"),
        ("ERROR", failure),
    ]
    assert not any(record.exc_info for record in caplog.records)


def test_fault_in_the_process_is_logged_with_its_traceback(caplog: pytest.LogCaptureFixture) -> None:
    """What is not the service's fault is looked for in the program, by its traceback."""
    finish(make_running(), ZeroDivisionError("a mistake"))
    assert "ZeroDivisionError: a mistake" in caplog.text


class RudeClient(Client):
    """A client whose callbacks fail."""

    def on_update_ok(self) -> None:
        raise KeyError("rude")

    def on_update_error(self, exc: Exception) -> None:
        raise KeyError("rude") from exc


@pytest.mark.trap(8)
def test_callbacks_that_fail(caplog: pytest.LogCaptureFixture) -> None:
    """A callback that raises is an entry in the log, and stops nothing."""
    finish(make_running(RudeClient), StatusError("refused"), None)
    messages = [record.getMessage() for record in caplog.records if record.exc_info]
    assert messages == ["on_update_error failed; updates go on", "on_update_ok failed; updates go on"]


def test_callbacks_do_nothing_by_default(caplog: pytest.LogCaptureFixture) -> None:
    """Without callbacks of the program's own, outcomes are in the log only."""
    client = make_running(Client)
    BaseHeksherClient.on_update_ok(client)
    BaseHeksherClient.on_update_error(client, StatusError("refused"))
    assert [] == caplog.records
