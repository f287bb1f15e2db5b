"""Options of both clients that cannot work: errors where the client is created, which name the option and the value."""

from pathlib import Path

import pytest

from heksher import ArgumentTypeError, HeksherError, InvalidOptionError, Setting
from tests.support.drivers import Driver
from tests.support.fake_service import FakeService


@pytest.mark.parametrize("features", [None, 5, [5], ["a", None]])
def test_context_features_are_names(driver: Driver, service: FakeService, features: object):
    """Anything else is a TypeError that is ours."""
    with pytest.raises(ArgumentTypeError, match="context_features must be names, ") as raised:
        driver.client_class(service.url, 60, features)
    assert isinstance(raised.value, HeksherError)


def test_a_text_in_place_of_features(driver: Driver, service: FakeService, caplog: pytest.LogCaptureFixture):
    """Its letters are features, as existing programs may have it; one warning says so, but for a single letter."""
    driver.create(service, features="a")
    assert [] == caplog.messages
    client = driver.create(service, features="environment").native
    assert "context_features='environment' is taken for 11 features" in caplog.messages[0]
    assert (1, tuple("environment")) == (len(caplog.messages), client._context.features)


def test_an_empty_path_is_no_file(driver: Driver, service: FakeService):
    """An empty ``last_known_file``, as of a variable that is not set, is not the current directory."""
    with pytest.raises(InvalidOptionError, match="last_known_file must be the path of a file, not an empty text"):
        driver.create(service, last_known_file="")


def test_a_path_in_the_home_directory(
    driver: Driver, service: FakeService, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    """``~`` is the home directory, for both files."""
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "bootstrap").write_text('{"settings": {"s": {"default_value": 5, "rules": []}}}', encoding="utf-8")
    setting = Setting("s", int, ["a"], 0)
    driver.start(service, last_known_file="~/last-known", bootstrap="~/bootstrap")
    assert (True, 0) == ((tmp_path / "last-known").exists(), setting.get())
