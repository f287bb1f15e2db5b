"""How both clients start: become main, declare what there is, read it, and go on in the background."""

import asyncio
import gc
import threading
import time
from concurrent.futures import Future
from contextlib import ExitStack
from datetime import timedelta

import httpx2
import pytest

from heksher import Setting, main_client
from heksher.clients.conversation.schedule import IDLE_S
from heksher.exceptions import ClientStateError, InvalidOptionError
from tests.support.drivers import LONG_S, NO_INTERVAL, SHORT_S, DrivenClient, Driver
from tests.support.fake_service import (
    DEADLINE_S,
    DECLARE,
    FEATURES,
    HEALTH,
    QUERY,
    Busy,
    FakeService,
    Gate,
    answer,
    fail,
    in_turn,
)
from tests.support.waiting import wait_until


def test_a_started_client_gives_settings_their_values(driver: Driver, service: FakeService):
    """After the start a setting answers by the service's rules, and by its default where none matches."""
    setting = Setting("s", int, ["a", "b"], 0)
    service.set_default("s", 1)
    service.add_rule("s", 1, 2, a="x")
    driver.start(service)
    assert (1, 2) == (setting.get(a="other", b="any"), setting.get(a="x", b="any"))


def test_before_the_start_settings_answer_their_defaults(driver: Driver, service: FakeService):
    """A client that is not started yet neither asks anything nor changes what settings answer."""
    setting = Setting("s", int, ["a"], 5)
    driver.create(service)
    assert (5, []) == (setting.get(), service.calls)


def test_the_start_declares_every_setting(driver: Driver, service: FakeService):
    """Settings that were created before there was a client are declared when one becomes main."""
    settings = [Setting(name, int, ["a"], 0) for name in ("one", "two", "three")]
    driver.start(service)
    assert sorted(setting.name for setting in settings) == sorted(service.declared())


def test_without_settings_the_start_asks_for_none(driver: Driver, service: FakeService):
    """A client of a program without settings starts, with a query for no settings at all."""
    driver.start(service)
    assert [""] == [query["settings"] for query in service.queries()]


def test_settings_that_are_gone_are_not_declared(driver: Driver, service: FakeService):
    """A setting that nothing refers to any longer is not kept alive to be declared."""
    kept = Setting("kept", int, ["a"], 0)
    dropped = Setting("dropped", int, ["a"], 0)
    del dropped
    gc.collect()
    driver.start(service)
    assert [kept.name] == service.declared()


def test_a_with_block_starts_and_closes(driver: Driver, service: FakeService):
    """``with`` and ``async with`` make the client main for the time of the block."""
    client = driver.create(service)
    with client.entered():
        assert client.native is main_client.get()
    assert main_client.get() is None
    assert [] == driver.find_leftovers()


def test_a_second_start_does_nothing(driver: Driver, service: FakeService):
    """Starting a client that runs asks nothing and changes nothing."""
    client = driver.start(service)
    calls = list(service.calls)
    client.start()
    assert (calls, client.native) == (service.calls, main_client.get())


def test_the_interval_is_in_seconds_or_a_timedelta(driver: Driver, service: FakeService):
    """A client updates again and again, after each interval."""
    for interval in (SHORT_S, timedelta(seconds=SHORT_S)):
        client = driver.start(service, interval_s=interval)
        queries = len(service.queries())
        service.await_calls(QUERY, queries + 2)
        client.close()
        assert len(service.queries()) >= queries + 2


@pytest.mark.parametrize("interval", [0, -1, float("nan"), True, "300", timedelta(0)])
def test_an_impossible_interval_is_refused(driver: Driver, service: FakeService, interval: object):
    """An interval that is no positive number is an error of the start, which names it; the client can be created."""
    client = driver.create(service, interval_s=interval)
    with pytest.raises(InvalidOptionError, match="update_interval must be a positive number"):
        client.start()
    assert main_client.get() is None


def test_without_an_interval_there_are_no_updates(driver: Driver, service: FakeService):
    """But those that are asked for, and one when a setting is created."""
    client = driver.start(service, interval_s=None, updates="auto")
    assert IDLE_S == client.native._schedule.remaining(time.monotonic())
    service.set_default("s", 1)
    setting = Setting("s", int, ["a"], 0)
    client.await_success()
    client.await_success()
    assert 1 == setting.get()
    service.set_default("s", 2)
    client.reload()
    assert 2 == setting.get()
    assert not client.native.status.is_streaming


