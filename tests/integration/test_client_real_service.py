"""Both clients against our service, over sockets: what a running program sees when somebody changes something."""

import json
import logging
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from enum import Enum, IntFlag
from pathlib import Path

import httpx2
import pytest

from heksher import TRACK_ALL, Setting
from heksher.server.storage.memory import MemoryStorage
from heksher.setting_type import HeksherFlags
from tests.support.drivers import SHORT_S, DrivenClient, Driver
from tests.support.service import RunningService
from tests.support.waiting import wait_until

FEATURES = ["environment", "user", "theme"]
START_DEADLINE_S = 60.0


class Color(Enum):
    RED = "red"
    BLUE = "blue"


class Right(IntFlag):
    READ = 1
    WRITE = 2


@pytest.fixture
def service() -> Iterator[RunningService]:
    """A running service with three context features."""
    with RunningService() as service:
        service.add_features(*FEATURES)
        yield service


def create(driver: Driver, service: RunningService, **options) -> DrivenClient:
    """Make a client of the service that talks over sockets."""
    options.setdefault("http_client_args", {})
    return driver.create(service, FEATURES, **options)


def start(driver: Driver, service: RunningService, **options) -> DrivenClient:
    """Make such a client and start it."""
    client = create(driver, service, on_start_failure="raise", **options)
    client.start()
    return client


def read_revision(service: RunningService) -> int:
    """Return the number of the newest entry in the service's change log."""
    return int(service.http.get("/api/v1/query").headers["Heksher-Revision"])


def requests_for(caplog: pytest.LogCaptureFixture, path: str) -> list[int]:
    """List the status codes that the HTTP library got for a path."""
    messages = [record.getMessage() for record in caplog.records if record.name == "httpx2"]
    return [int(message.split('"HTTP/1.1 ')[1][:3]) for message in messages if path in message]


def test_a_changed_rule_changes_what_a_running_client_reads(driver: Driver, service: RunningService):
    """Rules that are added, changed and deleted on the service reach the program by themselves."""
    setting = Setting("cache_ttl", int, ["environment", "user"], 60)
    client = start(driver, service, interval_s=SHORT_S)

    def read_after_update() -> int:
        while not client.native.outcomes.empty():
            client.await_outcome()
        # One update may have been under way when the service was changed, the next one was not.
        client.await_success()
        client.await_success()
        return setting.get(environment="dev", user="guest")

    assert 60 == setting.get(environment="dev", user="guest")
    rule_id = service.add_rule("cache_ttl", {"environment": "dev", "user": "guest"}, 10)
    assert 10 == read_after_update()
    service.http.put(f"/api/v1/rules/{rule_id}/value", json={"value": 20}).raise_for_status()
    assert 20 == read_after_update()
    service.http.delete(f"/api/v1/rules/{rule_id}").raise_for_status()
    assert 60 == read_after_update()


def test_unchanged_answers_are_not_sent_again(
    driver: Driver, service: RunningService, caplog: pytest.LogCaptureFixture
):
    """As long as nothing changes the service answers 304, without a body; the feature order is asked for once."""
    caplog.set_level(logging.INFO)
    setting = Setting("s", int, ["user"], 0)
    client = start(driver, service)
    client.reload()
    client.reload()
    service.add_rule("s", {"user": "x"}, 5)
    client.reload()
    client.reload()
    assert [200, 304, 304, 200, 304] == requests_for(caplog, "/api/v1/query?")
    assert ([200], 5) == (requests_for(caplog, "/api/v1/context_features"), setting.get(user="x"))


def test_only_tracked_rules_are_fetched(driver: Driver, service: RunningService):
    """A rule outside the tracked values does not reach the program; one inside does."""
    setting = Setting("s", int, ["environment", "user"], 0)
    client = create(driver, service, on_start_failure="raise")
    client.native.track_contexts(environment=["dev", "test"], user=TRACK_ALL)
    client.start()
    service.add_rule("s", {"environment": "dev"}, 1)
    service.add_rule("s", {"environment": "prod"}, 2)
    service.add_rule("s", {"environment": "test", "user": "U_1"}, 3)
    client.reload()
    assert (1, 0, 3) == (
        setting.get(environment="dev", user="-"),
        setting.get(environment="prod", user="-"),
        setting.get(environment="test", user="U_1"),
    )
    assert 2 == len(setting._evaluation.rules.rules)


