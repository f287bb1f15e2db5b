"""Defaults of settings that a program sets, mostly in its tests, while a client keeps the settings current."""

from contextvars import ContextVar
from unittest import mock

import pytest

from heksher import Change, Setting
from tests.support.drivers import Driver
from tests.support.fake_service import FakeService


def test_what_was_set_stays_until_the_service_says_another(driver: Driver, service: FakeService):
    """New rules with the same default leave it; another default replaces it."""
    setting = Setting("s", int, ["a"], 0)
    service.set_default("s", 1)
    client = driver.start(service)
    setting.server_default_value = 5
    service.add_rule("s", 1, 2, a="x")
    client.reload()
    assert (2, 5) == (setting.get(a="x"), setting.get(a="y"))
    service.set_default("s", 3)
    client.reload()
    assert (2, 3, 3) == (setting.get(a="x"), setting.get(a="y"), setting.server_default_value)


def test_deleting_brings_back_what_the_service_said(driver: Driver, service: FakeService):
    """Also what it said meanwhile."""
    setting = Setting("s", int, ["a"], 0)
    service.set_default("s", 1)
    client = driver.start(service)
    setting.server_default_value = 5
    del setting.server_default_value
    assert (1, 1) == (setting.get(a="x"), setting.server_default_value)
    with mock.patch.object(setting, "server_default_value", 6):
        service.set_default("s", 2)
        client.reload()
        assert 2 == setting.get(a="x")
    assert 2 == setting.get(a="x")
    del setting.server_default_value
    assert 2 == setting.get(a="x")


def test_none_means_no_default_of_the_service(driver: Driver, service: FakeService):
    """Then the local one holds, which can be set, too, and be brought back."""
    setting = Setting("s", int, ["a"], 0)
    service.set_default("s", 1)
    driver.start(service)
    setting.default_value = 7
    assert 1 == setting.get(a="x")
    setting.server_default_value = None
    assert (7, "local default") == (setting.get(a="x"), setting.explain(a="x").source)
    del setting.default_value
    assert (0, 0) == (setting.get(a="x"), setting.default_value)


def test_patches_within_patches_are_undone(driver: Driver, service: FakeService):
    """Each brings back what it found."""
    setting = Setting("s", int, ["a"], 0)
    service.set_default("s", 1)
    driver.start(service)
    for name, found in (("server_default_value", 1), ("default_value", 0)):
        with mock.patch.object(setting, name, 5):
            with mock.patch.object(setting, name, 6), pytest.MonkeyPatch.context() as patch:
                patch.setattr(setting, name, 7)
                assert 7 == getattr(setting, name)
            assert 5 == getattr(setting, name)
        assert found == getattr(setting, name)
    assert 1 == setting.get(a="x")


def test_what_was_set_survives_new_contexts(driver: Driver, service: FakeService):
    """Defaults of contexts that are set later compile the settings anew."""
    variable: ContextVar[str] = ContextVar("variable")
    setting = Setting("s", int, ["a"], 0)
    service.set_default("s", 1)
    service.add_rule("s", 1, 2, a="x")
    client = driver.start(service)
    setting.server_default_value = 5
    client.native.set_defaults(a=variable)
    assert (2, 5) == (setting.get(a="x"), setting.get(a="y"))


def test_subscribers_are_told(driver: Driver, service: FakeService):
    """What a program sets is a change; what changes no answer is none."""
    setting = Setting("s", int, ["a"], 0)
    service.set_default("s", 1)
    client = driver.start(service)
    changes: list[Change[int]] = []
    subscription = client.native.on_change(changes.append)
    setting.server_default_value = 5
    setting.default_value = 6
    setting.server_default_value = 1
    assert [(1, 5), (5, 1)] == [(change.before(a="x"), change.after(a="x")) for change in changes]
    assert subscription.is_active


def test_snapshots_have_what_was_set(driver: Driver, service: FakeService):
    """At the moment of the snapshot, and no later."""
    setting = Setting("s", int, ["a"], 0)
    client = driver.start(service)
    setting.server_default_value = 5
    snapshot = client.native.snapshot()
    setting.server_default_value = 6
    assert (5, 6) == (snapshot.get(setting, a="x"), setting.get(a="x"))