def test_intervals_without_end(driver: Driver, service: FakeService):
    """With an interval longer than any clock the client updates once, and on demand."""
    setting = Setting("s", int, ["a"], 0)
    client = driver.start(service, interval_s=float("inf"), start_timeout=timedelta.max)
    service.set_default("s", 1)
    client.reload()
    assert 1 == setting.get()
    later = Setting("later", int, ["a"], 0)
    service.await_calls(DECLARE, 2)
    assert ["s", later.name] == service.declared()


@pytest.mark.parametrize("option", [{"on_start_failure": "ignore"}, {"start_timeout": 0}])
def test_impossible_options_are_refused(driver: Driver, service: FakeService, option: dict[str, object]):
    """An option that cannot work is the constructor's error, a ValueError that names it."""
    with pytest.raises(ValueError, match=next(iter(option))):
        driver.create(service, **option)


def test_start_after_close_is_an_error(driver: Driver, service: FakeService):
    """A closed client cannot be started again; the error says what to do."""
    client = driver.start(service)
    client.close()
    with pytest.raises(ClientStateError, match="create a new one"):
        client.start()
    assert main_client.get() is None


# ---- starts that fail

HTML = answer(200, "<html>please log in</html>")

# What may go wrong at the start, as (path, behaviour).
FAILURES = {
    "features unreachable": (FEATURES, fail(httpx2.ConnectError("refused"))),
    "features in HTML": (FEATURES, HTML),
    "features of another shape": (FEATURES, answer(200, {"context_features": "abc"})),
    "credentials refused for a declaration": (DECLARE, answer(401, "who are you?")),
    "query unreachable": (QUERY, fail(httpx2.ConnectError("refused"))),
    "query in HTML": (QUERY, HTML),
    "query of another shape": (QUERY, answer(200, {"settings": []})),
    "query fails": (QUERY, answer(503, "starting")),
    "query redirected": (QUERY, answer(302, "", Location="http://login.test")),
    "query nothing new": (QUERY, answer(304, "")),
}
failures = pytest.mark.parametrize(("route", "behaviour"), FAILURES.values(), ids=FAILURES.keys())


@pytest.mark.trap(22)
@failures
def test_a_failed_start_raises_if_asked_to(driver: Driver, service: FakeService, route: str, behaviour):
    """With ``on_start_failure="raise"`` either client's start raises, leaves nothing running, and may be repeated."""
    setting = Setting("s", int, ["a"], 0)
    client = driver.create(service, on_start_failure="raise")
    with service.behaving(route, behaviour), pytest.raises(httpx2.HTTPError):
        client.start()
    assert main_client.get() is None
    assert [] == driver.find_leftovers()
    service.set_default("s", 1)
    client.start()
    assert (1, client.native) == (setting.get(), main_client.get())


@failures
def test_a_failed_start_goes_on_if_asked_to(
    driver: Driver, service: FakeService, caplog: pytest.LogCaptureFixture, route: str, behaviour
):
    """With ``on_start_failure="continue"`` either client logs the failure, and tries on until it works."""
    setting = Setting("s", int, ["a"], 0)
    client = driver.create(service, on_start_failure="continue", interval_s=SHORT_S)
    with service.behaving(route, behaviour):
        client.start()
        assert isinstance(client.await_outcome(), httpx2.HTTPError)
        assert isinstance(client.await_outcome(), httpx2.HTTPError)
        assert 0 == setting.get()
    service.set_default("s", 1)
    client.await_success()
    client.reload()
    assert 1 == setting.get()
    assert ["ERROR"] == [record.levelname for record in caplog.records if "settings failed" in record.getMessage()]


def test_by_default_the_async_client_raises_and_the_thread_client_goes_on(driver: Driver, service: FakeService):
    """Existing programs rely on these defaults."""
    client = driver.create(service)
    with service.behaving(QUERY, answer(500)):
        if driver.kind == "async":
            with pytest.raises(httpx2.HTTPStatusError):
                client.start()
        else:
            client.start()
    assert (driver.kind == "thread") == (main_client.get() is client.native)


