"""The command ``heksher serve`` as its users run it."""

import os
import resource
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import httpx2
import pytest

from heksher.server.app import open_storage
from heksher.server.config import Config
from tests.support.raw_client import connecting
from tests.support.service import ServiceProcess

DECLARATION = {"name": "a", "configurable_features": ["user"], "type": "int", "default_value": 1}


def list_features(service: ServiceProcess) -> list[str]:
    return httpx2.get(f"{service.url}/api/v1/context_features").json()["context_features"]


def fail_to_start(*options: str, database: object = "memory:", **environment: str) -> str:
    """Start a service that cannot start, and return its only line."""
    service = ServiceProcess(database, *options, environment=environment)
    service.launch()
    assert 1 == service.wait()
    (line,) = service.lines
    return line


def test_data_outlives_the_service(tmp_path: Path):
    """What one run stored, the next one answers; the start says where the service, its pages and its data are."""
    database = tmp_path / "heksher.db"
    with ServiceProcess(database, "--context-features", "environment,user") as service:
        response = httpx2.post(f"{service.url}/api/v1/settings/declare", json=DECLARATION)
        assert {"outcome": "created"} == response.json()
    text = "".join(service.lines)
    assert f"{service.url}/docs" in text
    assert str(database) in text
    with ServiceProcess(database) as service:
        response = httpx2.get(f"{service.url}/api/v1/query")
        assert {"settings": {"a": {"default_value": 1, "rules": []}}} == response.json()
        assert ["environment", "user"] == list_features(service)


@pytest.mark.parametrize("signal_number", [signal.SIGTERM, signal.SIGINT])
def test_the_service_ends_cleanly(signal_number: signal.Signals):
    """With exit code 0, without a word, at once even with a connection that its client keeps open."""
    service = ServiceProcess("memory:", "--context-features", "user").start()
    with httpx2.Client(base_url=service.url) as client:
        assert 200 == client.get("/api/health").status_code
        started = time.monotonic()
        assert 0 == service.stop(signal_number)
        assert time.monotonic() - started < 4
    assert 2 == len(service.lines)


def test_the_service_ends_although_a_request_is_not_finished():
    """A client that never sends the rest of its body is not waited for longer than the limit."""
    service = ServiceProcess("memory:").start()
    host, port = service.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port))) as connection:
        connection.sendall(b"POST /api/v1/rules HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{")
        assert 200 == httpx2.get(f"{service.url}/api/health").status_code  # so the other request has been read as well
        started = time.monotonic()
        assert 0 == service.stop()
        assert time.monotonic() - started < 9


def test_nobody_is_believed_for_whom_a_request_comes_from():
    """Not on the machine itself, unless the service is told to: the log says where the connection came from."""
    forged = {"X-Forwarded-For": "9.9.9.9", "X-Forwarded-Proto": "https"}
    for options, address in (((), "127.0.0.1"), (("--trusted-proxies", "127.0.0.1"), "9.9.9.9")):
        with ServiceProcess("memory:", "--access-log", "--insecure", *options) as service:
            httpx2.get(f"{service.url}/api/v1/context_features", headers=forged).raise_for_status()
        (line,) = [line for line in service.lines if "GET /api/v1/context_features 200" in line]
        assert f" to {address} [" in line


def test_what_a_connection_is_refused_with_is_logged():
    """Beside the requests that are answered, and counted with them."""
    with ServiceProcess("memory:", "--access-log") as service:
        with connecting(service.url) as client:
            client.send(b"nothing\r\n\r\n")
            assert client.read_to_end().startswith(b"HTTP/1.1 400 ")
        assert 'requests_total{route="unmatched",status="400"} 1.0' in httpx2.get(f"{service.url}/metrics").text
    assert 1 == sum("heksher.access: - - 400, " in line for line in service.lines)


def test_a_client_that_closes_its_side_is_answered():
    """What it writes is done; a stream that it opens ends, and is not open any more."""
    with ServiceProcess("memory:", "--context-features", "user") as service:
        body = b'{"context_feature": "new"}'
        fields = b"Host: localhost\r\nContent-Length: %d\r\n\r\n" % len(body)
        for request, status in (
            (b"POST /api/v1/context_features HTTP/1.1\r\n" + fields + body, b"204"),
            (b"GET /api/v1/stream HTTP/1.1\r\nHost: localhost\r\n\r\n", b"200"),
        ):
            with connecting(service.url) as client:
                client.send(request)
                client.native.shutdown(socket.SHUT_WR)
                assert client.read_to_end().startswith(b"HTTP/1.1 " + status)
        assert ["user", "new"] == list_features(service)
        assert "heksher_streams 0.0" in httpx2.get(f"{service.url}/metrics").text


