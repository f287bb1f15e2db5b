"""PostgreSQL away, under load: queries go on, writes are refused, and everything is as before once it is back."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import count

import httpx2
import pytest

from tests.support.postgres import PostgresServer, add_parameters, private_postgres
from tests.support.replicas import Replicas
from tests.support.stored import list_users
from tests.support.waiting import wait_until

DEADLINE_S = 60.0
# Between two writes of a writer: it would be refused thousands of times a second.
WRITE_PAUSE_S = 0.01
# How many answers show that something goes on.
SOME = 20


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    with private_postgres() as server:
        yield server


@pytest.fixture(scope="module")
def replicas(server: PostgresServer) -> Iterator[Replicas]:
    """Two replicas, with a setting."""
    # A server that is frozen is noticed the earlier.
    database = add_parameters(server.url, connect_timeout="2")
    with Replicas([database] * 2, "--context-features", "user") as replicas:
        replicas.declare("s")
        yield replicas


class Load:
    """A reader and a writer on one replica, each in a thread, until ``end`` is set.

    Attributes:
        reads: the status of each answer to a query.
        writes: of each rule that was added, by its user: the status and what ``Retry-After`` said.
    """

    def __init__(self, url: str, prefix: str, end: threading.Event) -> None:
        self._url = url
        self._prefix = prefix
        self._end = end
        self.reads: list[int] = []
        self.writes: dict[str, tuple[int, str | None]] = {}

    def start(self, pool: ThreadPoolExecutor) -> list[Future[None]]:
        return [pool.submit(self._read), pool.submit(self._write)]

    def count_writes(self, status: int) -> int:
        return [known for known, _ in list(self.writes.values())].count(status)

    def _read(self) -> None:
        with httpx2.Client(base_url=self._url, timeout=DEADLINE_S) as client:
            while not self._end.is_set():
                self.reads.append(client.get("/api/v1/query").status_code)

    def _write(self) -> None:
        with httpx2.Client(base_url=self._url, timeout=DEADLINE_S) as client:
            for number in count():
                user = f"{self._prefix}_{number}"
                body = {"setting": "s", "feature_values": {"user": user}, "value": number}
                answer = client.post("/api/v1/rules", json=body)
                self.writes[user] = answer.status_code, answer.headers.get("Retry-After")
                if self._end.wait(WRITE_PAUSE_S):
                    return


def wait_for_more(counters: list[Callable[[], int]]) -> None:
    """Wait until each of some counters has gone on."""
    for counter in counters:
        start = counter()
        assert wait_until(lambda: counter() >= start + SOME, DEADLINE_S)  # noqa: B023 - called at once


def see_outage(client: httpx2.Client) -> None:
    """Check what a replica says of itself during an outage, and what it answers from memory."""
    assert wait_until(lambda: client.get("/healthz/ready").json()["database"] == "down", DEADLINE_S)
    statuses = [client.get(path).status_code for path in ("/healthz/ready", "/healthz/live", "/api/health")]
    assert [200, 200, 500] == statuses
    assert ["s"] == [setting["name"] for setting in client.get("/api/v1/settings").json()["settings"]]


@pytest.mark.parametrize(
    ("fail", "mend"),
    [(PostgresServer.stop, PostgresServer.start), (PostgresServer.freeze, PostgresServer.thaw)],
    ids=["stopped", "frozen"],
)
def test_outage_is_survived(
    server: PostgresServer,
    replicas: Replicas,
    fail: Callable[[PostgresServer], None],
    mend: Callable[[PostgresServer], None],
):
    """All queries are answered; writes are stored and told so, or refused; both replicas go on without a restart."""
    end = threading.Event()
    loads = [Load(url, f"{fail.__name__}_{number}", end) for number, url in enumerate(replicas.urls)]
    with ThreadPoolExecutor(2 * len(loads)) as pool:
        tasks = [task for load in loads for task in load.start(pool)]
        try:
            wait_for_more([lambda load=load: load.count_writes(201) for load in loads])
            fail(server)
            wait_for_more([lambda load=load: load.count_writes(503) for load in loads])
            for url in replicas.urls:
                with httpx2.Client(base_url=url, timeout=DEADLINE_S) as client:
                    see_outage(client)
            wait_for_more([lambda load=load: len(load.reads) for load in loads])
            mend(server)
            wait_for_more([lambda load=load: load.count_writes(201) for load in loads])
        finally:
            end.set()
    assert [None] * len(tasks) == [task.result() for task in tasks]
    assert {200} == {status for load in loads for status in load.reads}
    writes = {user: write for load in loads for user, write in load.writes.items()}
    assert {(201, None), (503, "1")} == set(writes.values())
    stored = {user for user in list_users(server.url) if user in writes}
    assert [] == [user for user, (status, _) in writes.items() if status == 201 and user not in stored]
    # Of the one write of each replica whose commit broke off nobody can tell.
    assert len([user for user in stored if writes[user][0] == 503]) <= len(loads)