MAIL, ZONE, WORDS = "alice@example.com", "eu-west-1", 'ünï "quoted", (b)'


def track_any_text(driver: Driver, service: RunningService, file: Path) -> DrivenClient:
    """Start a client that tracks values that are any text, and keeps a file of last known values."""
    client = create(driver, service, on_start_failure="raise", last_known_file=file)
    client.native.track_contexts(user=[MAIL, "guest"], environment=ZONE, theme=TRACK_ALL)
    client.start()
    return client


def read_any_text(setting: Setting[int]) -> list[int]:
    users = [setting.get(user=user, environment=ZONE, theme="-") for user in (MAIL, "guest", "-")]
    return [*users, setting.get(user="-", environment="-", theme=WORDS)]


def test_any_text_as_a_context_value(driver: Driver, tmp_path: Path):
    """Rules for addresses and the like are fetched, followed by a stream, explained, and kept for a later start."""
    setting = Setting("s", int, FEATURES, 0)
    with RunningService() as service:
        service.add_features(*FEATURES)
        client = track_any_text(driver, service, tmp_path / "file")
        assert wait_until(lambda: client.native.status.is_streaming)
        service.add_rule("s", {"user": "bob@example.com"}, 5)
        service.add_rule("s", {"user": "guest"}, 3)
        service.add_rule("s", {"theme": WORDS}, 2)
        service.add_rule("s", {"user": MAIL, "environment": ZONE}, 1)
        assert wait_until(lambda: [1, 3, 0, 2] == read_any_text(setting))
        assert 3 == len(setting._evaluation.rules.rules)
        explanation = setting.explain(user=MAIL, environment=ZONE, theme="-")
        assert f'because of rule 4 (environment="{ZONE}", user="{MAIL}"): 1' in str(explanation)
        client.reload()
        client.close()
    again = Setting("s", int, FEATURES, 0)
    restored = track_any_text(driver, service, tmp_path / "file")
    assert ("file", [1, 3, 0, 2]) == (restored.native.status.source, read_any_text(again))


def test_a_setting_renamed_on_the_service(driver: Driver, service: RunningService):
    """Settings that are renamed while the program runs keep working under the names that it says."""
    settings = [Setting(name, int, ["user"], 0) for name in ("one", "two", "three")]
    client = start(driver, service)
    for old, new in (("one", "first"), ("two", "second")):
        body = {"name": new, "version": "1.1"}
        service.http.put(f"/api/v1/settings/{old}/name", json=body).raise_for_status()
        service.add_rule(new, {"user": "x"}, 7)
    service.add_rule("three", {"user": "x"}, 8)
    client.reload()
    assert [7, 7, 8] == [setting.get(user="x") for setting in settings]
    assert {"first", "second", "three"} == client.get_settings().keys()
    service.http.put("/api/v1/settings/first/name", json={"name": "one", "version": "1.2"}).raise_for_status()
    client.reload()
    assert [7, 7, 8] == [setting.get(user="x") for setting in settings]


def test_a_program_that_renames_its_setting(driver: Driver, service: RunningService):
    """A declaration with an alias renames on the service; rules stay, and programs with the old name go on."""
    service.declare("old")
    service.add_rule("old", {"user": "x"}, 7)
    settings = [
        Setting("new", int, FEATURES, 0, alias="old", version="1.1"),
        Setting("old", int, FEATURES, 0, version="1.0"),
    ]
    start(driver, service).reload()
    assert [7, 7] == [setting.get(environment="-", user="x", theme="-") for setting in settings]


def test_a_setting_deleted_on_the_service(driver: Driver, service: RunningService):
    """The others go on, and the deleted one is there again, without its rules."""
    settings = [Setting(name, int, ["user"], 0) for name in ("one", "two")]
    client = start(driver, service)
    for name in ("one", "two"):
        service.add_rule(name, {"user": "x"}, 7)
    client.reload()
    service.http.delete("/api/v1/settings/one").raise_for_status()
    client.reload()
    assert [0, 7] == [setting.get(user="x") for setting in settings]
    service.add_rule("one", {"user": "x"}, 8)
    client.reload()
    assert [8, 7] == [setting.get(user="x") for setting in settings]


