"""How both clients declare many settings at once to a service that announces that it takes them so."""

import json

import httpx2
import pytest

from heksher import Setting
from heksher.clients.conversation import declaration_protocol, declaration_retry
from tests.support.drivers import SHORT_S, Driver
from tests.support.fake_service import (
    DECLARE,
    DECLARE_MANY,
    FEATURES,
    QUERY,
    Behaviour,
    FakeService,
    answer,
    fail,
    for_setting,
    in_turn,
)

# For thousands of declarations, on a machine that is busy.
LONG_DEADLINE_S = 60.0


@pytest.fixture
def service() -> FakeService:
    """A service that takes many declarations at once."""
    service = FakeService("a", "b", "c")
    service.capabilities = ["post-query", "declare-many"]
    service.revision = 1
    return service


def make_settings(number: int) -> list[Setting[int]]:
    return [Setting(f"s{count}", int, ["a"], count) for count in range(number)]


def count_declared(service: FakeService) -> list[int]:
    """Return how many settings each request of many has declared."""
    return [len(json.loads(request.content)) for request in service.asked(DECLARE_MANY)]


def test_many_settings_are_one_request(driver: Driver, service: FakeService):
    """500 settings are declared by one request, each as it would be alone."""
    settings = make_settings(500)
    client = driver.start(service)
    assert [FEATURES, DECLARE_MANY] == [route for route, _ in service.calls][:2]
    assert ([500], []) == (count_declared(service), service.asked(DECLARE))
    assert [setting.to_v1_declaration_body() for setting in settings] == json.loads(
        service.asked(DECLARE_MANY)[0].content
    )
    assert all(status.is_declared for status in client.native.status.settings.values())


def test_one_setting_is_declared_alone(driver: Driver, service: FakeService):
    """A single setting, such as one that is created later, needs no list."""
    kept = make_settings(1)
    driver.start(service)
    assert ([kept[0].name], []) == (service.declared(), service.asked(DECLARE_MANY))


def test_thousands_of_settings_are_a_request_for_each_thousand(driver: Driver, service: FakeService):
    """No request declares more than 1,000."""
    settings = make_settings(2500)
    client = driver.create(service, on_start_failure="raise")
    client.begin("set_as_main").result(LONG_DEADLINE_S)
    assert ([1000, 1000, 500], len(settings)) == (count_declared(service), len(service.declared()))


def test_no_request_is_longer_than_a_mebibyte(driver: Driver, service: FakeService):
    """Settings with large defaults are divided by their size; what is larger than that alone goes alone."""
    large = [Setting(f"large{number}", str, ["a"], "x" * 300_000) for number in range(7)]
    huge = Setting("huge", str, ["a"], "x" * 1_100_000)
    client = driver.start(service)
    assert [3, 3] == count_declared(service)
    assert all(len(request.content) <= 2**20 for request in service.asked(DECLARE_MANY))
    assert {setting.name for setting in (*large, huge)} == set(service.declared())
    assert all(status.is_declared for status in client.native.status.settings.values())


REFUSALS = [answer(404, "unknown context features ['z']"), answer(422, {"detail": []}), answer(503, {"detail": "away"})]


@pytest.mark.parametrize("refusal", REFUSALS, ids=["text", "invalid", "away"])
def test_a_refused_declaration_of_many(driver: Driver, service: FakeService, refusal: Behaviour):
    """It costs its own setting only, and the log says of it what it says of one that is declared alone."""
    settings = make_settings(3)
    service.behaviours[DECLARE] = for_setting("s1", refusal, service.usual(DECLARE))
    service.set_default("s0", 5)
    client = driver.start(service)
    status = client.native.status
    assert ("current", [5, 1, 2]) == (status.state, [setting.get() for setting in settings])
    assert [True, False, True] == [status.settings[setting.name].is_declared for setting in settings]
    told = status.settings["s1"].rejected
    assert "POST /api/v1/settings/declare was answered with status" in told[0]
    client.reload()
    assert told == client.native.status.settings["s1"].rejected


def test_a_conflict_of_many(driver: Driver, service: FakeService):
    """A setting that is a conflict is followed."""
    settings = make_settings(2)
    service.set_default("s1", 7)
    service.behaviours[DECLARE] = for_setting("s1", answer(409, {"outcome": "mismatch"}), service.usual(DECLARE))
    client = driver.start(service)
    assert [0, 7] == [setting.get() for setting in settings]
    assert "conflict when declaring setting s1" in client.native.status.settings["s1"].rejected[0]


