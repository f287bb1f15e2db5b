"""What a drill is played on: two PostgreSQL servers, replicas of the service, and clients of each."""

import itertools
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Final, NamedTuple

import httpx2
import psycopg

from benchmarks.failovers.balancer import Balancer
from benchmarks.failovers.bouncer import Bouncer, find_program
from benchmarks.failovers.clients import KINDS, Kind, WatchedClient
from benchmarks.failovers.watcher import FEATURE, SETTING, USER
from tests.support.postgres_pair import PostgresPair
from tests.support.replicas import Replicas
from tests.support.waiting import wait_until

PATIENCE_S: Final = 60.0
_RETRY_S: Final = 0.02


class Setup(NamedTuple):
    """What there is.

    Attributes:
        replicas: how many.
        is_synchronous: whether the primary acknowledges only what the standby has.
        is_pooled: whether PgBouncer is between the service and the servers.
    """

    replicas: int
    is_synchronous: bool = False
    is_pooled: bool = False


class Write(NamedTuple):
    """A write that was acknowledged.

    Attributes:
        value: what was written; each is one more than that before.
        demand: what demands it of a query.
        at_s: when it was acknowledged.
    """

    value: int
    demand: str
    at_s: float


class Stage:
    """The servers, with one rule, the replicas and the clients.

    Attributes:
        demands: how many queries have demanded a revision.
        broken: how many of them were answered with something older that was not the truth.
    """

    def __init__(
        self, pair: PostgresPair, replicas: Replicas, clients: list[WatchedClient], bouncer: Bouncer | None
    ) -> None:
        self.pair = pair
        self.replicas = replicas
        self.clients = clients
        self.demands = self.broken = 0
        self._bouncer = bouncer
        self._http = [httpx2.Client(base_url=url, timeout=PATIENCE_S) for url in replicas.urls]
        self._turns = itertools.cycle(self._http)
        self.values = itertools.count(1)

    def close(self) -> None:
        """Close the connections."""
        for http in self._http:
            http.close()

    def try_to_write(self) -> Write | None:
        """Give the rule the next value, on the next replica; ``None`` if that is refused."""
        value = next(self.values)
        answer = next(self._turns).put("/api/v1/rules/1/value", json={"value": value})
        if answer.status_code != HTTPStatus.NO_CONTENT:
            return None
        demand = answer.headers.get("heksher-revision-id", answer.headers["heksher-revision"])
        return Write(value, demand, time.monotonic())

    def write(self) -> Write:
        """Write as soon as that can be done; check that no replica that is asked for it answers something older."""
        written: list[Write] = []
        if not wait_until(lambda: written.extend(filter(None, [self.try_to_write()])) or written, PATIENCE_S, _RETRY_S):
            raise AssertionError("no write was acknowledged in time")
        for http in self._http:
            self.note_reads(1, self._read(http, written[0].demand) < written[0].value)
        return written[0]

    def note_reads(self, demands: int, broken: int) -> None:
        """Count queries that were made besides, each with a demand."""
        self.demands += demands
        self.broken += broken

    def read_stored(self) -> int:
        """Return the value that the server has which takes writes now, or is to take them."""
        with psycopg.connect(self.pair.standby.url) as connection:
            [value] = connection.execute("SELECT value FROM rule WHERE id = 1").fetchone() or ["0"]
        return int(value)

    def fail(self) -> None:
        """Kill the primary."""
        self.pair.fail()

    def promote(self) -> None:
        """Have the standby take over."""
        self.pair.promote()
        if self._bouncer is not None:
            self._bouncer.lead_to(self.pair.standby)

    def await_looks_s(self, since_s: float) -> list[float]:
        """Wait until each replica has looked at the database after a moment; return the moments of these looks."""
        return [self._await_look_s(http, since_s) for http in self._http]

    def await_clients(self, value: int) -> None:
        """Wait until all clients read a value."""
        if not wait_until(lambda: all(client.readings[-1].value == value for client in self.clients), PATIENCE_S):
            raise AssertionError(f"not all clients read {value}: {[client.readings[-1] for client in self.clients]}")

    def _await_look_s(self, http: httpx2.Client, since_s: float) -> float:
        looks_s: list[float] = []

        def has_looked() -> bool:
            age_s = http.get("/healthz/ready").json()["age_s"]
            looks_s.append(time.monotonic() - age_s)
            return looks_s[-1] > since_s

        if not wait_until(has_looked, PATIENCE_S, _RETRY_S):
            raise AssertionError("a replica has not looked at the database in time")
        return looks_s[-1]

    def _read(self, http: httpx2.Client, demand: str) -> int:
        answers: list[httpx2.Response] = []

        def is_answered() -> bool:
            path = f"/api/v1/query?settings={SETTING}"
            answers.append(http.get(path, headers={"Heksher-Min-Revision": demand}))
            # A replica may not know yet that its database is there again.
            return answers[-1].status_code != HTTPStatus.SERVICE_UNAVAILABLE

        wait_until(is_answered, PATIENCE_S, _RETRY_S)
        return int(answers[-1].raise_for_status().json()["settings"][SETTING]["rules"][0]["value"])


@contextmanager
def set_up(setup: Setup, pythons: dict[Kind, Path]) -> Iterator[Stage]:
    """Set a stage up.

    Args:
        setup: what there is.
        pythons: the interpreters for the kinds of clients that there are.
    """
    with ExitStack() as stack:
        pair = stack.enter_context(PostgresPair(is_synchronous=setup.is_synchronous))
        program = find_program() if setup.is_pooled else None
        bouncer = None if program is None else stack.enter_context(Bouncer(program, pair.primary))
        url = pair.url if bouncer is None else bouncer.url
        replicas = stack.enter_context(Replicas([url] * setup.replicas, f"--context-features={FEATURE}"))
        replicas.declare(SETTING)
        replicas.add_rule(SETTING, {FEATURE: USER}, 0)
        balanced = stack.enter_context(Balancer(replicas.urls)).url if setup.replicas > 1 else None
        clients = [stack.enter_context(client) for client in _make_clients(replicas.urls, balanced, pythons)]
        stage = Stage(pair, replicas, clients, bouncer)
        stack.callback(stage.close)
        yield stage


def _make_clients(urls: Iterable[str], balanced: str | None, pythons: dict[Kind, Path]) -> Iterator[WatchedClient]:
    """Make clients of each kind for each replica, and of those that know revisions for the load balancer."""
    for kind in KINDS:
        if balanced is not None and kind in pythons and kind != "existing":
            yield WatchedClient(kind, None, balanced, pythons[kind])
    for replica, url in enumerate(urls):
        for kind in KINDS:
            if kind in pythons:
                yield WatchedClient(kind, replica, url, pythons[kind])
