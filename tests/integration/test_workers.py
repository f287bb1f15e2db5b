"""``heksher serve --workers``: several processes on one address, as their users run them."""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx2
import pytest

from tests.support.postgres import private_postgres
from tests.support.processes import read_state, stop_process
from tests.support.service import START_TIMEOUT_S, ServiceProcess
from tests.support.waiting import wait_until

COUNT = 3
DECLARATION = {"name": "a", "configurable_features": ["user"], "type": "int", "default_value": 1}

pytestmark = pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="looks at processes as Linux shows them")


@pytest.fixture
def service(tmp_path: Path) -> Iterator[ServiceProcess]:
    """A service with three workers, whose temporary files are where a test can look at them."""
    (tmp_path / "tmp").mkdir()
    options = ("--workers", str(COUNT), "--context-features", "user")
    service = ServiceProcess(tmp_path / "heksher.db", *options, environment={"TMPDIR": str(tmp_path / "tmp")})
    with service:
        yield service


def list_workers(service: ServiceProcess) -> set[int]:
    pid = service.process.pid
    return {int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()}


def is_running(pid: int) -> bool:
    """Return whether a process is there, and is more than what is left of it until somebody asks for its status."""
    return read_state(pid) not in "ZX"


def is_healthy(service: ServiceProcess) -> bool:
    return 200 == httpx2.get(f"{service.url}/api/health", timeout=START_TIMEOUT_S).status_code


@contextmanager
def suspended(pids: set[int]) -> Iterator[None]:
    """Keep processes from running for a while."""
    for pid in pids:
        stop_process(pid)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


def test_each_worker_answers(service: ServiceProcess):
    """Whichever is the only one that can: with the data that another one has stored."""
    httpx2.post(f"{service.url}/api/v1/settings/declare", json=DECLARATION).raise_for_status()
    workers = list_workers(service)
    assert COUNT == len(workers)
    for worker in workers:
        with suspended(workers - {worker}):
            response = httpx2.get(f"{service.url}/api/v1/settings/a", timeout=START_TIMEOUT_S)
            assert 1 == response.json()["default_value"]


def list_announcements(service: ServiceProcess) -> list[str]:
    """List what a service has written, but for the migrations of its new database."""
    return [line for line in service.lines if "heksher.server.storage.schema" not in line]


def test_the_start_is_announced_once(service: ServiceProcess):
    """By two lines, as with one process."""
    assert is_healthy(service)
    service.stop()
    first, second = list_announcements(service)
    assert " listens on " in first
    assert second.startswith("database: ")


def test_the_parent_runs_no_thread(service: ServiceProcess):
    """As a fork would copy the locks that it holds."""
    assert 1 == len(list(Path(f"/proc/{service.process.pid}/task").iterdir()))


def test_a_worker_that_is_killed_comes_back(service: ServiceProcess):
    """The others answer meanwhile, what was stored stays, and the log tells of it."""
    httpx2.post(f"{service.url}/api/v1/settings/declare", json=DECLARATION).raise_for_status()
    before = list_workers(service)
    victim = min(before)
    os.kill(victim, signal.SIGKILL)
    assert wait_until(lambda: victim not in list_workers(service))
    assert is_healthy(service)
    assert wait_until(lambda: len(list_workers(service)) == COUNT)
    (added,) = list_workers(service) - before
    with suspended(before - {victim}):
        response = httpx2.get(f"{service.url}/api/v1/settings/a", timeout=START_TIMEOUT_S)
        assert (1, True) == (response.json()["default_value"], is_running(added))
    assert any(f"worker {victim} has ended: signal 9, Killed" in line for line in service.lines)


def test_a_worker_comes_back_although_the_features_have_changed(service: ServiceProcess):
    """The list of the start is enforced at the start of the service, not whenever a worker is replaced."""
    added = {"context_feature": "theme"}
    httpx2.post(f"{service.url}/api/v1/context_features", json=added).raise_for_status()
    before = list_workers(service)
    for worker in before:
        os.kill(worker, signal.SIGKILL)
    assert wait_until(lambda: len(list_workers(service) - before) == COUNT)
    features = httpx2.get(f"{service.url}/api/v1/context_features", timeout=START_TIMEOUT_S).json()
    assert {"context_features": ["user", "theme"]} == features


