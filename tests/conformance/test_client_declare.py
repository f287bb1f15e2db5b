"""What both clients make of the answers to their declarations."""

import json
from collections.abc import Sequence

import httpx2
import pytest

from heksher import Setting
from tests.support.drivers import SHORT_S, Driver
from tests.support.fake_service import DECLARE, QUERY, Behaviour, FakeService, answer, fail, for_setting, in_turn

CONFLICTS = {
    "mismatch": answer(409, {"outcome": "mismatch", "differences": [{"level": "mismatch", "attribute": "type"}]}),
    "rejected": answer(409, {"outcome": "rejected", "previous_version": "1.0", "differences": []}),
    "foreign alias": answer(409, "alias belongs to another setting"),
}

# What may go wrong with one declaration of several.
FAILURES = {
    "unknown feature": answer(404, "unknown context features ['z']"),
    "unknown feature, upgrading": answer(404, {"detail": "unknown context features"}),
    "malformed": answer(422, {"detail": []}),
    "new setting with another version": answer(400, "the first version must be 1.0"),
    "server error": answer(500, "oops"),
    "HTML": answer(200, "<html>"),
    "no object": answer(200, []),
    "empty": answer(204, ""),
    "unreachable": fail(httpx2.ConnectError("refused")),
    "timeout": fail(httpx2.ReadTimeout("slow")),
}


def test_a_declaration_says_all(driver: Driver, service: FakeService):
    """The request has every attribute of the setting, as JSON."""
    setting = Setting(
        "s", Sequence[int], "ba", [1, 2], metadata={"owner": "team"}, alias="earlier", version="2.1", on_coerce=None
    )
    driver.start(service)
    request = service.asked(DECLARE)[0]
    expected = {
        "name": "s",
        "configurable_features": ["b", "a"],
        "type": "Sequence<int>",
        "default_value": [1, 2],
        "metadata": {"owner": "team"},
        "alias": "earlier",
        "version": "2.1",
    }
    assert (expected, expected) == (json.loads(request.content), setting.to_v1_declaration_body())
    assert "application/json" == request.headers["Content-Type"]


def test_without_a_body_no_content_type_is_sent(driver: Driver, service: FakeService):
    """Requests without a body do not say what it is."""
    driver.start(service)
    assert {None} == {request.headers.get("Content-Type") for _, request in service.calls}


@pytest.mark.parametrize("conflict", CONFLICTS.values(), ids=CONFLICTS.keys())
def test_a_conflict_is_no_failure(
    driver: Driver, service: FakeService, caplog: pytest.LogCaptureFixture, conflict: Behaviour
):
    """A declaration that is answered with 409 is one error in the log; the setting gets the service's values."""
    setting = Setting("s", Sequence[int], ["a"], ())
    service.set_default("s", ["x", 2])
    with service.behaving(DECLARE, conflict):
        client = driver.start(service)
        client.reload()
    assert ((2,), ["s", "s"]) == (setting.get(), service.declared())
    records = [record for record in caplog.records if "conflict when declaring setting" in record.getMessage()]
    assert [("ERROR", True)] == [(record.levelname, record.name.startswith("heksher")) for record in records]
    assert "setting s" in records[0].getMessage()


def test_a_conflict_says_what_to_do(driver: Driver, service: FakeService, caplog: pytest.LogCaptureFixture):
    """A default that was changed without a new version is named, with the version to declare, in log and status."""
    setting = Setting("s", int, ["a"], 2)
    service.set_default("s", 1)
    difference = {"level": "minor", "attribute": "default_value", "latest_value": 1}
    with service.behaving(DECLARE, answer(409, {"outcome": "mismatch", "differences": [difference]})):
        client = driver.start(service)
    text = "default changed 1 → 2; the version is still 1.0: set version='1.1'"
    [record] = [record for record in caplog.records if "conflict when declaring setting s" in record.getMessage()]
    assert record.getMessage().endswith(text)
    assert client.native.status.settings["s"].rejected[0].endswith(text)
    assert (1, "mismatch") == (setting.get(), json.loads(record.response_content)["outcome"])


