"""The programs in ``examples/`` run, against a real service, and do what they say."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from heksher.server.config import Config
from heksher.server.storage.memory import MemoryStorage
from tests.support.access import give_token
from tests.support.processes import LineReader, run_python
from tests.support.service import RunningService
from tests.support.waiting import wait_until

ROOT = Path(__file__).resolve().parent.parent.parent
EXAMPLES = ROOT / "examples"
PUBLISHED_EXAMPLE = ROOT / "tests" / "support" / "published_example.txt"
INTRODUCTIONS = ("introduction.py", "introduction_thread.py")
FEATURES = ("environment", "user", "theme")


class Recorder:
    """Notes the requests that an ASGI application gets."""

    def __init__(self, app) -> None:
        self._app = app
        self.scopes: list[dict] = []

    async def __call__(self, scope, receive, send) -> None:
        self.scopes.append(scope)
        await self._app(scope, receive, send)

    def headers(self, name: str) -> set[str | None]:
        """List the values that a header had in the requests; ``None`` where it was missing."""
        return {dict(scope["headers"]).get(name.encode(), b"").decode() or None for scope in self.scopes}

    def queries(self) -> list[str]:
        """List the query strings of the requests for rules."""
        return [scope["query_string"].decode() for scope in self.scopes if scope["path"] == "/api/v1/query"]


@pytest.fixture
def recorders(monkeypatch: pytest.MonkeyPatch) -> list[Recorder]:
    """The recorder in front of each service that is started from now on."""
    made: list[Recorder] = []

    def record(app) -> Recorder:
        made.append(Recorder(app))
        return made[-1]

    monkeypatch.setattr(RunningService, "default_wrap", staticmethod(record))
    return made


@pytest.fixture
def service(recorders: list[Recorder]) -> Iterator[RunningService]:
    with RunningService() as running:
        running.add_features(*FEATURES)
        yield running


def run_example(name: str, service: RunningService, *options: str, **environment: str) -> list[str]:
    """Run an example to its end; return the lines that it prints."""
    return run_python([str(EXAMPLES / name), "--url", service.url, *options], ENVIRONMENT="dev", **environment)


def visitors(lines: list[str]) -> list[str]:
    """Leave only the lines that say what somebody gets."""
    return [line for line in lines if " gets " in line]


def test_every_example_is_run_by_a_test():
    """No example is without a test that runs it: here, or for the demonstration in test_demo.py."""
    tested = {*INTRODUCTIONS, "validators.py", "enums_and_flags.py", "test_with_stubs.py", "demo.py"}
    assert tested == {path.name for path in EXAMPLES.glob("*.py")}


def test_introduction_is_the_published_text():
    """What stands between the marks is the published example word for word, with its dots filled in."""
    program = (EXAMPLES / "introduction.py").read_text()
    begin, end = "# ----- the published example begins -----\n", "# ----- the published example ends -----\n"
    quoted = program.partition(begin)[2].partition(end)[0]
    published = PUBLISHED_EXAMPLE.read_text()
    pattern = re.escape(published).replace(re.escape("..."), ".+?")
    assert re.fullmatch(pattern, quoted, re.DOTALL)


def test_the_dots_are_filled_with_little():
    """Filling in the dots adds or changes only a line for each of them."""
    published = PUBLISHED_EXAMPLE.read_text().splitlines()
    program = (EXAMPLES / "introduction.py").read_text().splitlines()
    missing = [line for line in published if line not in program]
    assert all("..." in line for line in missing)


@pytest.mark.parametrize("name", INTRODUCTIONS)
def test_introduction_without_rules(name: str, service: RunningService):
    """Without rules, everyone gets the defaults, and the settings are declared."""
    lines = visitors(run_example(name, service))
    expected = [f"{user} gets cache_ttl=60 background_color=white" for user in ("alice", "guest")]
    assert expected == lines
    declared = [setting["name"] for setting in service.http.get("/api/v1/settings").json()["settings"]]
    assert ["background_color", "cache_ttl"] == declared


@pytest.mark.parametrize("name", INTRODUCTIONS)
def test_introduction_with_rules(name: str, service: RunningService):
    """Rules for the environment, the user and the theme in the context variable decide what is read."""
    run_example(name, service)
    service.add_rule("cache_ttl", {"environment": "dev", "user": "guest"}, 10)
    service.add_rule("cache_ttl", {"environment": "prod"}, 20)
    service.add_rule("background_color", {"theme": "dark"}, "black")
    lines = visitors(run_example(name, service))
    expected = [
        "alice gets cache_ttl=60 background_color=white",
        "guest gets cache_ttl=10 background_color=black",
    ]
    assert expected == lines


@pytest.mark.parametrize("name", INTRODUCTIONS)
def test_introduction_sends_its_header(name: str, service: RunningService, recorders: list[Recorder]):
    """The header of ``http_client_args`` comes with each request that the service gets."""
    recorders[0].scopes.clear()
    run_example(name, service, HEKSHER_API_TOKEN="a1b2")  # noqa: S106 - not a secret
    assert {"a1b2"} == recorders[0].headers("api_token")


@pytest.mark.parametrize("name", INTRODUCTIONS)
def test_introduction_with_access_on(name: str):
    """With a token in that header, it gets what it gets from a service that asks for none."""
    storage = MemoryStorage()
    storage.open()
    token = give_token(storage, "declare")
    with RunningService(storage, Config(database="unused", has_access=True)) as guarded:
        headers = {"api_token": give_token(storage, "admin")}
        assert wait_until(lambda: guarded.http.get("/api/v1/settings", headers=headers).status_code == 200)
        for feature in FEATURES:
            body = {"context_feature": feature}
            guarded.http.post("/api/v1/context_features", json=body, headers=headers).raise_for_status()
        lines = visitors(run_example(name, guarded, HEKSHER_API_TOKEN=token))
        listed = guarded.http.get("/api/v1/settings", headers=headers).json()["settings"]
        assert 401 == guarded.http.get("/api/v1/settings").status_code
    assert [f"{user} gets cache_ttl=60 background_color=white" for user in ("alice", "guest")] == lines
    assert ["background_color", "cache_ttl"] == [setting["name"] for setting in listed]


@pytest.mark.parametrize("name", INTRODUCTIONS)
def test_introduction_fetches_only_tracked_rules(name: str, service: RunningService, recorders: list[Recorder]):
    """A rule outside the tracked environments and themes is not in the answer to what the example asks."""
    run_example(name, service)
    tracked = service.add_rule("background_color", {"environment": "dev", "theme": "blue"}, "navy")
    service.add_rule("background_color", {"environment": "prod"}, "grey")
    service.add_rule("background_color", {"theme": "pink"}, "pink")
    (query,) = recorders[0].queries()
    answer = httpx2.get(f"{service.url}/api/v1/query?{query}").json()
    assert [tracked] == [rule["rule_id"] for rule in answer["settings"]["background_color"]["rules"]]


@pytest.mark.parametrize("name", INTRODUCTIONS)
def test_introduction_watches(name: str, service: RunningService):
    """With ``--watch``, a rule that is added shows in the running program, which then ends cleanly at Ctrl-C."""
    command = [sys.executable, "-u", str(EXAMPLES / name), "--url", service.url, "--watch", "--interval", "0.05"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env={**os.environ, "ENVIRONMENT": "dev"}
    ) as process:
        lines = LineReader(process)
        lines.wait_for("guest gets cache_ttl=60")
        service.add_rule("cache_ttl", {"user": "guest"}, 10)
        lines.wait_for("guest gets cache_ttl=10")
        process.send_signal(signal.SIGINT)
        assert 0 == process.wait(timeout=20)


def test_validators(service: RunningService):
    """Validators change one value and reject another one, and nothing else suffers."""
    lines = run_example("validators.py", service)
    expected = [
        "patient: timeout_s=30.0 ports=(80, 443)",
        "guest: timeout_s=5.0 ports=(8080,)",
        "mistaken: timeout_s=5.0 ports=(80, 443)",
    ]
    assert expected == lines


def test_enums_and_flags(service: RunningService):
    """Rich types are declared as the wire has them, and come back as Python has them."""
    lines = run_example("enums_and_flags.py", service)
    expected = [
        'example.plan is Enum["free","paid"]',
        'example.access is Flags["EXPORT","READ","WRITE"]',
        "example.limits is Mapping<int>",
        "guest: Plan.FREE, may write: False, limits {'uploads': 10}",
        "alice: Plan.PAID, may write: True, limits {'uploads': 1000, 'exports': 5}",
    ]
    assert expected == lines


def test_stubs():
    """The example of tests with stub clients is itself a green test run."""
    lines = run_python(["-m", "pytest", "-q", "-p", "no:cacheprovider", str(EXAMPLES / "test_with_stubs.py")])
    assert "4 passed" in lines[-1]
