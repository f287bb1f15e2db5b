"""Many requests at once, over real HTTP: one winner each, and nobody gets an error (traps 39 and 40).

On SQLite, and on PostgreSQL with four replicas that the requests are spread over.
"""

import json
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import cycle, islice
from typing import NamedTuple

import httpx2
import pytest

from heksher.server.storage.sql import SqlStorage
from tests.support.postgres import make_postgres_schema
from tests.support.replicas import Replicas
from tests.support.service import RunningService

REPLICAS = 4


@pytest.fixture(scope="module")
def replicas() -> Iterator[Replicas]:
    """Replicas on a new database."""
    with (
        make_postgres_schema() as url,
        Replicas([url] * REPLICAS, "--context-features", "environment,user") as replicas,
    ):
        yield replicas


class Target(NamedTuple):
    """What requests are sent to.

    Attributes:
        service: for whatever is not done at once.
        urls: of its replicas.
    """

    service: RunningService | Replicas
    urls: list[str]


@pytest.fixture(params=["sqlite", "replicas"])
def target(request: pytest.FixtureRequest) -> Iterator[Target]:
    """A service without settings, with two context features."""
    yield from {"sqlite": serve_sqlite, "replicas": serve_replicas}[request.param](request)


def serve_sqlite(request: pytest.FixtureRequest) -> Iterator[Target]:
    storage = SqlStorage(str(request.getfixturevalue("tmp_path") / "heksher.db"))
    with RunningService(storage) as service:
        service.add_features("environment", "user")
        yield Target(service, [service.url])
    storage.close()


def serve_replicas(request: pytest.FixtureRequest) -> Iterator[Target]:
    replicas: Replicas = request.getfixturevalue("replicas")
    yield Target(replicas, replicas.urls)
    for setting in replicas.http.get("/api/v1/settings").json()["settings"]:
        replicas.http.delete(f"/api/v1/settings/{setting['name']}").raise_for_status()
    for feature in replicas.http.get("/api/v1/context_features").json()["context_features"][2:]:
        replicas.http.delete(f"/api/v1/context_features/{feature}").raise_for_status()


def send_at_once(target: Target, count: int, make: Callable[[int], tuple[str, dict]]) -> list[httpx2.Response]:
    """Post requests from as many threads, all at the same moment."""
    barrier = threading.Barrier(count)
    responses: list[httpx2.Response] = []

    def send(number: int) -> None:
        path, body = make(number)
        with httpx2.Client(base_url=target.urls[number % len(target.urls)], timeout=60) as client:
            client.get("/api/health")  # so that the connection stands
            barrier.wait(60)
            responses.append(client.post(path, json=body))

    threads = [threading.Thread(target=send, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert count == len(responses)
    return responses


def declaration(name: str) -> dict:
    return {"name": name, "configurable_features": ["environment", "user"], "type": "int", "default_value": 1}


@pytest.mark.trap(39)
def test_forty_settings_are_declared_at_once(target: Target):
    """Each is created."""
    responses = send_at_once(target, 40, lambda number: ("/api/v1/settings/declare", declaration(f"s{number}")))
    assert Counter({(200, "created"): 40}) == Counter(
        (response.status_code, response.json()["outcome"]) for response in responses
    )
    # The service may be another replica than the last one that was written through.
    newest = max(int(response.headers["Heksher-Revision"]) for response in responses)
    known = target.service.http.get("/api/v1/query", headers={"Heksher-Min-Revision": str(newest)}).json()["settings"]
    assert {f"s{number}" for number in range(40)} == set(known)


@pytest.mark.trap(39)
def test_one_setting_is_declared_forty_times_at_once(target: Target):
    """One creates it, to the others it is up to date."""
    responses = send_at_once(target, 40, lambda _: ("/api/v1/settings/declare", declaration("s")))
    assert Counter({(200, "created"): 1, (200, "uptodate"): 39}) == Counter(
        (response.status_code, response.json()["outcome"]) for response in responses
    )


@pytest.mark.trap(39)
def test_one_setting_is_upgraded_forty_times_at_once(target: Target):
    """Versions that come late are outdated, and the newest one is stored in the end."""
    target.service.declare("s")

    def make(number: int) -> tuple[str, dict]:
        return "/api/v1/settings/declare", {**declaration("s"), "default_value": number, "version": f"1.{number + 1}"}

    responses = send_at_once(target, 40, make)
    assert {200} == {response.status_code for response in responses}
    assert {"upgraded", "outdated"} >= {response.json()["outcome"] for response in responses}
    setting = target.service.http.get("/api/v1/settings/s").json()
    assert ("1.40", 39) == (setting["version"], setting["default_value"])


# Declares when a line comes on its standard input, and prints the answer. The standard library's client starts quickly.
PROCESS = """
import http.client, sys
host, body = sys.argv[1:]
connection = http.client.HTTPConnection(host, timeout=60)
connection.connect()
print(flush=True)
sys.stdin.readline()
connection.request("POST", "/api/v1/settings/declare", body)
response = connection.getresponse()
print(response.status, response.read().decode())
"""


@pytest.mark.trap(39)
def test_eight_processes_declare_one_new_setting(target: Target):
    """One creates it, to the others it is up to date."""
    hosts = [url.removeprefix("http://") for url in islice(cycle(target.urls), 8)]
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", PROCESS, host, json.dumps(declaration("s"))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for host in hosts
    ]
    for process in processes:
        process.stdout.readline()  # it is ready
    for process in processes:
        process.stdin.write("\n")
        process.stdin.flush()
    answers = [process.communicate(timeout=60)[0] for process in processes]
    assert Counter({'200 {"outcome":"created"}\n': 1, '200 {"outcome":"uptodate"}\n': 7}) == Counter(answers)


@pytest.mark.trap(40)
def test_one_rule_is_added_fifty_times_at_once(target: Target):
    """One is stored, the others are told that it exists, and a search finds the one."""
    target.service.declare("s")
    rule = {"setting": "s", "feature_values": {"user": "a"}, "value": 5}
    responses = send_at_once(target, 50, lambda _: ("/api/v1/rules", rule))
    assert Counter({201: 1, 409: 49}) == Counter(response.status_code for response in responses)
    (rule_id,) = (response.json()["rule_id"] for response in responses if response.status_code == 201)
    found = target.service.http.get("/api/v1/rules/search", params={"setting": "s", "feature_values": "user:a"})
    assert (200, {"rule_id": rule_id}) == (found.status_code, found.json())


def test_context_features_are_added_at_once(target: Target):
    """All are there in the end, each once; of the same one only the first is added."""

    def make(number: int) -> tuple[str, dict]:
        return "/api/v1/context_features", {"context_feature": f"f{number // 2}"}

    responses = send_at_once(target, 40, make)
    assert Counter({204: 20, 409: 20}) == Counter(response.status_code for response in responses)
    features = target.service.http.get("/api/v1/context_features").json()["context_features"]
    assert ["environment", "user"] == features[:2]
    assert sorted(f"f{number}" for number in range(20)) == sorted(features[2:])


def test_every_write_has_its_own_revision(target: Target):
    """Writes that change something are numbered without gaps."""
    target.service.declare("s")
    first = int(target.service.http.get("/api/v1/query").headers["Heksher-Revision"])

    def make(number: int) -> tuple[str, dict]:
        return "/api/v1/rules", {"setting": "s", "feature_values": {"user": f"u{number}"}, "value": number}

    responses = send_at_once(target, 20, make)
    revisions = sorted(int(response.headers["Heksher-Revision"]) for response in responses)
    assert list(range(first + 1, first + 21)) == revisions
