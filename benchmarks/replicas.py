"""What several replicas on one PostgreSQL promise, measured: ``make bench-replicas``.

* How long after a write was acknowledged by one replica the other answers it, with and without ``LISTEN``.
* That a setting which was declared on one replica is known to the other at once.
* That a reader who demands what it has seen never goes back, also while a replica is killed and comes back.

Everything runs on this machine; the replicas are processes of their own. Ends with 1 if a promise was broken.
"""

import argparse
import asyncio
import itertools
import random
import statistics
import sys
import time
import uuid
from collections import Counter
from collections.abc import Coroutine, Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager
from http import HTTPStatus
from typing import Any

from benchmarks.figures import Line, pick
from benchmarks.http_connection import HttpAnswer, HttpConnection
from benchmarks.report import render_terminal_updates
from heksher.wire import MIN_REVISION_HEADER
from tests.support.postgres import add_parameters, private_postgres
from tests.support.replicas import Replicas

QUERY = "/api/v1/query"
FEATURES = "--context-features=user"
# The aims: of a replica that hears of writes, and of one that looks for them each second.
MAX_HEARD_S = 0.1
MAX_POLLED_S = 1.5
POLL_S = 0.001
DECLARERS = 8
READERS = 8
KILLS = 3


async def declare(connection: HttpConnection, name: str) -> HttpAnswer:
    """Declare a setting.

    Raises:
        AssertionError: it was refused.
    """
    body = {"name": name, "configurable_features": ["user"], "type": "int", "default_value": 0}
    return require(200, await connection.request("POST", "/api/v1/settings/declare", body))


async def add_rule(connection: HttpConnection, setting: str, user: str) -> HttpAnswer:
    """Add a rule.

    Raises:
        AssertionError: it was refused.
    """
    body = {"setting": setting, "feature_values": {"user": user}, "value": 1}
    return require(201, await connection.request("POST", "/api/v1/rules", body))


def require(status: int, answer: HttpAnswer) -> HttpAnswer:
    """Return an answer if it has the status.

    Raises:
        AssertionError: it has another one.
    """
    if answer.status != status:
        raise AssertionError(f"{answer.status} instead of {status}: {answer.body!r}")
    return answer


def make_name() -> str:
    """Make a name that no setting has."""
    return f"bench_{uuid.uuid4().hex}"


async def measure_delays_s(urls: Sequence[str], writes: int, max_pause_s: float) -> list[float]:
    """Write on one replica; return the seconds after each acknowledgement until the other one answers it."""
    setting, path = make_name(), f"{QUERY}?settings="
    async with HttpConnection(urls[0]) as writer, HttpConnection(urls[1]) as reader:
        revision = (await declare(writer, setting)).revision
        answer = await reader.request("GET", path + setting, headers={MIN_REVISION_HEADER: str(revision)})
        delays_s = []
        for number in range(writes):
            # At any moment between two looks of the other.
            await asyncio.sleep(random.uniform(0, max_pause_s))  # noqa: S311 - a measurement
            await add_rule(writer, setting, f"u{number}")
            start_s = time.perf_counter()
            answer = await poll_until_changed(reader, path + setting, answer.headers["etag"])
            delays_s.append(time.perf_counter() - start_s)
    return delays_s


async def poll_until_changed(connection: HttpConnection, path: str, tag: str) -> HttpAnswer:
    """Ask each millisecond until the answer has another tag; return that answer."""
    while True:
        answer = await connection.request("GET", path, headers={"If-None-Match": tag})
        if answer.status == HTTPStatus.OK:
            return answer
        await asyncio.sleep(POLL_S)


def describe_delays(database: str, writes: int, *, is_listening: bool) -> list[Line]:
    """Say how long the other replica takes to answer a write."""
    url = database if is_listening else add_parameters(database, heksher_listen="off")
    with Replicas([url] * 2, FEATURES) as replicas:
        delays_s = sorted(asyncio.run(measure_delays_s(replicas.urls, writes, 0.02 if is_listening else 1.0)))
    aim_s = MAX_HEARD_S if is_listening else MAX_POLLED_S
    name = f"{writes} writes, {'with' if is_listening else 'without'} LISTEN: the other answers after"
    return [
        Line(f"{name}, p50", f"{statistics.median(delays_s) * 1000:.1f} ms"),
        Line(f"{name}, p99", f"{pick(delays_s, 0.99) * 1000:.1f} ms"),
        Line(
            f"{name}, worst",
            f"{delays_s[-1] * 1000:.1f} ms (aim: {aim_s * 1000:.0f} ms)",
            delays_s[-1] <= aim_s,
        ),
    ]


async def count_statuses(urls: Sequence[str], tries: int, *, is_demanding: bool) -> Counter[int]:
    """Declare settings, each on one replica, and ask the other for it at once; count what it says."""
    statuses: Counter[int] = Counter()
    numbers = iter(range(tries))

    async def declare_and_ask() -> None:
        async with AsyncExitStack() as stack:
            connections = [await stack.enter_async_context(HttpConnection(url)) for url in urls]
            for number in numbers:
                one, other = connections[number % 2], connections[1 - number % 2]
                name = make_name()
                revision = (await declare(one, name)).revision
                headers = {MIN_REVISION_HEADER: str(revision)} if is_demanding else {}
                statuses[(await other.request("GET", f"{QUERY}?settings={name}", headers=headers)).status] += 1
                # So that the number of settings does not grow, which would be another measurement.
                require(204, await one.request("DELETE", f"/api/v1/settings/{name}"))

    await asyncio.gather(*(declare_and_ask() for _ in range(DECLARERS)))
    return statuses


