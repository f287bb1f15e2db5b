"""How both clients start without their service: from the file of last known values, else from the bootstrap."""

import json
import logging
from pathlib import Path
from typing import Any

import pytest

from heksher import Setting
from heksher.exceptions import InvalidOptionError, ServiceError
from tests.support.drivers import SHORT_S, Driver
from tests.support.fake_service import DEADLINE_S, DECLARE, FEATURES, QUERY, FakeService, Gate, answer

BOOTSTRAP: dict[str, Any] = {
    "context_features": ["a", "b", "c"],
    "settings": {
        "s": {"default_value": 3, "rules": [{"rule_id": 1, "value": 4, "context_features": [["a", "x"]]}]},
        "unknown": {"rules": []},
    },
}


def take_away(service: FakeService) -> None:
    for path in (FEATURES, DECLARE, QUERY):
        service.behaviours[path] = answer(503, "away")


def save(driver: Driver, service: FakeService, path: Path, **options: Any) -> None:
    """Have a client of the service leave a file of last known values."""
    client = driver.start(service, last_known_file=path, **options)
    client.close()


@pytest.fixture
def setting(service: FakeService) -> Setting[int]:
    service.set_default("s", 1)
    service.add_rule("s", 1, 2, a="x")
    return Setting("s", int, ["a"], 0)


def test_start_from_a_file(driver: Driver, service: FakeService, setting: Setting[int], tmp_path: Path):
    """Without the service a client answers what another one was told before, and says so; it does not raise."""
    path = tmp_path / "last-known"
    save(driver, service, path)
    del setting
    again = Setting("s", int, ["a"], 0)
    take_away(service)
    client = driver.start(service, last_known_file=path)
    status = client.native.status
    assert (1, 2) == (again.get(a="-"), again.get(a="x"))
    assert ("stale", "file", True) == (status.state, status.source, status.settings["s"].is_stale)
    assert 0 <= status.age_s < DEADLINE_S


def test_the_service_takes_over(driver: Driver, service: FakeService, setting: Setting[int], tmp_path: Path):
    """When the service can be reached again, it decides, also where it says the same as the file."""
    path = tmp_path / "last-known"
    save(driver, service, path)
    behaviours = dict(service.behaviours)
    take_away(service)
    client = driver.start(service, last_known_file=path, interval_s=SHORT_S)
    service.behaviours = behaviours
    client.await_success()
    status = client.native.status
    assert ("current", "service", False) == (status.state, status.source, status.settings["s"].is_stale)
    assert 2 == setting.get(a="x")


def test_a_start_that_takes_too_long(driver: Driver, service: FakeService, setting: Setting[int], tmp_path: Path):
    """A service that does not answer in time is as good as none."""
    path = tmp_path / "last-known"
    save(driver, service, path)
    del setting
    again = Setting("s", int, ["a"], 0)
    gate = Gate()
    service.behaviours[FEATURES] = gate.hold(answer(200, {"context_features": ["a", "b", "c"]}))
    client = driver.start(service, last_known_file=path, start_timeout=0.1)
    assert (2, "file") == (again.get(a="x"), client.native.status.source)
    gate.open()


@pytest.mark.parametrize("kind", ["mapping", "file"])
def test_bootstrap(driver: Driver, service: FakeService, tmp_path: Path, kind: str):
    """With neither service nor file there are the values that the program brought along."""
    setting = Setting("s", int, ["a"], 0)
    path = tmp_path / "bootstrap.json"
    path.write_text(json.dumps(BOOTSTRAP))
    take_away(service)
    bootstrap = BOOTSTRAP if kind == "mapping" else path
    client = driver.start(service, last_known_file=tmp_path / "none", bootstrap=bootstrap)
    status = client.native.status
    assert (3, 4) == (setting.get(a="-"), setting.get(a="x"))
    assert ("stale", "bootstrap", None) == (status.state, status.source, status.age_s)


def test_file_comes_before_bootstrap(driver: Driver, service: FakeService, setting: Setting[int], tmp_path: Path):
    """The bootstrap is for the settings that the file does not have."""
    path = tmp_path / "last-known"
    save(driver, service, path)
    del setting
    settings = [Setting(name, int, ["a"], 0) for name in ("s", "t")]
    take_away(service)
    bootstrap = {"settings": {name: {"default_value": 9, "rules": []} for name in ("s", "t")}}
    client = driver.start(service, last_known_file=path, bootstrap=bootstrap)
    assert [1, 9] == [setting.get(a="-") for setting in settings]
    assert "file" == client.native.status.source


def test_settings_that_come_later(driver: Driver, service: FakeService):
    """A setting that is created while the service is away has its kept values from the next try on."""
    take_away(service)
    client = driver.start(service, bootstrap=BOOTSTRAP, interval_s=SHORT_S)
    setting = Setting("s", int, ["a"], 0)
    while setting.get(a="x") != 4:
        client.await_outcome()
    assert 3 == setting.get(a="-")


def test_without_either_a_start_fails(driver: Driver, service: FakeService, tmp_path: Path):
    """A file that is not there, or is something else, is nothing to fall back on."""
    path = tmp_path / "last-known"
    path.write_text("something else")
    take_away(service)
    for last_known in (path, tmp_path / "none"):
        with pytest.raises(ServiceError, match="503"):
            driver.start(service, last_known_file=last_known)


def test_a_wrong_bootstrap_is_an_error_at_once(driver: Driver, service: FakeService):
    """Not in the night in which it is needed."""
    with pytest.raises(InvalidOptionError, match="bootstrap"):
        driver.create(service, bootstrap={"settings": 5})


def test_what_cannot_be_written_does_no_harm(
    driver: Driver, service: FakeService, setting: Setting[int], tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    """A file in a place where nothing can be written is a warning, once."""
    with caplog.at_level(logging.WARNING):
        client = driver.start(service, last_known_file=tmp_path / "missing" / "last-known")
        client.reload()
    assert (2, "current") == (setting.get(a="x"), client.native.status.state)
    assert 1 == sum("cannot be written" in record.getMessage() for record in caplog.records)
