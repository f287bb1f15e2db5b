"""What both clients log: the messages that operators match on, their levels, and no secrets."""

import logging
from collections.abc import Sequence

import httpx2
import pytest

from heksher import Setting
from tests.support.drivers import NO_INTERVAL, SHORT_S, Driver
from tests.support.fake_service import DECLARE, FEATURES, QUERY, FakeService, answer, fail


@pytest.fixture(autouse=True)
def log_everything(caplog: pytest.LogCaptureFixture) -> None:
    """Capture the records of all loggers."""
    caplog.set_level(logging.DEBUG)


def find(caplog: pytest.LogCaptureFixture, part: str) -> list[tuple[str, str]]:
    """List (level, name of the package) of the records with a text in their message."""
    return [
        (record.levelname, record.name.partition(".")[0]) for record in caplog.records if part in record.getMessage()
    ]


# ---- context features


@pytest.mark.parametrize("features", ["ab", "abcd", "cba", "xyz", ""])
def test_a_feature_mismatch_is_a_warning(
    driver: Driver, service: FakeService, caplog: pytest.LogCaptureFixture, features: str
):
    """Features that differ from the service's, also in their order, are a warning at the start, with both lists."""
    client = driver.start(service, features=features)
    client.reload()
    assert [("WARNING", "heksher")] == find(caplog, "context feature mismatch")
    message = next(
        record for record in caplog.records if "context feature mismatch" in record.getMessage()
    ).getMessage()
    assert f"['a', 'b', 'c'], this client {list(features)}" in message


def test_the_same_features_are_no_mismatch(driver: Driver, service: FakeService, caplog: pytest.LogCaptureFixture):
    """A client with the service's features warns of nothing."""
    driver.start(service)
    assert [] == find(caplog, "mismatch")


def test_a_failure_to_get_the_features_is_one_error(
    driver: Driver, service: FakeService, caplog: pytest.LogCaptureFixture
):
    """The first of a row, which says where the service should be, without credentials."""
    with service.behaving(FEATURES, answer(500, "oops")):
        client = driver.create(
            service, url="http://user:s3cret@heksher.test", interval_s=NO_INTERVAL, on_start_failure="continue"
        )
        client.start()
        with pytest.raises(httpx2.HTTPError):
            client.reload()
    client.reload()
    text = "failure to get context_features from heksher service"
    records = [record for record in caplog.records if record.getMessage().startswith(text)]
    assert ["ERROR", "DEBUG"] == [record.levelname for record in records]
    assert {"http://heksher.test"} == {record.service_url for record in records}


# ---- declarations

DIFFERENCE = {"level": "minor", "attribute": "default_value", "latest_value": 7}
CHANGE = "default changed 0 → 7"


@pytest.mark.parametrize(
    ("declared", "latest", "level"),
    [("1.0", "1.1", "INFO"), ("1.0", "2.0", "WARNING"), ("1.9", "1.10", "INFO"), ("1.5", "10.5", "WARNING")],
)
def test_an_outdated_declaration(
    driver: Driver, service: FakeService, caplog: pytest.LogCaptureFixture, declared: str, latest: str, level: str
):
    """An outdated version is a warning if the major version has changed, else an information; with what changed."""
    setting = Setting("s", int, ["a"], 0, version=declared)
    service.set_default("s", 7)
    outcome = {"outcome": "outdated", "latest_version": latest, "differences": [DIFFERENCE]}
    with service.behaving(DECLARE, answer(200, outcome)):
        client = driver.start(service)
        client.reload()
    assert ([(level, "heksher")], 7) == (find(caplog, "outdated"), setting.get())
    message = next(record.getMessage() for record in caplog.records if "outdated" in record.getMessage())
    assert message.endswith(f"setting s is declared with the version {declared}, the service has {latest}: {CHANGE}")


@pytest.mark.parametrize("outcome", ["created", "uptodate", "upgraded"])
def test_an_accepted_declaration_is_not_logged(
    driver: Driver, service: FakeService, caplog: pytest.LogCaptureFixture, outcome: str
):
    """What goes as it should is nothing that operators must look at."""
    setting = Setting("s", int, ["a"], 0)
    service.set_default("s", 0)
    with service.behaving(DECLARE, answer(200, {"outcome": outcome, "differences": []})):
        driver.start(service)
    heksher = [
        record for record in caplog.records if record.name.startswith("heksher") and record.levelno > logging.DEBUG
    ]
    assert ([], 0) == (heksher, setting.get())


# ---- values