def describe_declarations(database: str, tries: int) -> list[Line]:
    """Say what the other replica answers about a setting that was just declared."""
    lines = []
    with Replicas([database] * 2, FEATURES) as replicas:
        for is_demanding in (True, False):
            statuses = asyncio.run(count_statuses(replicas.urls, tries // 2, is_demanding=is_demanding))
            name = f"{tries // 2:,} declarations, asked for {'with' if is_demanding else 'without'} a demand"
            figure = ", ".join(f"{count:,} times {status}" for status, count in sorted(statuses.items()))
            lines.append(Line(f"{name}: the other's answer", figure, set(statuses) == {200}))
    return lines


class Watch:
    """Readers that ask replicas in turn and demand the newest revision that they have seen.

    Attributes:
        answers: how many there were.
        errors: how often a replica was not there.
        setbacks: how often an answer was older than one before.
        newest: the newest revision that any of them has seen.
    """

    def __init__(self, urls: Sequence[str]) -> None:
        self._urls = urls
        self.answers = self.errors = self.setbacks = self.newest = 0

    async def read(self, first: int) -> None:
        """Read until cancelled.

        Args:
            first: the number of the replica that is asked first.
        """
        seen = 0
        async with AsyncExitStack() as stack:
            connections = [await stack.enter_async_context(HttpConnection(url)) for url in self._urls]
            for connection in itertools.islice(itertools.cycle(connections), first, None):
                try:
                    answer = await connection.request("GET", QUERY, headers={MIN_REVISION_HEADER: str(seen)})
                except OSError:
                    self.errors += 1
                    continue
                require(200, answer)
                self.answers += 1
                self.setbacks += answer.revision < seen
                seen = max(seen, answer.revision)
                self.newest = max(self.newest, seen)


async def watch_kills(replicas: Replicas, duration_s: float) -> Watch:
    """Kill one replica again and again while the others are read from and written to."""
    watch, setting = Watch(replicas.urls), make_name()

    async def write() -> None:
        async with HttpConnection(replicas.urls[0]) as writer:
            await declare(writer, setting)
            for number in itertools.count():
                await add_rule(writer, setting, f"u{number % 100}_{number}")
                # Each answer has all rules, so there are not to be too many.
                await asyncio.sleep(0.02)

    async def kill() -> None:
        for _ in range(KILLS):
            await asyncio.sleep(duration_s / (KILLS + 1))
            await asyncio.to_thread(replicas.services[1].kill)
            await asyncio.to_thread(replicas.bring_back, 1)
        await asyncio.sleep(duration_s / (KILLS + 1))

    await run_until_first_ends(kill(), write(), *(watch.read(number) for number in range(READERS)))
    return watch


async def run_until_first_ends(first: Coroutine[Any, Any, None], *others: Coroutine[Any, Any, None]) -> None:
    """Run until the first one ends, which ends the others; any error ends all of them."""
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(other) for other in others]
        await group.create_task(first)
        for task in tasks:
            task.cancel()


def describe_revisions(database: str, duration_s: float) -> list[Line]:
    """Say whether any reader went back while a replica was killed and came back."""
    with Replicas([database] * 2, FEATURES) as replicas:
        watch = asyncio.run(watch_kills(replicas, duration_s))
    name = f"{READERS} readers, {KILLS} times a replica killed"
    return [
        Line(f"{name}: answers, up to revision", f"{watch.answers:,}, {watch.newest:,}"),
        Line(f"{name}: connections refused or lost", f"{watch.errors:,}"),
        Line(f"{name}: revisions that went back", f"{watch.setbacks:,}", watch.setbacks == 0),
    ]


@contextmanager
def find_database(url: str | None) -> Iterator[str]:
    """Return the URL of a database: the given one, or one of a server that runs meanwhile."""
    if url is not None:
        yield url
        return
    with private_postgres() as server:
        yield server.url


def main(arguments: Sequence[str]) -> int:
    """Measure and print; return 1 if a promise was broken."""
    parser = argparse.ArgumentParser(prog="make bench-replicas", description=__doc__)
    parser.add_argument("--database", help="the URL of an empty PostgreSQL database, instead of a server of its own")
    parser.add_argument("--writes", type=int, default=100, help="how many writes are timed with LISTEN")
    parser.add_argument("--polled-writes", type=int, default=30, help="how many writes are timed without LISTEN")
    parser.add_argument("--tries", type=int, default=10_000, help="how many settings are declared and asked for")
    parser.add_argument("--seconds", type=float, default=30.0, help="how long readers read while a replica is killed")
    options = parser.parse_args(arguments)
    with find_database(options.database) as database:
        lines = [
            *describe_delays(database, options.writes, is_listening=True),
            *describe_delays(database, options.polled_writes, is_listening=False),
            *describe_declarations(database, options.tries),
            *describe_revisions(database, options.seconds),
        ]
    print(render_terminal_updates({"lines": [line._asdict() for line in lines]}))
    return 1 if any(line.is_met is False for line in lines) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
