"""What two replicas do while PostgreSQL is away, under load: ``make bench-outage-db``.

Once it is stopped, so that connections are refused, and once frozen, so that nothing answers at all. All queries must
be answered; writes are stored and acknowledged, or refused; nothing is stored by halves; and once the database is back,
everything works again without a restart. Ends with 1 if one of these was broken.
"""

import argparse
import asyncio
import sys
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

from benchmarks.figures import Line
from benchmarks.http_connection import HttpConnection
from benchmarks.outage_load import SETTING, Kind, LoadProcess, Sample
from benchmarks.replicas import FEATURES, pick
from benchmarks.report import render_terminal_updates
from tests.support.postgres import PostgresServer, private_postgres
from tests.support.replicas import Replicas
from tests.support.stored import list_users
from tests.support.waiting import wait_until

CALM_S = 5.0
RECOVERY_S = 30.0
# No call waits longer for a database that does not answer.
MAX_REFUSAL_S = 15.0
MAX_RETURN_S = 5.0
CREATED = 201
UNAVAILABLE = 503


class Way(NamedTuple):
    """How the database goes away and comes back."""

    name: str
    fail: Callable[[PostgresServer], None]
    mend: Callable[[PostgresServer], None]


WAYS = (
    Way("stopped", PostgresServer.stop, PostgresServer.start),
    Way("frozen", PostgresServer.freeze, PostgresServer.thaw),
)


class Play(NamedTuple):
    """What happened.

    Attributes:
        samples: all requests.
        failed_s, mended_s: when the database went and when it was back, by ``time.monotonic()``.
        stored: the users that have rules in the end.
    """

    samples: list[Sample]
    failed_s: float
    mended_s: float
    stored: set[str]

    def select(self, kind: Kind, *, is_during: bool) -> list[Sample]:
        """Return the requests of a kind that were sent before the outage, or during it."""
        begin_s, end_s = (self.failed_s, self.mended_s) if is_during else (0.0, self.failed_s)
        return [each for each in self.samples if each.kind == kind and begin_s <= each.start_s < end_s]


def play(server: PostgresServer, replicas: Replicas, way: Way, duration_s: float) -> Play:
    """Have replicas under load live through an outage."""
    with LoadProcess(replicas.urls, way.name) as load:
        time.sleep(CALM_S)
        failed_s = time.monotonic()
        way.fail(server)
        time.sleep(duration_s)
        way.mend(server)
        mended_s = time.monotonic()
        wait_until(lambda: asyncio.run(can_write(replicas.urls, f"{way.name}_{time.monotonic_ns()}")), RECOVERY_S, 0.5)
        samples = load.finish()
    return Play(samples, failed_s, mended_s, list_users(server.url))


async def can_write(urls: Sequence[str], name: str) -> bool:
    """Return whether all replicas store a rule."""
    statuses = []
    for number, url in enumerate(urls):
        async with HttpConnection(url) as connection:
            body = {"setting": SETTING, "feature_values": {"user": f"{name}_{number}"}, "value": 1}
            statuses.append((await connection.request("POST", "/api/v1/rules", body)).status)
    return set(statuses) == {CREATED}


def describe(way: Way, played: Play, replicas: int) -> list[Line]:
    """Put what happened in lines."""
    return [
        Line(f"PostgreSQL {way.name} for {played.mended_s - played.failed_s:.0f} s", ""),
        *describe_reads("query", "queries", played),
        *describe_reads("other read", "other reads", played),
        *describe_writes(played, replicas),
        *describe_return(played, replicas),
    ]


def describe_reads(kind: Kind, name: str, played: Play) -> list[Line]:
    """Say how many reads were answered, and how quickly."""
    during = played.select(kind, is_during=True)
    answered = sum(each.status == 200 for each in during)  # noqa: PLR2004 - HTTP's own
    return [
        Line(f"  {name} answered", f"{answered:,} of {len(during):,}", answered == len(during)),
        Line(f"  {name}, p50 / p99 / worst: before", show_times(played.select(kind, is_during=False))),
        Line(f"  {name}, p50 / p99 / worst: during", show_times(during)),
    ]


def describe_writes(played: Play, replicas: int) -> list[Line]:
    """Say what became of writes."""
    writes = [each for each in played.samples if each.kind == "write"]
    refused = [each for each in writes if each.status == UNAVAILABLE]
    unhelpful = [each for each in refused if not each.has_retry_after]
    lost = [each for each in writes if each.status == CREATED and each.user not in played.stored]
    unknown = [each for each in refused if each.user in played.stored]
    strange = [each for each in writes if each.status not in {CREATED, UNAVAILABLE}]
    slowest_s = max((each.duration_s for each in refused), default=0.0)
    return [
        Line(f"  of {len(writes):,} writes refused with 503", f"{len(refused):,}", bool(refused)),
        Line("  of these without Retry-After", f"{len(unhelpful):,}", not unhelpful),
        Line("  refusals, p50 / p99 / worst", show_times(refused), slowest_s <= MAX_REFUSAL_S),
        Line("  neither stored nor refused", f"{len(strange):,}", not strange),
        Line("  acknowledged, but not stored", f"{len(lost):,}", not lost),
        # Its commit was under way when the connection broke off: the log of the service says so.
        Line("  refused, but stored (one for each replica can be)", f"{len(unknown):,}", len(unknown) <= replicas),
    ]


def describe_return(played: Play, replicas: int) -> list[Line]:
    """Say how long it took after the outage until each replica stored a write."""
    lines = []
    for replica in range(replicas):
        ends_s = [
            each.start_s + each.duration_s
            for each in played.samples
            if each.kind == "write" and each.replica == replica and each.status == CREATED
        ]
        returned_s = min((end_s for end_s in ends_s if end_s > played.mended_s), default=float("inf"))
        needed_s = returned_s - played.mended_s
        lines.append(Line(f"  replica {replica} writes again after", f"{needed_s:.1f} s", needed_s <= MAX_RETURN_S))
    return lines


def show_times(samples: Sequence[Sample]) -> str:
    """Write how long requests took."""
    if not samples:
        return "none"
    durations_s = sorted(each.duration_s for each in samples)
    values_s = (pick(durations_s, 0.5), pick(durations_s, 0.99), durations_s[-1])
    return " / ".join(f"{value_s * 1000:,.1f}" for value_s in values_s) + " ms"


def main(arguments: Sequence[str]) -> int:
    """Measure and print; return 1 if a promise was broken."""
    parser = argparse.ArgumentParser(prog="make bench-outage-db", description=__doc__)
    parser.add_argument("--seconds", type=float, default=30.0, help="how long the database is away, each time")
    options = parser.parse_args(arguments)
    lines: list[Line] = []
    with private_postgres() as server, Replicas([server.url] * 2, FEATURES) as replicas:
        replicas.declare(SETTING)
        for way in WAYS:
            lines += describe(way, play(server, replicas, way, options.seconds), len(replicas.urls))
    print(render_terminal_updates({"lines": [line._asdict() for line in lines]}))
    return 1 if any(line.is_met is False for line in lines) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
