"""When both clients let the service answer "not modified": only when they have taken over all that it said (trap 2)."""

import httpx2
import pytest

from heksher import Setting
from tests.support.drivers import NO_INTERVAL, Driver
from tests.support.fake_service import FEATURES, QUERY, FakeService, answer

pytestmark = pytest.mark.trap(2)


def test_an_accepted_answer_is_not_fetched_again(driver: Driver, service: FakeService):
    """The ETag of an answer that was taken over goes with the next query, and "not modified" changes nothing."""
    setting = Setting("s", int, ["a"], 0)
    service.add_rule("s", 1, 5, a="x")
    client = driver.start(service)
    client.reload()
    client.reload()
    assert [False, True, True] == [tag is not None for tag in service.sent_etags()]
    assert 5 == setting.get(a="x")
    service.add_rule("s", 1, 6, a="x")
    client.reload()
    client.reload()
    first, second = service.sent_etags()[-2:]
    assert (True, 6) == (first != second, setting.get(a="x"))


# What makes an answer incomplete: (type, the default that the service says, the value of its rule).
INCOMPLETE = {
    "rejected rule": (int, 1, "no int"),
    "rejected default": (int, "no int", 1),
    "missing rules": (int, 1, KeyError),
}


@pytest.mark.parametrize(("kind", "default", "value"), INCOMPLETE.values(), ids=INCOMPLETE.keys())
def test_an_incomplete_answer_is_fetched_again(driver: Driver, service: FakeService, kind, default, value):
    """After an answer that was not taken over as a whole no ETag is sent, until one is."""
    settings = [Setting("s", kind, ["a"], 0), Setting("t", int, ["a"], 0)]
    service.set_default("s", default)
    if value is KeyError:
        del service.settings["s"]["rules"]
    else:
        service.add_rule("s", 1, value, a="x")
    client = driver.start(service)
    client.reload()
    service.settings["s"] = {"default_value": 8, "rules": []}
    client.reload()
    client.reload()
    assert [False, False, False, True] == [tag is not None for tag in service.sent_etags()]
    assert (8, 0) == (settings[0].get(a="x"), settings[1].get())


def test_a_value_that_was_refused_is_offered_again(driver: Driver, service: FakeService):
    """A validator that refuses a value, and accepts it later, gets to see it again though nothing changed."""
    setting = Setting("s", int, ["a"], 0)
    is_ready: list[bool] = []

    @setting.add_validator
    def wait_until_ready(value, rule, setting):
        if not is_ready:
            raise TypeError("not ready")
        return value

    service.set_default("s", 4)
    client = driver.start(service)
    assert 0 == setting.get()
    is_ready.append(True)
    client.reload()
    assert 4 == setting.get()


def test_another_query_has_no_etag(driver: Driver, service: FakeService):
    """A tag goes only with the query that it answered: not with other settings, nor with other tracked values."""
    client = driver.start(service)
    client.native.track_contexts(a="x")
    client.reload()
    setting = Setting("s", int, ["a"], 0)
    client.await_success()
    client.reload()
    client.reload()
    tags = dict.fromkeys((query["settings"], query["context_filters"]) for query in service.queries())
    first_tags = [
        next(
            tag
            for query, tag in zip(service.queries(), service.sent_etags(), strict=True)
            if (query["settings"], query["context_filters"]) == key
        )
        for key in tags
    ]
    assert ([None, None, None], 0) == (first_tags, setting.get())


def test_without_an_etag_none_is_sent(driver: Driver, service: FakeService):
    """A service, or a proxy, that leaves out the ETag gets plain queries."""
    setting = Setting("s", int, ["a"], 0)
    reply = answer(200, {"settings": {"s": {"default_value": 3, "rules": []}}})
    with service.behaving(QUERY, reply), service.behaving(FEATURES, service.usual(FEATURES)):
        client = driver.start(service)
        client.reload()
    assert ([None, None], 3) == (service.sent_etags(), setting.get())


def test_a_failed_update_keeps_the_etag_of_the_last_good_one(driver: Driver, service: FakeService):
    """A failure in between does not make the client fetch everything again."""
    setting = Setting("s", int, ["a"], 0)
    client = driver.start(service, interval_s=NO_INTERVAL)
    with service.behaving(QUERY, answer(500)), pytest.raises(httpx2.HTTPError):
        client.reload()
    client.reload()
    assert ([False, True, True], 0) == ([tag is not None for tag in service.sent_etags()], setting.get())