@pytest.mark.trap(4)
def test_a_conflict_about_a_setting_that_the_service_does_not_have(driver: Driver, service: FakeService):
    """A setting that is refused and does not exist (its alias is another setting's) is not asked for by the others."""
    good, bad = Setting("good", int, ["a"], 0), Setting("bad", int, ["a"], 0, alias="other")
    service.set_default("good", 1)
    with service.behaving(DECLARE, for_setting("bad", CONFLICTS["foreign alias"], service.usual(DECLARE))):
        client = driver.start(service)
        assert (1, 0) == (good.get(), bad.get())
        service.set_default("good", 2)
        client.reload()
        assert (2, 0) == (good.get(), bad.get())
        assert "alias belongs to another setting" in client.native.status.settings["bad"].rejected[0]
    service.set_default("bad", 3)
    client.reload()
    assert (2, 3) == (good.get(), bad.get())


@pytest.mark.trap(6)
@pytest.mark.parametrize("failure", FAILURES.values(), ids=FAILURES.keys())
def test_a_failed_declaration_stops_no_other(driver: Driver, service: FakeService, failure: Behaviour):
    """The start succeeds, and the others are declared and updated; the one that failed keeps its default."""
    settings = [Setting(name, int, ["a"], 0) for name in ("one", "bad", "two")]
    for name in ("one", "two"):
        service.set_default(name, 5)
    with service.behaving(DECLARE, for_setting("bad", failure, service.usual(DECLARE))):
        client = driver.start(service)
        assert [5, 0, 5] == [setting.get() for setting in settings]
        assert "one,two" == service.queries()[-1]["settings"]
        service.set_default("one", 6)
        client.reload()
        assert [6, 0, 5] == [setting.get() for setting in settings]
        assert (None, None) == (client.await_outcome(), client.native.status.last_error)
    service.set_default("bad", 5)
    client.reload()
    assert [6, 5, 5] == [setting.get() for setting in settings]


@pytest.mark.parametrize("failure", FAILURES.values(), ids=FAILURES.keys())
def test_a_failed_declaration_slows_no_update(driver: Driver, service: FakeService, failure: Behaviour):
    """With one setting whose declaration fails, the others are updated in their interval, and nothing else is told."""
    good, bad = Setting("good", int, ["a"], 0), Setting("bad", int, ["a"], 0)
    with service.behaving(DECLARE, for_setting("bad", failure, service.usual(DECLARE))):
        client = driver.start(service, interval_s=SHORT_S)
        assert [None] * 20 == [client.await_outcome() for _ in range(20)]
        service.set_default("good", 7)
        service.await_calls(QUERY, len(service.queries()) + 2)
        status = client.native.status
        client.close()
    assert (7, 0, "current", None) == (good.get(), bad.get(), status.state, status.last_error)
    assert (True, False) == tuple(status.settings[name].is_declared for name in ("good", "bad"))
    assert "bad" in status.settings["bad"].rejected[0]


# A declaration of a setting that the service has: what it may be refused or fail with.
KNOWN = [answer(404, "unknown context features ['z']"), answer(422, {"detail": []}), answer(503), answer(507)]


@pytest.mark.parametrize("number", [1, 20])
@pytest.mark.parametrize("failure", KNOWN, ids=["unknown feature", "malformed", "away", "full"])
def test_settings_that_the_service_has_are_followed(
    driver: Driver, service: FakeService, failure: Behaviour, number: int
):
    """A setting whose declaration fails gets the service's values where the service has it, under whichever name."""
    settings = [Setting(f"s{count}", int, ["a"], 0) for count in range(number)]
    renamed = Setting("new", int, ["a"], 0, alias="old")
    for name in (*(setting.name for setting in settings), "old"):
        service.set_default(name, 5)
    with service.behaving(DECLARE, failure):
        client = driver.start(service)
        assert [5] * (number + 1) == [setting.get() for setting in (*settings, renamed)]
        service.set_default("s0", 6)
        client.reload()
    assert (6, False, False) == (
        settings[0].get(),
        client.native.status.settings["s0"].is_declared,
        client.native.status.settings["s0"].is_stale,
    )


