"""How many processes that start at once get on with PostgreSQL: ``make bench-start-postgres``.

A hundred processes start with the same three hundred settings: new ones, then known ones, then known ones while the
database is away. They declare them together, as this project's clients do, and one by one, as the existing client does.
The database is on the same machine, or behind a network that takes two milliseconds there and back; a proxy counts what
the service asks of it.

Ends with 1 if a start fails. ``--source DIR`` measures the library and the service of another source tree.
"""

import argparse
import os
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

from benchmarks.environments import ROOT
from benchmarks.figures import Line
from benchmarks.load.delaying_proxy import DelayingProxy
from benchmarks.load.servers import running_service
from benchmarks.report import render_terminal_section
from benchmarks.starting.fleet import Fleet, Report
from benchmarks.starting.program import FEATURE, Plan
from tests.support.postgres import PostgresServer, private_postgres

PROCESSES: Final = 100
SETTINGS: Final = 300
ROUND_TRIPS_S: Final = (0.0, 0.002)


class Site(NamedTuple):
    """A service, and what is between it and its database."""

    url: str
    server: PostgresServer
    proxy: DelayingProxy


@contextmanager
def running(round_trip_s: float, source: Path) -> Iterator[Site]:
    """Run a service on a database of its own."""
    with (
        private_postgres() as server,
        DelayingProxy(server.url, round_trip_s) as proxy,
        running_service(proxy.url, f"--context-features={FEATURE}", source=source) as service,
    ):
        yield Site(service.url, server, proxy)


def measure_site(round_trip_s: float, plan: Plan, source: Path) -> Iterator[Line]:
    """Start the processes of a plan three times on one service."""
    way = "one by one" if plan.declares_apart else "together"
    where = f"{round_trip_s * 1000:.0f} ms away" if round_trip_s else "on the same machine"
    with running(round_trip_s, source) as site:
        for state in ("new", "known", "known, database away"):
            if state.endswith("away"):
                site.server.stop()
            before = site.proxy.traffic
            fleet = Fleet(plan._replace(url=site.url), source)
            fleet.start()
            report = fleet.wait()
            traffic = site.proxy.traffic.since(before)
            asked = (
                f"{traffic.transactions:,} transactions, {traffic.statements:,} statements,"
                f" {traffic.round_trips:,} round trips"
            )
            yield Line(f"{way}, {where}, {state}", f"{_describe(report)}, {asked}", not _count_failures(report))


def _describe(report: Report) -> str:
    outcomes = report.outcomes
    started_s = max((outcome.started_s for outcome in outcomes), default=0.0)
    requests = sum(outcome.requests for outcome in outcomes)
    kinds = ", ".join(f"{count} {error}" for error, count in Counter(error[:60] for error in report.failed).items())
    failed = f"{_count_failures(report)} starts failed" + (f" ({kinds})" if kinds else "")
    return f"all ready after {started_s:.1f} s, {failed}, {requests:,} requests"


def _count_failures(report: Report) -> int:
    undeclared = [outcome for outcome in report.outcomes if not outcome.error and outcome.declared_s is None]
    return len(report.failed) + len(undeclared)


def main(arguments: Sequence[str]) -> int:
    """Measure and print; return 1 if a start failed."""
    parser = argparse.ArgumentParser(prog="make bench-start-postgres", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a tenth of the processes")
    parser.add_argument("--source", type=Path, default=ROOT, help="the source tree that is measured")
    options = parser.parse_args(arguments)
    processes = PROCESSES // 10 if options.quick else PROCESSES
    lines = []
    for declares_apart in (False, True):
        for round_trip_s in ROUND_TRIPS_S:
            plan = Plan("", "async", processes, SETTINGS, declares_apart=declares_apart)
            for line in measure_site(round_trip_s, plan, options.source.resolve()):
                # Some take minutes, and whoever interrupts them has those before.
                print(f"{line.what}: {line.figure}", file=sys.stderr, flush=True)
                lines.append(line)
    load = ", ".join(f"{load:.1f}" for load in os.getloadavg())
    title = f"{processes} processes with {SETTINGS} settings each start at once on PostgreSQL (load average {load})"
    print(render_terminal_section(title, [line._asdict() for line in lines]))
    return 1 if any(line.is_met is False for line in lines) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
