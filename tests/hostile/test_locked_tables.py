"""Tables that somebody else has locked, as whoever alters one does: nobody waits but who writes to them."""

import time
from collections.abc import Iterator

import httpx2
import psycopg
import pytest

from heksher.server.write_turns import MAX_WRITERS
from tests.hostile.locked_play import WRITES, lock_table, serving, time_answers
from tests.support.postgres import make_postgres_schema
from tests.support.processes import DEADLINE_S
from tests.support.service import ServiceProcess
from tests.support.waiting import wait_until

# For a reader that comes upon a lock: a turn and the lock itself take a second each.
LONGEST_WAIT_S = 3.0


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """An empty database."""
    with make_postgres_schema() as url:
        yield url


@pytest.fixture(scope="module")
def service(url: str) -> Iterator[ServiceProcess]:
    """A service with one setting."""
    with serving(url) as service:
        yield service


@pytest.mark.parametrize("table", ["setting", "write_state", "rule"])
def test_readers_do_not_wait_with_writers(url: str, service: ServiceProcess, table: str):
    """Whoever reads, looks after the service or reads its documentation is answered, though all writes wait."""
    waited = lock_table(url, service, table, 4)
    assert {200} == set().union(*waited.statuses.values())
    assert max(waited.longest_s.values()) < LONGEST_WAIT_S
    assert WRITES > 2 * MAX_WRITERS
    assert {201} == waited.writes


def test_a_locked_log_is_an_outage(url: str, service: ServiceProcess):
    """Nobody can say whether what is in memory is new; it ends with the lock, without a restart."""
    with httpx2.Client(base_url=service.url, timeout=DEADLINE_S) as client:

        def read_ready() -> tuple[int, str, str]:
            answer = client.get("/healthz/ready")
            return answer.status_code, answer.json()["database"], answer.json()["writes"]

        with psycopg.connect(url) as other:
            other.execute("LOCK TABLE log_entry IN ACCESS EXCLUSIVE MODE")
            assert wait_until(lambda: read_ready() == (200, "down", "locked"))
            waited = time_answers(service, time.monotonic() + 2)
        assert {500} == waited.statuses.pop("/api/health")
        assert {200} == set().union(*waited.statuses.values())
        assert max(waited.longest_s.values()) < LONGEST_WAIT_S
        assert wait_until(lambda: read_ready() == (200, "up", "possible"))