@pytest.fixture
def _hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have failed declarations tried again almost at once."""
    for name in ("FIRST_RETRY_S", "FIRST_REFUSED_S"):
        monkeypatch.setattr(f"heksher.clients.conversation.declaration_retry.{name}", SHORT_S)


@pytest.mark.trap(3)
@pytest.mark.usefixtures("_hasty")
@pytest.mark.parametrize("failure", FAILURES.values(), ids=FAILURES.keys())
def test_a_failed_declaration_is_tried_again_in_the_background(
    driver: Driver, service: FakeService, failure: Behaviour
):
    """Only what failed is declared again, until it succeeds, without any call by the program, whatever the interval."""
    good, bad = Setting("good", int, ["a"], 0), Setting("bad", int, ["a"], 0)
    usual = service.usual(DECLARE)
    with service.behaving(DECLARE, for_setting("bad", in_turn(failure, failure, failure, usual), usual)):
        client = driver.start(service)
        service.await_calls(DECLARE, 5)
        client.reload()
    assert (4, 1) == (service.declared().count("bad"), service.declared().count(good.name))
    assert client.native.status.settings[bad.name] == client.native.status.settings["good"]


@pytest.mark.trap(3)
@pytest.mark.usefixtures("_hasty")
def test_a_declaration_that_failed_late_is_tried_again(driver: Driver, service: FakeService):
    """The same holds for a setting that is created while the client runs."""
    client = driver.start(service)
    with service.behaving(DECLARE, answer(503)):
        late = Setting("late", int, ["a"], 0)
        service.await_calls(DECLARE, 3)
        assert 0 == late.get()
    service.set_default("late", 5)
    declared = len(service.declared())
    service.await_calls(DECLARE, declared + 1)
    client.reload()
    assert 5 == late.get()


def test_a_failed_declaration_is_logged_once(driver: Driver, service: FakeService, caplog: pytest.LogCaptureFixture):
    """A problem that goes on is not repeated in the log at each try; the line names the setting and the remedy."""
    setting = Setting("s", int, ["a"], 0)
    with service.behaving(DECLARE, answer(404, "no such feature")):
        client = driver.start(service)
        for _ in range(3):
            client.reload()
    errors = [record for record in caplog.records if record.levelname == "ERROR"]
    assert (1, 0) == (len(errors), setting.get())
    for part in ("error when declaring setting s: ", "no such feature", "add the context feature to the service"):
        assert part in errors[0].getMessage()


def test_no_answer_to_any_declaration(driver: Driver, service: FakeService):
    """After three declarations in a row without an answer the update goes on; the others are declared right after."""
    settings = [Setting(f"s{number}", int, ["a"], 0) for number in range(5)]
    silent = in_turn(*[fail(httpx2.ReadTimeout("slow"))] * 3, service.usual(DECLARE))
    with service.behaving(DECLARE, silent):
        client = driver.start(service)
        service.await_calls(DECLARE, 5)
    assert [setting.name for setting in settings] == service.declared()[:5]
    assert "current" == client.native.status.state


def test_metadata_that_is_spoilt_later_stops_no_other(driver: Driver, service: FakeService):
    """A declaration that cannot even be written costs its own setting only."""
    good, bad = Setting("good", int, ["a"], 0), Setting("bad", int, ["a"], 0)
    bad.metadata["owner"] = object()
    service.set_default("good", 5)
    driver.start(service)
    assert (5, 0) == (good.get(), bad.get())


@pytest.mark.trap(18)
def test_two_settings_of_one_name(driver: Driver, service: FakeService):
    """All setting objects of a name follow the service, whether created before the start or after an update."""
    first, second = Setting("s", int, ["a"], 0), Setting("s", int, ["a"], 1)
    service.add_rule("s", 1, 10, a="x")
    client = driver.start(service)
    assert (10, 10) == (first.get(a="x"), second.get(a="x"))
    client.reload()
    third = Setting("s", int, ["a"], 2)
    client.reload()
    assert 10 == third.get(a="x")
    service.add_rule("s", 1, 11, a="x")
    client.reload()
    assert [11] * 3 == [setting.get(a="x") for setting in (first, second, third)]
    assert {"s"} == {query["settings"] for query in service.queries()}


@pytest.mark.trap(18)
def test_two_settings_of_one_name_and_different_types(driver: Driver, service: FakeService):
    """Each setting object converts for itself."""
    number, text = Setting("s", int, ["a"], 0), Setting("s", str, ["a"], "zero")
    service.set_default("s", 5)
    client = driver.start(service)
    assert (5, "zero") == (number.get(), text.get())
    service.set_default("s", "five")
    client.reload()
    assert (5, "five") == (number.get(), text.get())


@pytest.mark.trap(18)
def test_one_of_two_settings_of_one_name_is_rejected(driver: Driver, service: FakeService):
    """The status shows what is wrong with either of them, whichever was created last."""
    service.set_default("s", 5)
    service.set_default("t", 5)
    settings = [
        Setting(name, python_type, ["a"], default)
        for name, python_type, default in (("s", int, 0), ("s", str, "zero"), ("t", str, "zero"), ("t", int, 0))
    ]
    statuses = driver.start(service).native.status.settings
    assert [5, "zero", "zero", 5] == [setting.get() for setting in settings]
    assert [(True, 1)] * 2 == [(statuses[name].is_stale, len(statuses[name].rejected)) for name in "st"]


def outdated(default_value: object) -> Behaviour:
    """Make the answer to a declaration that is older than what the service has."""
    difference = {"level": "minor", "attribute": "default_value", "latest_value": default_value}
    return answer(200, {"outcome": "outdated", "latest_version": "1.1", "differences": [difference]})


def test_the_default_of_an_outdated_declaration_applies_at_once(driver: Driver, service: FakeService):
    """The default that the service has holds before the first query is answered; what the query says, holds then."""
    setting, other = Setting("s", int, ["a"], 0), Setting("t", int, ["a"], 0)
    service.set_default("s", 2)
    service.behaviours[DECLARE] = for_setting("s", outdated(1), service.usual(DECLARE))
    client = driver.create(service, on_start_failure="raise")
    with service.holding(QUERY) as gate:
        start = client.begin("set_as_main")
        gate.await_requests()
        assert (1, 1, 0) == (setting.get(), setting.server_default_value, other.get())
        assert client.native.status.settings["s"].is_stale
        gate.open()
        start.result()
    assert 2 == setting.get()


def test_the_default_of_an_outdated_declaration_survives_a_failed_query(driver: Driver, service: FakeService):
    """It holds, too, where the first query fails; one that is no value of the setting's type is refused."""
    setting, other = Setting("s", int, ["a"], 0), Setting("t", int, ["a"], 0)
    service.behaviours[DECLARE] = for_setting("s", outdated(1), outdated("one"))
    service.behaviours[QUERY] = answer(500)
    client = driver.create(service, on_start_failure="continue")
    client.start()
    assert (1, 0) == (setting.get(), other.get())
    assert "'one'" in client.native.status.settings["t"].rejected[0]


@pytest.mark.parametrize("differences", [None, {}, [1], [{"attribute": "default_value"}], [{"attribute": "type"}]])
def test_an_outdated_declaration_that_tells_no_default(driver: Driver, service: FakeService, differences: object):
    """Without a default in the answer the setting's own holds until the query is answered."""
    setting = Setting("s", int, ["a"], 3)
    body = {"outcome": "outdated", "latest_version": "1.1", "differences": differences}
    service.behaviours[DECLARE] = answer(200, body)
    service.behaviours[QUERY] = answer(500)
    client = driver.create(service, on_start_failure="continue")
    client.start()
    assert (3, True) == (setting.get(), client.native.status.settings["s"].is_declared)
