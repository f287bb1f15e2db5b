"""Tables that somebody else has locked, as whoever alters one does: nobody waits but who writes to them."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import httpx2
import psycopg
import pytest

from heksher.server.write_turns import MAX_WRITERS
from tests.support.postgres import make_postgres_schema
from tests.support.processes import DEADLINE_S
from tests.support.service import ServiceProcess
from tests.support.waiting import wait_until

PATHS = (
    "/api/v1/settings",
    "/api/v1/settings/s",
    "/api/v1/query",
    "/api/health",
    "/healthz/ready",
    "/metrics",
    "/docs",
)
# More than there are threads for all routes.
WRITES = 60
READERS = 12
# For a reader that comes upon a lock: a turn and the lock itself take a second each.
LONGEST_WAIT_S = 3.0


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """A database with a shorter limit for writers than usual, so that the tests need not last as long."""
    with make_postgres_schema() as url:
        yield url


@pytest.fixture(scope="module")
def service(url: str) -> Iterator[ServiceProcess]:
    """A service with one setting."""
    with ServiceProcess(url, "--context-features", "user") as service:
        with httpx2.Client(base_url=service.url, timeout=DEADLINE_S) as client:
            body = {"name": "s", "configurable_features": ["user"], "type": "int", "default_value": 0}
            client.post("/api/v1/settings/declare", json=body).raise_for_status()
        yield service


@contextmanager
def writing(service: ServiceProcess, pool: ThreadPoolExecutor, name: str) -> Iterator[list]:
    """Send many writes at once, and wait for their answers in the end."""

    def write(number: int) -> int:
        body = {"setting": "s", "feature_values": {"user": f"{name}_{number}"}, "value": number}
        return httpx2.post(f"{service.url}/api/v1/rules", json=body, timeout=DEADLINE_S).status_code

    tasks = [pool.submit(write, number) for number in range(WRITES)]
    statuses: list[int] = []
    yield statuses
    statuses += [task.result() for task in tasks]


def time_answers(service: ServiceProcess, until_s: float) -> tuple[set[int], float]:
    """Ask for everything again and again; return the statuses, and the longest time that an answer took."""
    statuses, longest_s = set(), 0.0
    with httpx2.Client(base_url=service.url, timeout=DEADLINE_S) as client:
        while time.monotonic() < until_s:
            for path in PATHS:
                start_s = time.monotonic()
                statuses.add(client.get(path).status_code)
                longest_s = max(longest_s, time.monotonic() - start_s)
    return statuses, longest_s


@pytest.mark.parametrize("table", ["setting", "write_state", "rule"])
def test_readers_do_not_wait_with_writers(url: str, service: ServiceProcess, table: str):
    """Whoever reads, looks after the service or reads its documentation is answered, though all writes wait."""
    with ThreadPoolExecutor(WRITES + READERS) as pool, psycopg.connect(url) as other:
        other.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE".encode())
        with writing(service, pool, table) as writes:
            until_s = time.monotonic() + 6
            found = [pool.submit(time_answers, service, until_s) for _ in range(READERS)]
            answers = [each.result() for each in found]
            other.rollback()
    assert {200} == set().union(*(statuses for statuses, _ in answers))
    assert max(longest_s for _, longest_s in answers) < LONGEST_WAIT_S
    assert WRITES > MAX_WRITERS
    assert {201} == set(writes)


def test_a_locked_log_is_an_outage(url: str, service: ServiceProcess):
    """Nobody can say whether what is in memory is new; it ends with the lock, without a restart."""
    with httpx2.Client(base_url=service.url, timeout=DEADLINE_S) as client:

        def read_ready() -> tuple[int, str, str]:
            answer = client.get("/healthz/ready")
            return answer.status_code, answer.json()["database"], answer.json()["writes"]

        with psycopg.connect(url) as other:
            other.execute("LOCK TABLE log_entry IN ACCESS EXCLUSIVE MODE")
            assert wait_until(lambda: read_ready() == (200, "down", "locked"))
            statuses, longest_s = time_answers(service, time.monotonic() + 2)
        assert {200, 500} == statuses  # /api/health
        assert longest_s < LONGEST_WAIT_S
        assert wait_until(lambda: read_ready() == (200, "up", "possible"))
