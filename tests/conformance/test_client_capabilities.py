"""What both clients make of a service that can do more than the contract asks for, and of one that cannot."""

import pytest

from heksher import Setting
from tests.support.drivers import Driver
from tests.support.fake_service import DECLARE, FEATURES, POST_QUERY, QUERY, FakeService

ALL = ["post-query", "aliases"]
MAX_URL_BYTES = 4096
# For thousands of declarations, on a machine that is busy.
LONG_DEADLINE_S = 60.0


def longest_url(service: FakeService) -> int:
    return max(len(str(request.url)) for _, request in service.calls)


@pytest.mark.trap(43)
def test_thousands_of_settings(driver: Driver, service: FakeService):
    """No URL has more than 4096 bytes, though each query names 2,000 settings; ETags work as ever."""
    service.capabilities, service.revision = ALL, 1
    settings = [Setting(f"team.component.setting_{number}", int, ["a"], 0) for number in range(2000)]
    for number, setting in enumerate(settings):
        service.set_default(setting.name, number)
    client = driver.create(service, on_start_failure="raise")
    for method in ("set_as_main", "reload"):
        client.begin(method).result(LONG_DEADLINE_S)
    assert MAX_URL_BYTES >= longest_url(service)
    assert list(range(2000)) == [setting.get() for setting in settings]
    first, second = service.asked(POST_QUERY)
    assert (False, True) == tuple("If-None-Match" in request.headers for request in (first, second))
    assert (first.content, []) == (second.content, service.asked(QUERY))


@pytest.mark.trap(5)
def test_many_renamed_settings(driver: Driver, service: FakeService):
    """Settings that were renamed on the service cost no request of their own."""
    service.capabilities = ALL
    settings = [Setting(f"s{number}", int, ["a"], 0) for number in range(20)]
    client = driver.start(service)
    for number, setting in enumerate(settings):
        service.rename(setting.name, f"renamed.{setting.name}")
        service.set_default(f"renamed.{setting.name}", number)
    client.reload()
    assert list(range(20)) == [setting.get() for setting in settings]
    assert {FEATURES, DECLARE, QUERY} == {route for route, _ in service.calls}


def test_service_that_is_replaced_by_an_older_one(driver: Driver, service: FakeService):
    """A client goes on with a service that can no longer do what it could, without a failed update."""
    service.capabilities = ALL
    setting = Setting("s" * MAX_URL_BYTES, int, ["a"], 0)
    client = driver.start(service)
    service.capabilities = []
    service.set_default(setting.name, 1)
    client.reload()
    assert ("current", 1) == (client.native.status.state, setting.get())


def test_existing_service_sees_nothing_new(driver: Driver, service: FakeService):
    """A service that announces nothing and tells no revision is asked what the contract says, and nothing more."""
    Setting("s", int, ["a"], 0)
    kept = Setting("t", int, ["a"], 0)
    client = driver.start(service)
    client.reload()
    assert [FEATURES, DECLARE, QUERY, QUERY] == [route for route, _ in service.calls]
    assert [{"settings", "context_filters", "include_metadata"}] * 2 == [set(query) for query in service.queries()]
    headers = {name for _, request in service.calls for name in request.headers}
    assert set() == {name for name in headers if name.startswith("heksher-")}
    assert 0 == kept.get()