def test_only_the_names_of_the_service_are_answered_at_a_loopback_address():
    """Those of the machine, and those that it is started with."""
    options = ("--allowed-hosts", "heksher.internal", "--public-url", "https://heksher.example.com")
    with ServiceProcess("memory:", *options) as service:
        _, _, port = service.url.rpartition(":")
        names = [f"localhost:{port}", "HEKSHER.internal", "heksher.example.com", "evil.example", f"evil.example:{port}"]
        url = f"{service.url}/api/v1/query"
        statuses = [httpx2.get(url, headers={"Host": name}).status_code for name in names]
    assert [200, 200, 200, 421, 421] == statuses


def test_the_service_starts_quickly(tmp_path: Path):
    """It is to answer within two seconds: in CPU time, as other tests keep it waiting, and the best of three counts."""

    def measure_cpu_s() -> float:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        with ServiceProcess(tmp_path / "heksher.db") as service:
            assert 200 == httpx2.get(f"{service.url}/api/health").status_code
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    # A core that is shared with a busy one is slower, too: hence not 2.
    assert min(measure_cpu_s() for _ in range(3)) < 2.5


def test_the_default_database_is_in_the_users_data_directory(tmp_path: Path):
    """Its directory is made, and the start says where."""
    environment = {"XDG_DATA_HOME": str(tmp_path / "data")}
    with ServiceProcess(None, environment=environment) as service:
        path = tmp_path / "data" / "heksher" / "heksher.db"
        assert path.is_file()
    assert any(str(path) in line for line in service.lines)


def test_the_variables_of_the_existing_service_work(tmp_path: Path):
    """Database and context features."""
    database = tmp_path / "heksher.db"
    environment = {
        "HEKSHER_DB_CONNECTION_STRING": f"sqlite:///{database}",
        "HEKSHER_STARTUP_CONTEXT_FEATURES": "user;trust",
    }
    with ServiceProcess(None, environment=environment) as service:
        assert ["user", "trust"] == list_features(service)
    assert database.is_file()


def test_documentation_needs_no_database():
    """With DOC_ONLY the pages and the health route work, and nothing else does."""
    environment = {"DOC_ONLY": "true", "HEKSHER_DB_CONNECTION_STRING": "/nowhere/heksher.db"}
    with ServiceProcess(None, environment=environment) as service:
        statuses = [
            httpx2.get(service.url + path).status_code
            for path in ("/docs", "/redoc", "/openapi.json", "/api/health", "/api/v1/query")
        ]
    assert [200, 200, 200, 200, 503] == statuses


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_service_without_context_features_says_so(tmp_path: Path, workers: str):
    """Once at its start, with what to do; a declaration is refused with the same, also of a setting that is there."""
    database = tmp_path / "heksher.db"
    with ServiceProcess(database, "--workers", workers) as service:
        refused = httpx2.post(f"{service.url}/api/v1/settings/declare", json=DECLARATION)
    (warning,) = [line for line in service.lines if "WARNING" in line]
    assert "no context features, so no setting can be declared: add what is missing to HEKSHER_STARTUP_C" in warning
    assert (404, True) == (refused.status_code, "HEKSHER_STARTUP_CONTEXT_FEATURES" in refused.text)
    with ServiceProcess(database, "--workers", workers, "--context-features", "user") as service:
        assert {"outcome": "created"} == httpx2.post(f"{service.url}/api/v1/settings/declare", json=DECLARATION).json()
    assert [] == [line for line in service.lines if "WARNING" in line]


