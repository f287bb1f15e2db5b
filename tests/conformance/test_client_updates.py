"""How both clients update: on demand and in the background, whatever happens on the way."""

import gc
import weakref
from types import SimpleNamespace

import httpx2
import pytest

from heksher import Setting
from tests.support.drivers import SHORT_S, Driver
from tests.support.fake_service import DECLARE, QUERY, Behaviour, FakeService, answer, fail, in_turn

# What may go wrong with a query.
FAILURES = {
    "unreachable": fail(httpx2.ConnectError("refused")),
    "too slow": fail(httpx2.ReadTimeout("slow")),
    "breaks in the HTTP library": fail(ZeroDivisionError("bug")),
    "server error": answer(500, "oops"),
    "refused": answer(422, {"detail": []}),
    "login page": answer(200, "<html>please log in</html>"),
    "empty": answer(200, ""),
    "no object": answer(200, [1]),
    "NaN": answer(200, '{"settings": {"s": {"rules": [], "default_value": NaN}}}'),
    "deeply nested": answer(200, "[" * 100_000),
    "settings missing": answer(200, {}),
    "settings of another shape": answer(200, {"settings": "s"}),
}
failures = pytest.mark.parametrize("failure", FAILURES.values(), ids=FAILURES.keys())


def test_reload_brings_the_new_values(driver: Driver, service: FakeService):
    """When reload returns, settings answer what the service has now: other defaults, new, changed and deleted rules."""
    setting = Setting("s", int, ["a"], 0)
    client = driver.start(service)
    service.add_rule("s", 1, 10, a="x")
    service.add_rule("s", 2, 20, a="y")
    client.reload()
    assert (0, 10, 20) == (setting.get(a="z"), setting.get(a="x"), setting.get(a="y"))
    service.set_default("s", 5)
    service.settings["s"]["rules"] = []
    service.add_rule("s", 2, 21, a="y")
    client.reload()
    assert (5, 5, 21) == (setting.get(a="z"), setting.get(a="x"), setting.get(a="y"))


def test_the_background_brings_the_new_values(driver: Driver, service: FakeService):
    """Without any call, settings follow the service at each interval."""
    setting = Setting("s", int, ["a"], 0)
    client = driver.start(service, interval_s=SHORT_S)
    service.set_default("s", 1)
    answered = len(service.queries())
    service.await_calls(QUERY, answered + 2)
    client.close()
    assert 1 == setting.get()


def test_reload_declares_what_is_pending(driver: Driver, service: FakeService):
    """A setting created after the start has its value when reload returns."""
    client = driver.start(service)
    service.set_default("late", 7)
    setting = Setting("late", int, ["a"], 0)
    client.reload()
    assert (7, ["late"]) == (setting.get(), service.declared())


def test_a_new_setting_is_declared_at_once(driver: Driver, service: FakeService):
    """A setting created after the start is declared and read without waiting for the interval."""
    client = driver.start(service)
    client.await_success()
    service.set_default("late", 7)
    setting = Setting("late", int, ["a"], 0)
    client.await_success()
    assert 7 == setting.get()


@failures
@pytest.mark.trap(1)
def test_reload_raises_if_the_update_failed(driver: Driver, service: FakeService, failure: Behaviour):
    """Who asks for an update learns that it failed; settings keep what they have, and the next one can succeed."""
    setting = Setting("s", int, ["a"], 0)
    service.set_default("s", 1)
    client = driver.start(service)
    with service.behaving(QUERY, failure):
        for _ in range(3):
            with pytest.raises(httpx2.HTTPError):
                client.reload()
    assert 1 == setting.get()
    service.set_default("s", 2)
    client.reload()
    assert 2 == setting.get()


@failures
@pytest.mark.trap(1)
def test_failures_do_not_stop_the_background(driver: Driver, service: FakeService, failure: Behaviour):
    """However often updates fail, in the background and on demand, they go on, and work again when the service does."""
    setting = Setting("s", int, ["a"], 0)
    client = driver.start(service, interval_s=SHORT_S)
    with service.behaving(QUERY, failure):
        with pytest.raises(httpx2.HTTPError):
            client.reload()
        service.await_calls(QUERY, len(service.queries()) + 4)
    service.set_default("s", 1)
    answered = len(service.queries())
    service.await_calls(QUERY, answered + 3)
    client.close()
    assert 1 == setting.get()


def test_a_revision_that_is_none_fails_no_update(driver: Driver, service: FakeService):
    """A revision that cannot be read is unknown; settings get their values all the same."""
    setting = Setting("s", int, ["a"], 0)
    service.set_default("s", 1)
    told = {"Heksher-Revision": "9" * 5000}
    service.behaviours[QUERY] = answer(200, {"settings": {"s": service.settings["s"]}}, **told)
    service.behaviours[DECLARE] = answer(200, {"outcome": "uptodate"}, **told)
    client = driver.start(service)
    client.reload()
    assert (1, None) == (setting.get(), client.native.status.revision)


def test_a_declaration_that_fails_is_no_failed_reload(driver: Driver, service: FakeService):
    """Reload updates every other setting; the status tells of the declaration."""
    good = Setting("good", int, ["a"], 0)
    client = driver.start(service)
    service.set_default("good", 1)
    with service.behaving(DECLARE, answer(500)):
        bad = Setting("bad", int, ["a"], 3)
        client.reload()
        assert (1, 3) == (good.get(), bad.get())
    status = client.native.status
    assert ("current", None, False) == (status.state, status.last_error, status.settings["bad"].is_declared)
    assert "POST /api/v1/settings/declare was answered with status 500" in status.settings["bad"].rejected[0]


