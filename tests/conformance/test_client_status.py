"""What both clients say of themselves: their state, since when and why, and what each setting is worth."""

import copy
import pickle
import queue

import pytest

from heksher import Setting
from heksher.clients.reporting.status import ClientStatus, SettingStatus
from heksher.exceptions import ServiceError
from tests.support.drivers import SHORT_S, Driver
from tests.support.fake_service import DEADLINE_S, DECLARE, QUERY, FakeService, answer, for_setting


def test_life_of_a_client(driver: Driver, service: FakeService):
    """A client starts, is current, becomes stale with its service, recovers, and is closed."""
    setting = Setting("s", int, ["a"], 0)
    client = driver.create(service)
    states = [client.native.status.state]
    client.start()
    states.append(client.native.status.state)
    service.behaviours[QUERY] = answer(503, "away")
    with pytest.raises(ServiceError):
        client.reload()
    states.append(client.native.status.state)
    assert "503" in client.native.status.last_error
    del service.behaviours[QUERY]
    client.reload()
    states.append(client.native.status.state)
    client.close()
    states.append(client.native.status.state)
    assert ["starting", "current", "stale", "current", "closed"] == states
    assert 0 == setting.get()


def test_a_client_without_service_has_failed(driver: Driver, service: FakeService):
    """A client that never got an answer has failed: its settings answer the defaults in the code."""
    service.behaviours[QUERY] = answer(500, "broken")
    client = driver.create(service, on_start_failure="continue")
    client.start()
    status = client.native.status
    assert ("failed", "defaults", None, None) == (status.state, status.source, status.age_s, status.last_success)


def test_status_of_a_current_client(driver: Driver, service: FakeService):
    """After a successful start the data is the service's, and young."""
    client = driver.start(service)
    status = client.native.status
    assert ("service", None, True) == (status.source, status.last_error, status.last_success is not None)
    assert 0 <= status.age_s < DEADLINE_S


@pytest.mark.parametrize(("told", "revision"), [("17", 17), (None, None), ("-1", None), ("x", None), ("", None)])
def test_revision(driver: Driver, service: FakeService, told: str | None, revision: int | None):
    """The revision is what the service says it is, if it says so at all."""
    headers = {} if told is None else {"Heksher-Revision": told}
    service.behaviours[QUERY] = answer(200, {"settings": {}}, **headers)
    client = driver.start(service)
    assert revision == client.native.status.revision


def test_status_of_settings(driver: Driver, service: FakeService):
    """For each setting: whether it was declared, what was rejected of it, and whether it is what the service says.

    A setting whose declaration is a conflict is followed all the same.
    """
    kept = [Setting(name, int, ["a"], 0) for name in ("fine", "conflict", "wrong")]
    service.set_default("wrong", "no number")
    service.set_default("conflict", 0)
    service.behaviours[DECLARE] = for_setting("conflict", answer(409, "other type"), service.usual(DECLARE))
    client = driver.start(service)
    settings = client.native.status.settings
    assert {setting.name for setting in kept} == set(settings)
    expected = SettingStatus(is_declared=True, is_missing=False, rejected=(), is_stale=False)
    assert expected == settings["fine"]
    conflict = settings["conflict"]
    assert (False, False, False) == (conflict.is_declared, conflict.is_missing, conflict.is_stale)
    assert "conflict" in conflict.rejected[0]
    assert "current" == client.native.status.state
    assert settings["wrong"].is_stale
    assert "no number" in settings["wrong"].rejected[0]


def test_changes_of_the_state_are_told(driver: Driver, service: FakeService):
    """Who subscribes hears of each change of the state, once, and of no failure that changes nothing."""
    heard: queue.SimpleQueue[ClientStatus] = queue.SimpleQueue()
    client = driver.create(service, interval_s=SHORT_S)
    subscription = client.native.on_status_change(heard.put)
    client.start()
    service.behaviours[QUERY] = answer(503, "away")
    assert ["current", "stale"] == [heard.get(timeout=DEADLINE_S).state for _ in range(2)]
    del service.behaviours[QUERY]
    assert "current" == heard.get(timeout=DEADLINE_S).state
    subscription.cancel()
    client.close()
    assert heard.empty()


def test_the_end_is_told(driver: Driver, service: FakeService):
    """Closing is a change of the state, too."""
    heard: queue.SimpleQueue[ClientStatus] = queue.SimpleQueue()
    client = driver.create(service)
    client.native.on_status_change(heard.put)
    client.start()
    client.close()
    client.close()
    assert ["current", "closed"] == [heard.get(timeout=DEADLINE_S).state for _ in range(2)]
    assert heard.empty()


def test_a_status_can_be_kept_and_sent(driver: Driver, service: FakeService):
    """A status is a record of one moment: copied, or pickled for another process, it says the same."""
    setting = Setting("s", int, ["a"], 0)
    service.add_rule("s", 1, 10, a="x")
    client = driver.start(service, on_missing_context="no_match")
    setting.get()
    status = client.native.status
    assert {"s": {"a": 1}} == status.missing_contexts
    sent = pickle.loads(pickle.dumps(status))  # noqa: S301 - its own
    for kept in (copy.copy(status), copy.deepcopy(status), sent):
        assert status == kept
        for mapping in (kept.settings, kept.missing_contexts, kept.missing_contexts["s"]):
            with pytest.raises(TypeError):
                mapping["s"] = None