@pytest.mark.trap(21)
def test_a_feature_moved_on_the_service(driver: Driver, service: RunningService):
    """Another order of the features is another priority of the same rules."""
    setting = Setting("s", int, ["environment", "user"], 0)
    client = start(driver, service)
    service.add_rule("s", {"environment": "x"}, 1)
    service.add_rule("s", {"user": "x"}, 2)
    client.reload()
    assert 2 == setting.get(environment="x", user="x")
    body = {"to_after": "user"}
    service.http.patch("/api/v1/context_features/environment/index", json=body).raise_for_status()
    client.reload()
    assert 1 == setting.get(environment="x", user="x")


@pytest.mark.trap(24)
def test_500_settings(driver: Driver, service: RunningService):
    """Hundreds of settings are declared and read by one start, with one entry in the change log."""
    before = read_revision(service)
    settings = [Setting(f"domain.setting_{number}", int, ["user"], number) for number in range(500)]
    client = create(driver, service, on_start_failure="raise")
    # While coverage is measured on a busy machine, that takes longer than other calls may.
    client.begin("set_as_main").result(START_DEADLINE_S)
    assert before + 1 == read_revision(service)
    assert {setting.name for setting in settings} == client.get_settings().keys()
    service.add_rule("domain.setting_77", {"user": "x"}, -1)
    client.reload()
    assert (-1, 78) == (settings[77].get(user="x"), settings[78].get(user="x"))


def test_values_of_every_type(driver: Driver, service: RunningService):
    """What the service holds as JSON arrives as values of the declared types."""
    values = {
        int: 10**30,
        float: 2.0,
        str: "ü\u2028\n",
        bool: True,
        Color: Color.BLUE,
        HeksherFlags(Right): Right.READ | Right.WRITE,
        Sequence[Color]: (Color.BLUE, Color.RED),
        Mapping[str, Sequence[int]]: {"": (1, 2), "k": ()},
    }
    settings = [Setting(f"s{number}", kind, ["user"], value) for number, (kind, value) in enumerate(values.items())]
    client = start(driver, service)
    for setting in settings:
        wire_value = setting.to_v1_declaration_body()["default_value"]
        service.add_rule(setting.name, {"user": "x"}, wire_value)
    client.reload()
    assert list(values.values()) == [setting.get(user="x") for setting in settings]
    assert {"rule"} == {setting.explain(user="x").source for setting in settings}


def test_conflicts_and_outdated_declarations(driver: Driver, service: RunningService, caplog: pytest.LogCaptureFixture):
    """A program whose declarations are not the service's goes on with the service's values, and says so."""
    caplog.set_level(logging.INFO)
    for name in ("mismatched", "outdated"):
        service.declare(name, configurable_features=["user"], default_value=1)
    for version in ("1.1", "2.0"):
        service.declare("outdated", configurable_features=["user"], default_value=3, version=version)
    mismatched = Setting("mismatched", int, ["user"], 2)
    outdated = Setting("outdated", int, ["user"], 1)
    start(driver, service)
    assert (1, 3) == (mismatched.get(), outdated.get())
    levels = {
        part: [record.levelname for record in caplog.records if part in record.getMessage()]
        for part in ("conflict when declaring setting mismatched", "the service has 2.0: default changed 1 → 3")
    }
    assert [["ERROR"], ["WARNING"]] == list(levels.values())


def test_a_setting_with_an_unknown_feature(driver: Driver, service: RunningService):
    """It cannot be declared; the others are, and are updated. Once the service has the feature, it is."""
    good, bad = Setting("good", int, ["user"], 0), Setting("bad", int, ["zone"], 0)
    client = start(driver, service)
    service.add_rule("good", {"user": "x"}, 1)
    client.reload()
    assert (1, 0) == (good.get(user="x"), bad.get())
    service.add_features("zone")
    client.reload()
    service.add_rule("bad", {"zone": "x"}, 2)
    client.reload()
    assert (1, 2) == (good.get(user="x"), bad.get(zone="x"))