@pytest.mark.trap(11)
def test_reload_during_an_update_brings_newer_data(driver: Driver, service: FakeService):
    """A reload does not take the answer of an update that was under way already when it was called."""
    setting = Setting("s", int, ["a"], 0)
    client = driver.start(service)
    with service.holding(QUERY) as gate:
        first = client.begin("reload")
        gate.await_requests()
        service.set_default("s", 1)
        second = client.begin("reload")
        gate.open()
        first.result()
        second.result()
    assert (1, 3) == (setting.get(), len(service.queries()))


@pytest.mark.trap(11)
def test_a_setting_created_during_an_update_is_declared_right_after_it(driver: Driver, service: FakeService):
    """A wake-up that comes while an update is under way is not lost for an interval."""
    client = driver.start(service)
    client.await_success()
    service.set_default("late", 7)
    with service.holding(QUERY) as gate:
        reload = client.begin("reload")
        gate.await_requests()
        setting = Setting("late", int, ["a"], 0)
        gate.open()
        reload.result()
        client.await_success()
    client.await_success()
    assert 7 == setting.get()


@pytest.mark.trap(11)
def test_a_setting_created_during_the_start_is_declared_right_after_it(driver: Driver, service: FakeService):
    """The same holds for the very first update."""
    client = driver.create(service)
    service.set_default("late", 7)
    with service.holding(QUERY) as gate:
        start = client.begin("set_as_main")
        gate.await_requests()
        setting = Setting("late", int, ["a"], 0)
        gate.open()
        start.result()
        client.await_success()
    client.await_success()
    assert 7 == setting.get()


@pytest.mark.trap(7)
@pytest.mark.parametrize("route", [DECLARE, QUERY])
def test_a_setting_may_be_collected_during_a_request(driver: Driver, service: FakeService, route: str):
    """An update goes on without a setting that is gone when the answer comes."""
    kept = Setting("kept", int, ["a"], 0)
    client = driver.start(service)
    service.set_default("kept", 1)
    service.set_default("dropped", 2)
    with service.holding(route) as gate:
        dropped = Setting("dropped", int, ["a"], 0)
        gone = weakref.ref(dropped)
        reload = client.begin("reload")
        gate.await_requests()
        del dropped
        gc.collect()
        assert (route == QUERY) == (gone() is None)
        gate.open()
        reload.result()
    client.reload()
    gc.collect()
    client.reload()
    assert (1, None, "kept") == (kept.get(), gone(), service.queries()[-1]["settings"])


def test_reload_restarts_the_interval(driver: Driver, service: FakeService, monkeypatch: pytest.MonkeyPatch):
    """The next update comes an interval after the reload."""
    monkeypatch.setattr("random.uniform", lambda _low, high: high)
    now_s = [0.0]
    clock = SimpleNamespace(monotonic=lambda: now_s[0])
    monkeypatch.setattr(f"heksher.clients.{driver.kind}_client.time", clock)
    client = driver.start(service, interval_s=100)
    now_s[0] = 60
    before = client.native._schedule.remaining(now_s[0])
    client.reload()
    assert (40, 100) == (before, client.native._schedule.remaining(now_s[0]))


@pytest.mark.trap(1)
def test_after_a_failed_reload_the_background_tries_soon(
    driver: Driver, service: FakeService, monkeypatch: pytest.MonkeyPatch
):
    """A program that reloads in vain does not have to wait for the end of a long interval."""
    monkeypatch.setattr("heksher.clients.conversation.schedule.FIRST_RETRY_S", SHORT_S)
    setting = Setting("s", int, ["a"], 0)
    client = driver.start(service)
    client.await_success()
    service.set_default("s", 1)
    with service.behaving(QUERY, in_turn(answer(500), service.usual(QUERY))):
        with pytest.raises(httpx2.HTTPError):
            client.reload()
        client.await_success()
    assert 1 == setting.get()


def test_track_contexts_takes_effect_with_the_next_update(driver: Driver, service: FakeService):
    """What is tracked may be extended while the client runs."""
    client = driver.start(service)
    client.native.track_contexts(a="x")
    client.reload()
    client.native.track_contexts(a=["y"])
    client.reload()
    assert ["*", "a:(x)", "a:(x,y)"] == [query["context_filters"] for query in service.queries()]


def test_metadata_is_not_asked_for(driver: Driver, service: FakeService):
    """A query asks for names, sorted, and for no metadata."""
    settings = [Setting(name, int, ["a"], 0) for name in ("b.x", "a", "c")]
    driver.start(service)
    assert [{"settings": "a,b.x,c", "context_filters": "*", "include_metadata": "false"}] == service.queries()
    assert 3 == len(settings)


def test_holding_the_modification_lock_holds_the_values(driver: Driver, service: FakeService):
    """While the program holds ``modification_lock`` no setting changes its value."""
    setting = Setting("s", int, ["a"], 0)
    client = driver.start(service)
    service.set_default("s", 1)
    with client.modification_lock():
        reload = client.begin("reload")
        service.await_calls(QUERY, 2)
        assert (0, False) == (setting.get(), reload.done())
    reload.result()
    assert 1 == setting.get()