def test_coerced_values(driver: Driver, service: FakeService, caplog: pytest.LogCaptureFixture):
    """A coerced default is a warning, a coerced rule an information; each is logged when it appears."""
    setting = Setting("s", Sequence[int], ["a"], ())
    service.set_default("s", [1, "x"])
    service.add_rule("s", 4, [2, "y"], a="x")
    client = driver.start(service)
    client.reload()
    assert [("INFO", "heksher"), ("WARNING", "heksher")] == sorted(find(caplog, "coerced"))
    info, warning = sorted(
        (record for record in caplog.records if "coerced" in record.getMessage()), key=lambda record: record.levelno
    )
    assert ("rule 4" in info.getMessage(), "default" in warning.getMessage()) == (True, True)
    assert "failed to convert element 1: TypeError" in info.getMessage()
    assert ((1,), (2,)) == (setting.get(a="-"), setting.get(a="x"))


@pytest.mark.parametrize("announces", [True, False])
def test_a_problem_is_logged_when_it_changes(
    driver: Driver, service: FakeService, caplog: pytest.LogCaptureFixture, announces: bool
):
    """A rejected value is an error once, again when another value is rejected, and again after a good one."""
    service.announces_features = announces
    setting = Setting("s", int, ["a"], 0)
    service.set_default("s", "bad")
    client = driver.start(service)
    logged = []
    for value in ("bad", "worse", "worse", 1, "bad"):
        service.set_default("s", value)
        client.reload()
        logged.append(len(find(caplog, "was rejected")))
    assert ([1, 2, 2, 2, 3], 1) == (logged, setting.get())
    assert {("WARNING", "heksher")} == set(find(caplog, "was rejected"))


def test_a_setting_that_is_never_retrieved(driver: Driver, service: FakeService, caplog: pytest.LogCaptureFixture):
    """A setting that the service leaves out of its answer is an information, and keeps its default."""
    setting, other = Setting("s", int, ["a"], 5), Setting("other", int, ["a"], 5)
    reply = answer(200, {"settings": {"other": {"default_value": 6, "rules": []}}}, **{"Heksher-Context-Features": "a"})
    with service.behaving(QUERY, reply):
        client = driver.start(service)
        client.reload()
    assert ([("INFO", "heksher")], 5, 6) == (find(caplog, "never retrieved"), setting.get(), other.get())


def test_a_row_of_failures_is_one_error(driver: Driver, service: FakeService, caplog: pytest.LogCaptureFixture):
    """The first failed update is an error, later ones are details, and the end of the row is an information."""
    client = driver.start(service, interval_s=SHORT_S)
    with service.behaving(QUERY, answer(500, "oops")):
        service.await_calls(QUERY, len(service.queries()) + 4)
    answered = len(service.queries())
    service.await_calls(QUERY, answered + 2)
    client.close()
    failures = [level for level, _ in find(caplog, "error during heksher update")]
    assert (["ERROR"], {"DEBUG"}) == (failures[:1], set(failures[1:]))
    assert [("INFO", "heksher")] == find(caplog, "works again")


def test_a_failed_start_that_goes_on_is_an_error(
    driver: Driver, service: FakeService, caplog: pytest.LogCaptureFixture
):
    """Operators learn why a program runs on its defaults."""
    with service.behaving(QUERY, answer(500, "database is down")):
        driver.create(service, interval_s=NO_INTERVAL, on_start_failure="continue").start()
    assert [("ERROR", "heksher")] == find(caplog, "failed")
    assert [("ERROR", "heksher")] == find(caplog, "database is down")


# ---- secrets

SECRET = "s3cr@t"  # noqa: S105 - opens nothing


@pytest.mark.trap(28)
@pytest.mark.parametrize(
    "failure",
    [None, answer(500, "oops"), answer(200, "<html>"), fail(httpx2.ConnectError("refused")), fail(OSError("no route"))],
    ids=["well", "500", "HTML", "unreachable", "unforeseen"],
)
def test_credentials_stay_secret(driver: Driver, service: FakeService, caplog: pytest.LogCaptureFixture, failure):
    """Credentials in the service's URL are sent with each request, and stand in no log record and no error."""
    setting = Setting("s", int, ["a"], 0)
    client = driver.create(
        service, url="http://user:s3cr%40t@heksher.test", on_start_failure="continue", client_class=driver.client_class
    )
    texts: list[str] = [repr(client.native)]
    if failure is not None:
        for route in (QUERY, DECLARE, "GET /api/health", "GET /api/v1/settings"):
            service.behaviours[route] = failure
    for method in ("set_as_main", "reload", "ping", "get_settings"):
        error = client.begin(method).exception()
        assert method == "set_as_main" or (failure is None) == (error is None)
        while error is not None:
            texts += [str(error), repr(error)]
            error = error.__cause__
    formatter = logging.Formatter("%(name)s %(message)s")
    texts += [formatter.format(record) + repr(record.args) for record in caplog.records]
    assert [] == [text for text in texts if SECRET in text or "s3cr%40t" in text]
    sent = {request.headers.get("Authorization") for _, request in service.calls}
    assert ({httpx2.BasicAuth("user", SECRET)._auth_header}, 0) == (sent, setting.get())
    assert any("heksher.test" in text for text in texts)