def test_a_service_that_nobody_can_use_says_so(tmp_path: Path):
    """Until there is a token."""
    database = tmp_path / "heksher.db"
    options = ("--context-features", "user", "--access")
    with ServiceProcess(database, *options) as service:
        assert 401 == httpx2.get(f"{service.url}/api/v1/settings").status_code
    (warning,) = [line for line in service.lines if "WARNING" in line]
    assert "nobody can do anything yet" in warning
    command = [
        sys.executable,
        "-m",
        "heksher",
        "access",
        "token",
        "create",
        "first",
        "--grant",
        "read",
        "--db",
        database,
    ]
    token = subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
    with ServiceProcess(database, *options) as service:
        headers = {"Authorization": f"Bearer {token}"}
        assert 200 == httpx2.get(f"{service.url}/api/v1/settings", headers=headers).status_code
    assert [] == [line for line in service.lines if "WARNING" in line]


@pytest.mark.trap(38)
def test_start_up_features_are_inserted_in_the_middle(tmp_path: Path):
    """The service starts, with exactly the wanted list."""
    database = tmp_path / "heksher.db"
    with open_storage(Config(str(database), ("a", "d"))):
        pass
    with ServiceProcess(database, environment={"HEKSHER_STARTUP_CONTEXT_FEATURES": "z;a;b;c;d;e"}) as service:
        assert ["z", "a", "b", "c", "d", "e"] == list_features(service)


@pytest.mark.trap(38)
@pytest.mark.parametrize(
    ("features", "reason"), [("b,a", "contradict"), ("a,c", "lack ['b']"), ("a,b,a", "twice"), ("a,b-c", "'b-c'")]
)
def test_start_up_features_that_contradict_are_told(tmp_path: Path, features: str, reason: str):
    """The service refuses to start, says why in one line, and leaves the stored list alone."""
    config = Config(str(tmp_path / "heksher.db"), ("a", "b"))
    with open_storage(config):
        pass
    assert reason in fail_to_start("--context-features", features, database=config.database)
    with open_storage(config) as storage:
        assert ("a", "b") == storage.read(lambda reader: reader.context_features())


def test_a_port_in_use_is_told():
    """In one line, with exit code 1."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        assert f"127.0.0.1 port {port}" in fail_to_start("--port", str(port))


def test_a_database_that_cannot_be_used_is_told(tmp_path: Path):
    """In one line, whether it cannot be made, is no database, is not supported, or is not there."""
    garbage = tmp_path / "garbage.db"
    garbage.write_bytes(b"no database " * 1000)
    assert "/nowhere" in fail_to_start(database="/nowhere/heksher.db")
    assert str(garbage) in fail_to_start(database=garbage)
    assert "'mysql'" in fail_to_start(database="mysql://ada:secret@host/db")


def test_reads_go_on_while_the_database_is_locked(tmp_path: Path):
    """Another program that keeps the file locked for writing does not keep the service from answering."""
    database = tmp_path / "heksher.db"
    with ServiceProcess(database) as service, closing(sqlite3.connect(database, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        assert 200 == httpx2.get(f"{service.url}/api/health").status_code
        assert [] == list_features(service)
        other.execute("ROLLBACK")


def test_a_migration_under_a_running_service_stops_its_writes(tmp_path: Path):
    """Each is a 503 that says why; reads go on, and the service stays ready."""
    database = tmp_path / "heksher.db"
    with ServiceProcess(database, "--context-features", "environment,user") as service:
        assert 200 == httpx2.post(f"{service.url}/api/v1/settings/declare", json=DECLARATION).status_code
        with closing(sqlite3.connect(database, isolation_level=None)) as newer:
            newer.execute("UPDATE heksher_version SET version_num = '0999'")
        answers = [
            httpx2.post(f"{service.url}/api/v1/settings/declare", json={**DECLARATION, "name": "b"}),
            httpx2.delete(f"{service.url}/api/v1/settings/a"),
        ]
        assert [503, 503] == [answer.status_code for answer in answers]
        assert all("another version of heksher has migrated" in answer.json()["detail"] for answer in answers)
        for path in ("/api/v1/query", "/api/v1/settings/a", "/healthz/ready"):
            assert 200 == httpx2.get(service.url + path).status_code


def test_the_files_of_a_new_database_are_private(tmp_path: Path):
    """Nobody but the user of the service can read them, whatever the mask of its process allows."""
    mask = os.umask(0)
    try:
        with ServiceProcess(tmp_path / "heksher.db", "--context-features", "user"):
            modes = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir()}
    finally:
        os.umask(mask)
    assert dict.fromkeys(["heksher.db", "heksher.db-wal", "heksher.db-shm"], 0o600) == modes
