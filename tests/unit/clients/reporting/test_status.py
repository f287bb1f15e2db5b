"""What a client says of its own health: states, what they follow from, and the age of the data."""

from datetime import UTC, datetime, timedelta

import pytest

from heksher.clients.reporting import status
from heksher.clients.reporting.status import ClientHealth, ClientStatus, SettingStatus

START = datetime(2026, 11, 1, 12, tzinfo=UTC)


class Clock:
    """The two clocks that the module looks at, to be moved by hand."""

    def __init__(self) -> None:
        self.wall = START
        self.monotonic_s = 1000.0

    def move(self, wall_s: float, monotonic_s: float | None = None) -> None:
        """Move both; the second one as far as the first if nothing else is said."""
        self.wall += timedelta(seconds=wall_s)
        self.monotonic_s += wall_s if monotonic_s is None else monotonic_s


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(status, "_now", lambda: clock.wall)
    monkeypatch.setattr(status.time, "monotonic", lambda: clock.monotonic_s)
    return clock


@pytest.fixture
def health(clock: Clock) -> ClientHealth:
    assert START == clock.wall
    return ClientHealth()


def test_a_new_client_is_starting(health: ClientHealth):
    """Before the first update there is nothing but the defaults."""
    expected = ClientStatus(
        state="starting",
        since=START,
        last_success=None,
        last_error=None,
        last_error_at=None,
        age_s=None,
        revision=None,
        source="defaults",
        settings={},
        is_streaming=False,
        stream_problem=None,
        missing_contexts={},
        token_expires_at=None,
    )
    assert expected == health.make_status({})


def test_success(clock: Clock, health: ClientHealth):
    """After an update the data is the service's, and as old as the update."""
    clock.move(5)
    health.confirm(7)
    assert health.succeed()
    clock.move(2)
    status_seen = health.make_status({})
    assert ("current", START + timedelta(seconds=5), 2.0, 7, "service") == (
        status_seen.state,
        status_seen.since,
        status_seen.age_s,
        status_seen.revision,
        status_seen.source,
    )
    assert status_seen.since == status_seen.last_success
    assert not health.succeed()
    assert status_seen.since == health.make_status({}).since


def test_failure_without_data(clock: Clock, health: ClientHealth):
    """A client that never had data has failed, and says why and when."""
    clock.move(1)
    assert health.fail("no route")
    clock.move(1)
    assert not health.fail("still none")
    status_seen = health.make_status({})
    assert ("failed", START + timedelta(seconds=1), "still none", START + timedelta(seconds=2), None) == (
        status_seen.state,
        status_seen.since,
        status_seen.last_error,
        status_seen.last_error_at,
        status_seen.age_s,
    )


def test_failure_with_data(clock: Clock, health: ClientHealth):
    """A client that had data is stale, and its data ages, until an update succeeds again."""
    health.confirm(None)
    health.succeed()
    clock.move(10)
    assert health.fail("timeout")
    assert ("stale", 10.0) == (health.make_status({}).state, health.make_status({}).age_s)
    health.confirm(None)
    assert health.succeed()
    assert ("current", 0.0, "timeout") == (
        health.make_status({}).state,
        health.make_status({}).age_s,
        health.make_status({}).last_error,
    )


def test_fallback(clock: Clock, health: ClientHealth):
    """From the file of last known values on, the client is stale, and the age is that of what the file holds."""
    health.fall_back("file", START - timedelta(hours=1), 3)
    health.fail("refused")
    clock.move(60)
    status_seen = health.make_status({})
    assert ("stale", 3660.0, 3, "file", None) == (
        status_seen.state,
        status_seen.age_s,
        status_seen.revision,
        status_seen.source,
        status_seen.last_success,
    )


def test_bootstrap_has_no_age(health: ClientHealth):
    """Nobody knows how old a bootstrap is."""
    health.fall_back("bootstrap", None, None)
    assert ("bootstrap", None) == (health.make_status({}).source, health.make_status({}).age_s)


@pytest.mark.parametrize(
    ("wall_s", "monotonic_s", "age_s"), [(-86400, 5, 5.0), (86400, 5, 86400.0), (600, 0, 600.0), (0, 7, 7.0)]
)
def test_clocks_that_jump(clock: Clock, health: ClientHealth, wall_s: float, monotonic_s: float, age_s: float):
    """A clock that is set back, or one that stands still while the machine sleeps, makes no data younger."""
    health.confirm(None)
    clock.move(wall_s, monotonic_s)
    assert age_s == health.make_status({}).age_s


def test_close(health: ClientHealth):
    """A closed client says so, once."""
    assert [True, False] == [health.close(), health.close()]
    assert "closed" == health.make_status({}).state


def test_settings_are_shown(health: ClientHealth):
    """The status_seen has what is known of each setting."""
    settings = {"size": SettingStatus(is_declared=True, is_missing=False, rejected=("bad",), is_stale=True)}
    assert settings == health.make_status(settings).settings


def test_repr(health: ClientHealth):
    """A status shows in a line how the client is doing, and while it is not well, what failed last."""
    health.confirm(7)
    health.succeed()
    since = health.make_status({}).since.isoformat(timespec="seconds")
    assert f"<ClientStatus current since {since}, 0 settings from service>" == repr(health.make_status({}))
    health.fail("no answer")
    assert repr(health.make_status({})).endswith("0 settings from service, last error: no answer>")
