"""Many requests at once, over real HTTP, on SQLite: one winner each, and nobody gets an error (traps 39 and 40)."""

import json
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx2
import pytest

from heksher.server.storage.sql import SqlStorage
from tests.support.service import RunningService


@pytest.fixture
def service(tmp_path: Path) -> Iterator[RunningService]:
    """A service on a new SQLite file, with two context features."""
    storage = SqlStorage(str(tmp_path / "heksher.db"))
    with RunningService(storage) as service:
        service.add_features("environment", "user")
        yield service
    storage.close()


def send_at_once(service: RunningService, count: int, make: Callable[[int], tuple[str, dict]]) -> list[httpx2.Response]:
    """Post requests from as many threads, all at the same moment."""
    barrier = threading.Barrier(count)
    responses: list[httpx2.Response] = []

    def send(number: int) -> None:
        path, body = make(number)
        with httpx2.Client(base_url=service.url, timeout=60) as client:
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
def test_forty_settings_are_declared_at_once(service: RunningService):
    """Each is created."""
    responses = send_at_once(service, 40, lambda number: ("/api/v1/settings/declare", declaration(f"s{number}")))
    assert Counter({(200, "created"): 40}) == Counter(
        (response.status_code, response.json()["outcome"]) for response in responses
    )
    assert {f"s{number}" for number in range(40)} == set(service.http.get("/api/v1/query").json()["settings"])


@pytest.mark.trap(39)
def test_one_setting_is_declared_forty_times_at_once(service: RunningService):
    """One creates it, to the others it is up to date."""
    responses = send_at_once(service, 40, lambda _: ("/api/v1/settings/declare", declaration("s")))
    assert Counter({(200, "created"): 1, (200, "uptodate"): 39}) == Counter(
        (response.status_code, response.json()["outcome"]) for response in responses
    )


@pytest.mark.trap(39)
def test_one_setting_is_upgraded_forty_times_at_once(service: RunningService):
    """Versions that come late are outdated, and the newest one is stored in the end."""
    service.declare("s")

    def make(number: int) -> tuple[str, dict]:
        return "/api/v1/settings/declare", {**declaration("s"), "default_value": number, "version": f"1.{number + 1}"}

    responses = send_at_once(service, 40, make)
    assert {200} == {response.status_code for response in responses}
    assert {"upgraded", "outdated"} >= {response.json()["outcome"] for response in responses}
    setting = service.http.get("/api/v1/settings/s").json()
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
def test_eight_processes_declare_one_new_setting(service: RunningService):
    """One creates it, to the others it is up to date."""
    command = [sys.executable, "-c", PROCESS, service.url.removeprefix("http://"), json.dumps(declaration("s"))]
    processes = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(8)]
    for process in processes:
        process.stdout.readline()  # it is ready
    for process in processes:
        process.stdin.write("\n")
        process.stdin.flush()
    answers = [process.communicate(timeout=60)[0] for process in processes]
    assert Counter({'200 {"outcome":"created"}\n': 1, '200 {"outcome":"uptodate"}\n': 7}) == Counter(answers)


@pytest.mark.trap(40)
def test_one_rule_is_added_fifty_times_at_once(service: RunningService):
    """One is stored, the others are told that it exists, and a search finds the one."""
    service.declare("s")
    rule = {"setting": "s", "feature_values": {"user": "a"}, "value": 5}
    responses = send_at_once(service, 50, lambda _: ("/api/v1/rules", rule))
    assert Counter({201: 1, 409: 49}) == Counter(response.status_code for response in responses)
    (rule_id,) = (response.json()["rule_id"] for response in responses if response.status_code == 201)
    found = service.http.get("/api/v1/rules/search", params={"setting": "s", "feature_values": "user:a"})
    assert (200, {"rule_id": rule_id}) == (found.status_code, found.json())


def test_context_features_are_added_at_once(service: RunningService):
    """All are there in the end, each once; of the same one only the first is added."""

    def make(number: int) -> tuple[str, dict]:
        return "/api/v1/context_features", {"context_feature": f"f{number // 2}"}

    responses = send_at_once(service, 40, make)
    assert Counter({204: 20, 409: 20}) == Counter(response.status_code for response in responses)
    features = service.http.get("/api/v1/context_features").json()["context_features"]
    assert ["environment", "user"] == features[:2]
    assert sorted(f"f{number}" for number in range(20)) == sorted(features[2:])


def test_every_write_has_its_own_revision(service: RunningService):
    """Writes that change something are numbered without gaps."""
    service.declare("s")
    first = service.storage.read(lambda reader: reader.revision())

    def make(number: int) -> tuple[str, dict]:
        return "/api/v1/rules", {"setting": "s", "feature_values": {"user": f"u{number}"}, "value": number}

    responses = send_at_once(service, 20, make)
    revisions = sorted(int(response.headers["Heksher-Revision"]) for response in responses)
    assert list(range(first + 1, first + 21)) == revisions
