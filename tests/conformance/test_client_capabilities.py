"""What both clients make of a service that can do more than the contract asks for, and of one that cannot."""

import json

import pytest

from heksher import Setting
from tests.support.drivers import Driver
from tests.support.fake_service import DECLARE, FEATURES, POST_QUERY, QUERY, FakeService

ALL = ["post-query", "aliases"]
ANY_VALUES = [*ALL, "any-values"]
MAIL = "alice@example.com"
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
    """A service that announces nothing and tells no revision is asked what the contract says, and nothing more.

    It is told which process asks, as ``User-Agent`` tells it which program: no service answers otherwise for that.
    """
    Setting("s", int, ["a"], 0)
    kept = Setting("t", int, ["a"], 0)
    client = driver.start(service)
    client.reload()
    assert [FEATURES, DECLARE, QUERY, QUERY] == [route for route, _ in service.calls]
    assert [{"settings", "context_filters", "include_metadata"}] * 2 == [set(query) for query in service.queries()]
    headers = {name for _, request in service.calls for name in request.headers}
    assert {"heksher-client"} == {name for name in headers if name.startswith("heksher-")}
    assert 0 == kept.get()


@pytest.mark.parametrize("capabilities", [[], ALL])
def test_values_that_the_service_does_not_take(
    driver: Driver, service: FakeService, caplog: pytest.LogCaptureFixture, capabilities: list[str]
):
    """Tracked before the first contact they are named by the start, and the others go on; later they are refused."""
    service.capabilities = capabilities
    setting = Setting("s", int, ["a", "b"], 0)
    service.add_rule("s", 1, 10, a="x")
    client = driver.create(service, on_start_failure="raise")
    client.native.track_contexts(a=["x", MAIL], b="eu-west-1")
    client.start()
    client.reload()
    assert [("a:(x)", 10)] * 2 == [(query["context_filters"], setting.get(a="x", b="y")) for query in service.queries()]
    warnings = [message for message in caplog.messages if message.startswith("tracked values are unknown")]
    assert [True] == [f"a='{MAIL}', b='eu-west-1'" in warning for warning in warnings]
    with pytest.raises(
        ValueError, match=f"context feature 'a' cannot have the value '{MAIL}': this service takes only"
    ):
        client.native.track_contexts(a=MAIL)
    client.native.track_contexts(a="y")
    client.reload()
    assert "a:(x,y)" == service.queries()[-1]["context_filters"]


def test_values_of_a_service_that_takes_any(driver: Driver, service: FakeService):
    """They are posted, before the start and later; a star inside a collection is a value like others."""
    service.capabilities = ANY_VALUES
    setting = Setting("s", int, ["a", "b"], 0)
    service.add_rule("s", 1, 10, a=MAIL)
    service.add_rule("s", 2, 20, b='"two" words')
    client = driver.create(service, on_start_failure="raise")
    client.native.track_contexts(a=[MAIL, "*"], b="*")
    client.start()
    client.native.track_contexts(a="eu-west-1")
    client.reload()
    filters = [json.loads(request.content)["context_filters"] for request in service.asked(POST_QUERY)]
    assert [{"a": ["*", MAIL], "b": "*"}, {"a": ["*", MAIL, "eu-west-1"], "b": "*"}] == filters
    assert (10, 20, 0) == (setting.get(a=MAIL, b="-"), setting.get(a="-", b='"two" words'), setting.get(a="-", b="-"))