@pytest.mark.parametrize("signal_number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_all(service: ServiceProcess, tmp_path: Path, signal_number: signal.Signals):
    """With exit code 0, soon, without a word, and leaving neither a process nor a file behind."""
    workers = list_workers(service)
    with httpx2.Client(base_url=service.url) as client:
        assert 200 == client.get("/api/health").status_code
        started_s = time.monotonic()
        assert 0 == service.stop(signal_number)
        assert time.monotonic() - started_s < 4
    assert [] == [worker for worker in workers if is_running(worker)]
    assert [] == list((tmp_path / "tmp").iterdir())
    assert 2 == len(list_announcements(service))


def test_workers_that_do_not_end_are_killed(service: ServiceProcess):
    """After the time that they have for it."""
    workers = list_workers(service)
    stuck = min(workers)
    stop_process(stuck)
    assert 0 == service.stop()
    assert wait_until(lambda: not any(map(is_running, workers)))
    assert any("1 workers do not end and are killed" in line for line in service.lines)


def test_no_worker_outlives_the_parent(service: ServiceProcess):
    """However the parent ends."""
    workers = list_workers(service)
    service.process.kill()
    assert wait_until(lambda: not any(map(is_running, workers)))
    service.wait()


def read_metric(service: ServiceProcess, name: str) -> float:
    text = httpx2.get(f"{service.url}/metrics", timeout=START_TIMEOUT_S).raise_for_status().text
    return next(float(line.split()[1]) for line in text.splitlines() if line.startswith(f"{name} "))


def test_each_worker_tells_the_metrics_of_all(service: ServiceProcess):
    """Also when one of them has been replaced."""
    workers = list_workers(service)
    for worker in workers:
        with suspended(workers - {worker}):
            assert COUNT == read_metric(service, "heksher_workers")
    os.kill(min(workers), signal.SIGKILL)
    assert wait_until(lambda: len(list_workers(service) - workers) == 1)
    assert wait_until(lambda: read_metric(service, "heksher_workers") == COUNT)


def test_streams_end_with_the_service(service: ServiceProcess):
    """All of them, whichever worker has them, at once and with a word for their clients."""
    with ExitStack() as streams, httpx2.Client(base_url=service.url, timeout=START_TIMEOUT_S) as client:
        opened = [streams.enter_context(client.stream("GET", "/api/v1/stream")) for _ in range(2 * COUNT)]
        parts = [stream.iter_text() for stream in opened]
        assert wait_until(lambda: read_metric(service, "heksher_streams") == 2 * COUNT)
        service.process.send_signal(signal.SIGTERM)
        started_s = time.monotonic()
        assert ["event: end" in "".join(part) for part in parts] == [True] * len(parts)
        assert 0 == service.wait()
        assert time.monotonic() - started_s < 4


def test_workers_are_replaced_once_the_database_is_back():
    """Until then those that are left answer from memory: that a new one cannot start ends nothing."""
    with private_postgres() as postgres, ServiceProcess(postgres.url, "--workers", "2") as service:
        httpx2.post(f"{service.url}/api/v1/context_features", json={"context_feature": "user"}).raise_for_status()
        httpx2.post(f"{service.url}/api/v1/settings/declare", json=DECLARATION).raise_for_status()
        # Each has seen the setting, and so would answer without the database.
        assert wait_until(lambda: read_metric(service, "heksher_catalog_revision") == 2)
        before = list_workers(service)
        postgres.stop()
        os.kill(min(before), signal.SIGKILL)
        assert wait_until(lambda: any("a worker cannot go on" in line for line in service.lines))
        answer = httpx2.get(f"{service.url}/api/v1/query", timeout=START_TIMEOUT_S).json()
        assert {"settings": {"a": {"default_value": 1, "rules": []}}} == answer
        postgres.start()
        assert wait_until(lambda: read_metric(service, "heksher_workers") == 2)
        assert max(before) in list_workers(service)