@pytest.mark.trap(12)
@failures
def test_after_a_failed_start_the_previous_client_is_main_again(
    driver: Driver, service: FakeService, route: str, behaviour
):
    """The main client until then goes on to follow all settings."""
    setting = Setting("s", int, ["a"], 0)
    first = driver.start(service)
    second_service = FakeService(*service.features)
    second = driver.create(second_service, on_start_failure="raise")
    with second_service.behaving(route, behaviour), pytest.raises(httpx2.HTTPError):
        second.start()
    assert first.native is main_client.get()
    service.set_default("s", 1)
    first.reload()
    assert 1 == setting.get()


def test_a_repeated_start_declares_everything_again(driver: Driver, service: FakeService):
    """What was declared when a start failed is declared again by the next one: the service may have lost it since."""
    settings = [Setting(name, int, ["a"], 0) for name in ("one", "two")]
    client = driver.create(service, on_start_failure="raise")
    with service.behaving(QUERY, answer(500)), pytest.raises(httpx2.HTTPError):
        client.start()
    client.start()
    assert sorted([setting.name for setting in settings] * 2) == sorted(service.declared())


@pytest.mark.parametrize("route", [FEATURES, DECLARE, QUERY])
def test_the_start_has_a_time_limit(driver: Driver, service: FakeService, monkeypatch: pytest.MonkeyPatch, route: str):
    """A start that takes too long is a failed start, an httpx TimeoutException; it asks nothing after that."""
    monkeypatch.setattr("heksher.clients.update_thread.CLOSE_TIMEOUT_S", SHORT_S)
    setting = Setting("s", int, ["a"], 0)
    client = driver.create(service, on_start_failure="raise", start_timeout=0.5)
    with service.holding(route) as gate:
        with pytest.raises(httpx2.TimeoutException, match=r"the start took longer than 0\.5 s"):
            client.start()
        assert main_client.get() is None
        calls = list(service.calls)
        gate.open()
        assert [] == driver.find_leftovers()
    assert calls == service.calls
    client.start()
    assert (0, client.native) == (setting.get(), main_client.get())


def test_a_start_that_takes_too_long_can_go_on_in_the_background(driver: Driver, service: FakeService):
    """With ``on_start_failure="continue"`` a hanging service does not keep the program from starting."""
    setting = Setting("s", int, ["a"], 0)
    service.set_default("s", 1)
    client = driver.create(service, on_start_failure="continue", start_timeout=0.05, interval_s=SHORT_S)
    with service.holding(QUERY) as gate:
        client.start()
        assert isinstance(client.await_outcome(), httpx2.TimeoutException)
        assert 0 == setting.get()
        gate.open()
        client.await_success()
    assert 1 == setting.get()


def test_no_time_limit(driver: Driver, service: FakeService):
    """``start_timeout=None`` leaves the limit to the HTTP client."""
    client = driver.start(service, start_timeout=None)
    assert client.native is main_client.get()


# ---- starts at once


def begin_ten_starts(driver: Driver, client: DrivenClient) -> "list[Future[None]]":
    """Begin ten starts, and wait until all of them are under way; the service has to hold the first one."""
    starts = [client.begin("set_as_main") for _ in range(10)]
    if driver.kind == "async":
        # A loop runs what was begun in this order.
        driver.run(asyncio.sleep, 0)
    else:
        assert wait_until(lambda: [10] == [len(start.callers) for start in client.native._starts._attempts.values()])
    return starts


def test_starts_at_once_share_a_success(driver: Driver, service: FakeService):
    """Of ten calls at once one starts; all return after that start, and there is one client in the background."""
    setting = Setting("s", int, ["a"], 0)
    service.set_default("s", 1)
    client = driver.create(service)
    with service.holding(QUERY) as gate:
        starts = begin_ten_starts(driver, client)
        gate.await_requests()
        assert [False] * 10 == [start.done() for start in starts]
        gate.open()
        assert [None] * 10 == [start.exception(DEADLINE_S) for start in starts]
    assert (1, 1) == (setting.get(), len(service.queries()))


def test_starts_at_once_share_a_failure(driver: Driver, service: FakeService):
    """When the start fails, it fails for all that wait for it."""
    client = driver.create(service, interval_s=NO_INTERVAL, on_start_failure="raise")
    gate = Gate()
    with service.behaving(QUERY, gate.hold(answer(500))):
        starts = begin_ten_starts(driver, client)
        gate.open()
        errors = [start.exception(DEADLINE_S) for start in starts]
    assert [True] * 10 == [isinstance(error, httpx2.HTTPStatusError) for error in errors]
    assert 1 == len(service.queries())
    assert main_client.get() is None


# ---- declarations