@pytest.mark.parametrize("status", [403, 404, 405, 413, 422, 501])
def test_a_service_that_does_not_know_it_after_all(driver: Driver, service: FakeService, status: int):
    """Settings are declared one by one where the request is not understood, as by a proxy or an older service."""
    settings = make_settings(20)
    service.behaviours[DECLARE_MANY] = answer(status)
    client = driver.start(service)
    declared = [json.loads(request.content)["name"] for request in service.asked(DECLARE)]
    assert sorted(setting.name for setting in settings) == sorted(declared)
    assert (1, True) == (len(service.asked(DECLARE_MANY)), client.native.status.settings["s19"].is_declared)


def test_refused_credentials(driver: Driver, service: FakeService):
    """401 is a failed start, and nothing is declared one by one."""
    settings = make_settings(2)
    service.behaviours[DECLARE_MANY] = answer(401)
    client = driver.create(service, on_start_failure="raise")
    with pytest.raises(httpx2.HTTPStatusError, match="401"):
        client.start()
    assert ([], 2) == (service.asked(DECLARE), len(settings))


# What a request for many settings may come to as a whole.
WHOLE = {
    "unreachable": fail(httpx2.ConnectError("refused")),
    "server error": answer(500, "oops"),
    "HTML": answer(200, "<html>"),
    "object": answer(200, {"outcome": "created"}),
    "too few answers": answer(200, [{"status": 200, "body": {"outcome": "created"}}]),
    "answers of another shape": answer(200, [{"status": "200", "body": {}}] * 20),
    "deeply nested": answer(200, "[" * 100_000),
}


@pytest.mark.parametrize("failure", WHOLE.values(), ids=WHOLE.keys())
def test_a_request_that_fails_as_a_whole(
    driver: Driver, service: FakeService, monkeypatch: pytest.MonkeyPatch, failure: Behaviour
):
    """It fails no start; its settings are tried again in the background."""
    monkeypatch.setattr(declaration_retry, "FIRST_RETRY_S", SHORT_S)
    settings = make_settings(20)
    service.behaviours[DECLARE_MANY] = in_turn(failure, service.usual(DECLARE_MANY))
    client = driver.start(service)
    assert "current" == client.native.status.state
    service.await_calls(DECLARE_MANY, 2)
    client.reload()
    assert all(status.is_declared for status in client.native.status.settings.values())
    assert [20, 20] == count_declared(service)[:2] == [len(settings)] * 2


def test_one_setting_that_spoils_requests_for_many(
    driver: Driver, service: FakeService, monkeypatch: pytest.MonkeyPatch
):
    """Where no request that has a certain setting in it is answered, the others are declared without it in the end."""
    monkeypatch.setattr(declaration_retry, "FIRST_RETRY_S", SHORT_S)
    monkeypatch.setattr(declaration_protocol.wire, "MAX_DECLARATIONS", 20)
    settings = make_settings(20)
    usual = service.usual(DECLARE_MANY)

    def break_off(request: httpx2.Request) -> httpx2.Response:
        return (fail(httpx2.ReadError("reset")) if b'"s7"' in request.content else usual)(request)

    service.behaviours[DECLARE_MANY] = break_off
    service.behaviours[DECLARE] = for_setting("s7", fail(httpx2.ReadError("reset")), service.usual(DECLARE))
    client = driver.start(service)
    for _ in range(6):
        client.reload()
    statuses = client.native.status.settings
    assert {"s7"} == {name for name, status in statuses.items() if not status.is_declared}
    assert 20 == len(settings)


def test_the_revision_of_many_declarations_is_asked_for(driver: Driver, service: FakeService):
    """The query that follows is not answered with less than what was declared."""
    kept = make_settings(3)
    driver.start(service)
    [query] = service.asked(QUERY)
    assert ("4", 3) == (query.headers["Heksher-Min-Revision"], len(kept))


@pytest.mark.parametrize("count", [1, 3])
def test_declarations_are_not_answered_with_less_than_was_seen(driver: Driver, service: FakeService, count: int):
    """A replica may answer them from memory, and be behind."""
    kept = [Setting("first", int, ["a"], 0)]
    client = driver.start(service)
    seen, before = service.revision, len(service.asked(DECLARE))
    kept += make_settings(count)
    client.reload()
    asked = service.asked(DECLARE)[before:] + service.asked(DECLARE_MANY)
    demanded = [int(request.headers["Heksher-Min-Revision"]) for request in asked]
    assert (seen, 1 + count) == (min(demanded), len(kept))
