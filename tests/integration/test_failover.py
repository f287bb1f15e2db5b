"""A standby takes over that lacks the last changes: nobody goes on with what the database has lost.

Two PostgreSQL servers, with asynchronous replication; two replicas of the service. ``make bench-failover`` does it many
times, and in other ways.
"""

import re
from collections.abc import Iterator
from itertools import islice

import httpx2
import pytest

from heksher import Setting
from tests.support.drivers import SHORT_S, Driver
from tests.support.event_stream import EventStream
from tests.support.fake_service import FakeService
from tests.support.postgres_pair import PostgresPair
from tests.support.replicas import Replicas
from tests.support.waiting import wait_until

DEADLINE_S = 60.0
# From the first look of a replica on.
STREAMING_DEADLINE_S = 3.0
QUERY, ID, DEMAND = "/api/v1/query", "Heksher-Revision-Id", "Heksher-Min-Revision"
LOST, NEW = 2, 3


@pytest.fixture(scope="module")
def pair() -> Iterator[PostgresPair]:
    with PostgresPair() as pair:
        yield pair


@pytest.fixture(scope="module")
def services(pair: PostgresPair) -> Iterator[Replicas]:
    """Two replicas, with a setting that has one rule."""
    with Replicas([pair.url] * 2, "--context-features", "user") as services:
        services.declare("s")
        services.add_rule("s", {"user": "guest"}, 0)
        yield services


@pytest.fixture
def replicas(pair: PostgresPair, services: Replicas) -> Iterator[Replicas]:
    """The replicas, both with a rule whose value is 1; the server that is killed comes back as the standby."""
    first = write(services.urls[0], 1)
    # The other one may not have noticed yet that the database is back.
    assert wait_until(lambda: all(is_up(url) for url in services.urls), DEADLINE_S)
    assert [(1, first)] * 2 == [read(url, first) for url in services.urls]
    yield services
    pair.swap()


def write(url: str, value: int) -> str:
    """Give the rule a value, as soon as that can be done; return the id of the revision."""
    ids: list[str] = []

    def try_to_write() -> bool:
        answer = httpx2.put(f"{url}/api/v1/rules/1/value", json={"value": value}, timeout=DEADLINE_S)
        ids.extend([answer.headers[ID]] if answer.status_code == 204 else [])
        return bool(ids)

    assert wait_until(try_to_write, DEADLINE_S, 0.05)
    return ids[0]


def is_up(url: str) -> bool:
    return bool(httpx2.get(f"{url}/healthz/ready", timeout=DEADLINE_S).json()["database"] == "up")


def lose_a_change(pair: PostgresPair, replicas: Replicas) -> tuple[str, str]:
    """Have a change acknowledged that the standby does not get, and another one by the standby; return their ids."""
    pair.wait_for_standby()
    pair.hold_back()
    lost = write(replicas.urls[1], LOST)
    # Both replicas have it.
    assert [(LOST, lost)] * 2 == [read(url, lost) for url in replicas.urls]
    pair.fail()
    pair.promote()
    return lost, write(replicas.urls[0], NEW)


def read(url: str, demand: str | None = None) -> tuple[int, str]:
    """Return the value of the rule that a query is answered with, and the id of the answer's revision."""
    answer = httpx2.get(url + QUERY, headers={} if demand is None else {DEMAND: demand}, timeout=DEADLINE_S)
    assert 200 == answer.status_code, answer.text
    return answer.json()["settings"]["s"]["rules"][0]["value"], answer.headers[ID]


def test_lost_change_is_forgotten_by_everybody(pair: PostgresPair, replicas: Replicas) -> None:
    """One number, two changes: each replica answers with the one that the database has, and says what has happened."""
    with EventStream(int(replicas.urls[1].rpartition(":")[2])) as stream:
        assert stream.read_event() is not None
        lost, new = lose_a_change(pair, replicas)
        assert lost.partition("-")[0] == new.partition("-")[0]
        # At once, where the new change is demanded; the replica may not have looked yet.
        assert [(NEW, new)] * 2 == [read(url, new) for url in replicas.urls]
        # The lost one is answered with the truth.
        assert [(NEW, new)] * 2 == [read(url, lost) for url in replicas.urls]
        ids = (event["id"] for event in iter(stream.read_event, None))
        assert [lost, new] == list(islice((told for told in ids if told in {lost, new}), 2))
    for number, url in enumerate(replicas.urls):
        ready = httpx2.get(f"{url}/healthz/ready").json()
        assert (True, new) == (ready["ready"], ready["revision_id"])
        assert ready["history_lost_at"] is not None
        assert wait_until(lambda url=url: count_losses(url) >= 1, DEADLINE_S)
        assert f"this process had revision {lost}" in "".join(replicas.services[number].lines)


def count_losses(url: str) -> float:
    metrics = httpx2.get(f"{url}/metrics").text
    return float(re.search(r"^heksher_histories_lost_total (\S+)$", metrics, re.MULTILINE)[1])


@pytest.mark.parametrize("updates", ["stream", "poll"])
def test_clients_forget_a_lost_change(driver: Driver, pair: PostgresPair, replicas: Replicas, updates: str) -> None:
    """A client of the replica that was not written to reads the truth soon after that has looked, or has been asked."""
    setting = Setting("s", int, ["user"], 0)
    is_streaming = updates == "stream"
    interval = {} if is_streaming else {"interval_s": 100 * SHORT_S}
    options = {"url": replicas.urls[1], "http_client_args": {}, "updates": updates, **interval}
    client = driver.create(FakeService("user"), **options)
    client.start()
    assert wait_until(lambda: setting.get(user="guest") == 1 and client.native.status.is_streaming == is_streaming)
    _, new = lose_a_change(pair, replicas)
    assert wait_until(lambda: read(replicas.urls[1])[1] == new, DEADLINE_S)
    assert wait_until(lambda: setting.get(user="guest") == NEW, STREAMING_DEADLINE_S)