def test_ping_and_get_settings(driver: Driver, service: RunningService):
    """A client tells whether the service is there, and what it has."""
    client = create(driver, service)
    service.declare("s", metadata={"owner": "team"})
    client.ping()
    data = client.get_settings()["s"]
    assert ("s", FEATURES, "int", 0, {"owner": "team"}, [], "1.0") == (
        data.name,
        list(data.configurable_features),
        data.type,
        data.default_value,
        dict(data.metadata),
        list(data.aliases),
        data.version,
    )


@pytest.mark.trap(1)
def test_a_service_that_goes_and_comes_back(driver: Driver):
    """A client keeps its values while the service is away, and follows it again when it is back on its port."""
    setting = Setting("s", int, ["user"], 0)
    storage = MemoryStorage()
    with RunningService(storage) as service:
        service.add_features(*FEATURES)
        client = start(driver, service)
        service.add_rule("s", {"user": "x"}, 1)
        client.reload()
    with pytest.raises(httpx2.TransportError):
        client.reload()
    with pytest.raises(httpx2.ConnectError):
        client.ping()
    assert 1 == setting.get(user="x")
    with RunningService(storage, port=service.port) as same:
        same.add_rule("s", {"user": "y"}, 2)
        client.reload()
        assert (1, 2) == (setting.get(user="x"), setting.get(user="y"))


@pytest.mark.trap(4)
def test_a_service_that_comes_back_empty(driver: Driver):
    """A client fills a service that has lost its data, and goes on with what it has then."""
    setting = Setting("s", int, ["user"], 0)
    with RunningService() as service:
        service.add_features(*FEATURES)
        client = start(driver, service)
        service.add_rule("s", {"user": "x"}, 1)
        client.reload()
    with RunningService(port=service.port) as empty:
        empty.add_features(*FEATURES)
        client.reload()
        assert 0 == setting.get(user="x")
        empty.add_rule("s", {"user": "x"}, 2)
        client.reload()
        assert 2 == setting.get(user="x")


@pytest.mark.trap(28)
def test_credentials_do_not_appear_in_any_log(
    driver: Driver, service: RunningService, caplog: pytest.LogCaptureFixture
):
    """Not even in the most detailed records of the HTTP library and what is below it."""
    caplog.set_level(logging.DEBUG)
    setting = Setting("s", int, ["user"], 0)
    client = start(driver, service, url=service.url.replace("http://", "http://user:s3cr%40t@"))
    client.ping()
    client.close()
    texts = [f"{record.name} {record.getMessage()} {record.args}" for record in caplog.records]
    encoded = httpx2.BasicAuth("user", "s3cr@t")._auth_header.split()[1]
    assert [] == [text for text in texts if "s3cr" in text or encoded in text]
    assert ({True}, 0) == ({any(name in text for text in texts) for name in ("httpx2", "httpcore2")}, setting.get())


PROGRAM = """
import json, sys, heksher
settings = [heksher.Setting(f"s{number}", int, ["user"], number) for number in range(20)]
client = heksher.ThreadHeksherClient(
    sys.argv[1], 60, ["environment", "user", "theme"], on_start_failure="raise",
)
with client:
    print(json.dumps([setting.get(user="x") for setting in settings]))
"""


@pytest.mark.trap(39)
def test_eight_processes_declare_the_same_settings(service: RunningService, tmp_path: Path):
    """A fleet that starts at once on a service without its settings starts as one process would, and writes as one."""
    before = read_revision(service)
    script = tmp_path / "program.py"
    script.write_text(PROGRAM, encoding="utf-8")
    processes = [
        subprocess.Popen(
            [sys.executable, script, service.url], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        for _ in range(8)
    ]
    results = [(*process.communicate(timeout=60), process.returncode) for process in processes]
    assert [("", 0)] * 8 == [(errors, code) for _, errors, code in results]
    assert [list(range(20))] * 8 == [json.loads(output) for output, _, _ in results]
    assert 20 == len(service.http.get("/api/v1/settings").json()["settings"])
    assert before + 1 == read_revision(service)
