"""Programs that start while the database of their service is away: they do, if it knows all of their settings."""

from collections.abc import Iterator

import pytest

from heksher import Setting
from heksher.server.operations import rules
from heksher.server.storage.base import NOBODY
from tests.support.catalogs import ORDER, FragileStorage, open_fragile
from tests.support.drivers import Driver
from tests.support.service import RunningService
from tests.support.waiting import wait_until

BODY = {"name": "cache_ttl", "configurable_features": list(ORDER), "type": "int", "default_value": 60}


@pytest.fixture
def storage() -> FragileStorage:
    """A storage with a setting that has two rules, which can go away."""
    return open_fragile(poll_interval_s=0.01)


@pytest.fixture
def service(storage: FragileStorage) -> Iterator[RunningService]:
    """A service whose database went away after it had started."""
    with RunningService(storage) as service:
        rules.add(storage, "cache_ttl", {"theme": "dark"}, 30, {}, NOBODY)
        assert wait_until(lambda: 2 == service.http.get("/healthz/ready").json()["revision"])
        storage.is_away = True
        assert wait_until(lambda: "down" == service.http.get("/healthz/ready").json()["database"])
        yield service


def test_a_program_starts(driver: Driver, service: RunningService):
    """Its settings are declared and have their values, as if the database were there."""
    setting = Setting("cache_ttl", int, ORDER, 60)
    client = driver.create(service, ORDER, http_client_args={}, on_start_failure="raise")
    client.start()
    assert 30 == setting.get(environment="x", user="x", theme="dark")
    assert client.native.status.settings["cache_ttl"].is_declared


def test_a_program_that_has_something_new_follows_the_rest(
    driver: Driver, service: RunningService, storage: FragileStorage
):
    """The new setting is declared as soon as the database is there."""
    setting, new = Setting("cache_ttl", int, ORDER, 60), Setting("new", int, ["user"], 1)
    client = driver.create(service, ORDER, interval_s=0.05, http_client_args={}, on_start_failure="continue")
    client.start()
    assert 30 == setting.get(environment="x", user="x", theme="dark")
    assert 1 == new.get(user="x")
    storage.is_away = False
    assert wait_until(lambda: client.native.status.settings["new"].is_declared)


def test_a_program_of_the_existing_client_starts(service: RunningService):
    """It declares each setting by itself, in the first version of the route, and asks once for everything."""
    features = service.http.get("/api/v1/context_features").raise_for_status().json()
    declared = service.http.post("/api/v1/settings/declare", json=BODY).raise_for_status()
    query = service.http.get("/api/v1/query", params={"settings": "cache_ttl"}).raise_for_status()
    assert ({"context_features": list(ORDER)}, {"outcome": "uptodate"}) == (features, declared.json())
    assert 3 == len(query.json()["settings"]["cache_ttl"]["rules"])
