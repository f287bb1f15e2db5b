"""Both clients with more settings than a query can name: then they ask for all that the service has."""

import json
from urllib.parse import parse_qs, urlsplit

import pytest

from heksher import Setting, wire
from heksher.clients.conversation import query_protocol
from tests.support.drivers import Driver
from tests.support.fake_service import POST_QUERY, QUERY, FakeService

CAPABILITIES = [[], ["aliases"], ["post-query", "aliases"]]


@pytest.fixture(autouse=True)
def few_names(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three are too many."""
    monkeypatch.setattr(query_protocol, "MAX_NAMING_URL_BYTES", 120)
    monkeypatch.setattr(query_protocol, "MAX_URL_BYTES", 60)
    monkeypatch.setattr(wire, "MAX_QUERY_SETTINGS", 2)


def names_settings(request) -> bool:
    return "settings" in (
        json.loads(request.content) if request.content else parse_qs(urlsplit(str(request.url)).query)
    )


@pytest.mark.parametrize("capabilities", CAPABILITIES, ids=str)
def test_more_settings_than_a_query_names(driver: Driver, service: FakeService, capabilities: list[str]):
    """They get their values, and those of other programs do no harm."""
    service.capabilities = capabilities
    settings = [Setting(f"s{number}", int, ["a"], 0) for number in range(4)]
    for number, setting in enumerate(settings):
        service.set_default(setting.name, number)
    service.set_default("foreign", "text")
    service.add_rule("foreign", {"unknown": "x"}, 1)
    client = driver.start(service)
    client.reload()
    assert list(range(4)) == [setting.get(a="x") for setting in settings]
    asked = [
        request for request in (*service.asked(QUERY), *service.asked(POST_QUERY)) if "settings=" not in str(request)
    ]
    assert asked
    assert not any(names_settings(request) for request in asked)


def test_few_settings_are_named(driver: Driver, service: FakeService):
    """Others have to be asked for in vain by nobody."""
    setting = Setting("s", int, ["a"], 0)
    driver.start(service)
    assert [True] == [names_settings(request) for request in service.asked(QUERY)]
    assert 0 == setting.get(a="x")


@pytest.mark.trap(5)
@pytest.mark.parametrize("capabilities", CAPABILITIES, ids=str)
def test_a_renamed_setting_among_many(driver: Driver, service: FakeService, capabilities: list[str]):
    """It is not taken for the setting of another program, of which there is just one that is not known."""
    service.capabilities = capabilities
    settings = [Setting(f"s{number}", int, ["a"], 0) for number in range(4)]
    client = driver.start(service)
    service.set_default("foreign", 99)
    service.rename("s2", "renamed")
    service.set_default("renamed", 7)
    client.reload()
    assert [0, 0, 7, 0] == [setting.get(a="x") for setting in settings]


@pytest.mark.trap(4)
@pytest.mark.parametrize("capabilities", CAPABILITIES, ids=str)
def test_a_lost_setting_among_many(driver: Driver, service: FakeService, capabilities: list[str]):
    """It is declared again, and keeps following the service."""
    service.capabilities = capabilities
    settings = [Setting(f"s{number}", int, ["a"], number) for number in range(4)]
    client = driver.start(service)
    del service.settings["s2"]
    client.reload()
    assert "s2" in service.settings
    service.set_default("s2", 9)
    client.reload()
    assert [0, 1, 9, 3] == [setting.get(a="x") for setting in settings]