@pytest.mark.trap(24)
def test_declarations_go_out_side_by_side(driver: Driver, service: FakeService):
    """500 settings are declared by at least ten requests at a time, and by no more than a service can stand."""
    service.capabilities = ["aliases"]
    settings = [Setting(f"s{number}", int, ["a"], 0) for number in range(500)]
    client = driver.create(service)
    with service.holding(DECLARE) as gate:
        start = client.begin("set_as_main")
        gate.await_requests(10)
        gate.open()
        start.result()
    assert 10 <= gate.most_waiting <= 20
    assert sorted(setting.name for setting in settings) == sorted(service.declared())


@pytest.mark.trap(39)
def test_an_existing_service_is_asked_one_thing_at_a_time(driver: Driver, service: FakeService):
    """A service that announces nothing has no more than one request of a client to answer, whatever it is asked."""
    settings = [Setting(f"s{number}", int, ["a"], 0) for number in range(40)]
    routes = [DECLARE, *(f"GET /api/v1/settings/{setting.name}" for setting in settings)]
    busy = Busy()
    with ExitStack() as stack:
        for route in routes:
            stack.enter_context(service.behaving(route, busy.watch(service.usual(route))))
        client = driver.start(service)
        for setting in settings:
            service.rename(setting.name, f"renamed.{setting.name}")
        client.reload()
    assert (1, 80) == (busy.most, busy.count)


@pytest.mark.trap(39)
def test_the_start_waits_for_declarations_that_make_progress(driver: Driver, service: FakeService):
    """The time limit of the start begins anew with each declaration that is answered, whatever the answer."""
    settings = [Setting(f"s{number}", int, ["a"], 0) for number in range(10)]
    usual = service.usual(DECLARE)

    def take_time(request: httpx2.Request) -> httpx2.Response:
        threading.Event().wait(0.1)
        return (answer(500) if b'"s1"' in request.content else usual)(request)

    with service.behaving(DECLARE, take_time):
        driver.start(service, start_timeout=0.6)
    assert 10 == len(settings) == len(set(service.declared()))


def test_the_start_does_not_wait_for_declarations_that_stop(driver: Driver, service: FakeService):
    """A declaration that is not answered in time ends the start, whatever was answered before."""
    settings = [Setting(f"s{number}", int, ["a"], 0) for number in range(3)]
    usual = service.usual(DECLARE)
    client = driver.create(service, on_start_failure="raise", start_timeout=0.1)
    gate = Gate()
    with service.behaving(DECLARE, in_turn(usual, usual, gate.hold(usual))):
        with pytest.raises(httpx2.TimeoutException, match=r"the start took longer than 0\.1 s"):
            client.start()
        gate.open()
        assert [] == driver.find_leftovers()
    assert 3 == len(settings)


@pytest.mark.trap(21)
def test_an_idle_client_of_an_existing_service(driver: Driver, service: FakeService):
    """A service that does not announce its feature order is asked for it by each second poll only."""
    service.announces_features = False
    kept = Setting("s", int, ["a"], 0)
    client = driver.start(service)
    before = len(service.calls)
    for _ in range(4):
        client.reload()
    assert [QUERY, QUERY, FEATURES] * 2 == [route for route, _ in service.calls[before:]]
    assert 0 == kept.get()


@pytest.mark.trap(3)
def test_a_failed_declaration_is_tried_again(driver: Driver, service: FakeService):
    """Only what failed is declared again, by the next reload, until it succeeds."""
    good, bad = Setting("good", int, ["a"], 0), Setting("bad", int, ["a"], 0)
    refusing = in_turn(answer(500), answer(503), service.usual(DECLARE))
    with ExitStack() as stack:
        stack.enter_context(
            service.behaving(
                DECLARE, lambda request: (refusing if b'"bad"' in request.content else service.usual(DECLARE))(request)
            )
        )
        client = driver.start(service, interval_s=LONG_S)
        client.reload()
        client.reload()
    assert (1, 3) == (service.declared().count(good.name), service.declared().count(bad.name))


def test_health_is_not_asked_for(driver: Driver, service: FakeService):
    """A start needs no more than features, declarations and the query."""
    setting = Setting("s", int, ["a"], 0)
    driver.start(service)
    assert [FEATURES, DECLARE, QUERY] == [route for route, _ in service.calls]
    assert (setting.name, []) == (service.declared()[0], service.asked(HEALTH))
