"""How programs start, and whether one bad setting slows the others down: ``make bench-start``.

* The gaps between updates of a setting whose value changes all the time, without and with another setting whose feature
  the service does not know: both clients, polling each half second and on the stream, on this project's service and on
  a simulated existing one, which has no stream. All at once: they have little to do.
* Many processes that start at once with many new settings, on either service; and one with very many.

Ends with 1 if a start fails, or a bad setting doubles the gaps. ``--source DIR`` measures the library and the service
of another source tree, such as a worktree of an earlier commit.
"""

import argparse
import itertools
import os
import statistics
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final, NamedTuple

import httpx2

from benchmarks.environments import ROOT
from benchmarks.figures import Line
from benchmarks.load.servers import running_existing, running_service
from benchmarks.report import render_terminal_section
from benchmarks.starting.fleet import Fleet, Report
from benchmarks.starting.program import FEATURE, INTERVAL_S, WATCHED, Plan
from heksher.wire import REVISION_HEADER

SERVICES: Final = ("ours", "existing")
CLIENTS: Final = ("async", "thread")
# How often the value of the setting that is watched changes: several times in an interval, so that each update sees it.
WRITE_S: Final = 0.1
WATCHED_S: Final = 15.0
QUICK_WATCHED_S: Final = 4.0
MAX_SLOWDOWN: Final = 2.0


class Rush(NamedTuple):
    """Processes that start at once, with settings that are new to the service."""

    service: str
    client: str
    processes: int
    settings: int


RUSHES: Final = (
    *(Rush(service, client, 6, 200) for service in SERVICES for client in CLIENTS),
    *(Rush(service, client, 1, 5_000) for service in SERVICES for client in CLIENTS),
    Rush("ours", "async", 100, 300),
)


@contextmanager
def running(service: str, source: Path) -> Iterator[str]:
    """Run a service without settings; yield its URL."""
    if service == "existing":
        with running_existing() as server:
            yield server.url
        return
    with tempfile.TemporaryDirectory() as directory:
        database = Path(directory) / "heksher.db"
        with running_service(database, f"--context-features={FEATURE}", source=source) as server:
            yield server.url


def count_writes(service: str, url: str) -> int:
    """Return how many requests have written so far, but for a constant."""
    if service == "existing":
        return int(httpx2.get(f"{url}/writes").json())
    return int(httpx2.get(f"{url}/api/v1/query").headers[REVISION_HEADER])


@contextmanager
def changing(url: str) -> Iterator[None]:
    """Change the value of the setting that is watched all the time, until the block ends."""
    setting = {"name": WATCHED, "configurable_features": [FEATURE], "type": "int", "default_value": 0}
    is_over = threading.Event()
    with httpx2.Client(base_url=f"{url}/api/v1") as http:
        http.post("/settings/declare", json={**setting, "metadata": {}, "version": "1.0"}).raise_for_status()
        rule = {"setting": WATCHED, "feature_values": {FEATURE: "x"}, "value": 0, "metadata": {}}
        rule_id = http.post("/rules", json=rule).raise_for_status().json()["rule_id"]

        def change() -> None:
            for value in itertools.count(1):
                http.put(f"/rules/{rule_id}/value", json={"value": value}).raise_for_status()
                if is_over.wait(WRITE_S):
                    return

        thread = threading.Thread(target=change)
        thread.start()
        try:
            yield
        finally:
            is_over.set()
            thread.join()


def measure_gaps(source: Path, watched_s: float) -> list[Line]:
    """Watch updates, in all combinations at once."""
    with ExitStack() as stack:
        urls = {service: stack.enter_context(running(service, source)) for service in SERVICES}
        plans = {
            (service, client, updates, has_refused): Plan(urls[service], client, 1, 1, updates, has_refused, watched_s)
            for service in SERVICES
            for client in CLIENTS
            for updates in ("poll", "stream")
            for has_refused in (False, True)
            if (service, updates) != ("existing", "stream")
        }
        for url in urls.values():
            stack.enter_context(changing(url))
        fleets = {case: Fleet(plan, source) for case, plan in plans.items()}
        for fleet in fleets.values():
            fleet.start()
        reports = {case: fleet.wait() for case, fleet in fleets.items()}
    return [_describe_gaps(case, report, reports[(*case[:3], False)]) for case, report in reports.items()]


def _describe_gaps(case: tuple[str, str, str, bool], report: Report, calm: Report) -> Line:
    service, client, updates, has_refused = case
    gaps_s, calm_s = _list_gaps(report), _list_gaps(calm)
    figure = f"median {statistics.median(gaps_s):.2f} s, max {max(gaps_s):.2f} s, {len(gaps_s) - 1} updates"
    is_met = not report.failed and statistics.median(gaps_s) <= MAX_SLOWDOWN * statistics.median(calm_s)
    what = f"{service}, {client}, {updates}, {'one setting refused' if has_refused else 'all declared'}"
    return Line(what, figure + _describe_failures(report), is_met)


def _list_gaps(report: Report) -> list[float]:
    # No outcome is a gap without end.
    return [gap_s for outcome in report.outcomes for gap_s in outcome.gaps_s] or [float("inf")]


def _describe_failures(report: Report) -> str:
    kinds = Counter(error.partition("(")[0] for error in report.failed)
    return "".join(f"; {count} starts failed ({kind})" for kind, count in kinds.items())


def measure_rush(rush: Rush, source: Path) -> Line:
    """Start processes at once, on a service without settings."""
    what = f"{rush.service}, {rush.client}, {rush.processes} of {rush.settings:,}"
    with running(rush.service, source) as url:
        before = count_writes(rush.service, url)
        fleet = Fleet(Plan(url, rush.client, rush.processes, rush.settings), source)
        fleet.start()
        report = fleet.wait()
        writes = count_writes(rush.service, url) - before
    outcomes = report.outcomes
    declared = [outcome.declared_s for outcome in outcomes if outcome.declared_s is not None]
    figures = [
        f"all started after {max((outcome.started_s for outcome in outcomes), default=0):.1f} s",
        f"all declared after {max(declared):.1f} s" if len(declared) == rush.processes else "not all declared",
        f"{sum(outcome.requests for outcome in outcomes):,} requests",
        f"{sum(outcome.declarations for outcome in outcomes):,} of them declare",
        f"{writes:,} wrote",
        f"{sum(outcome.failures for outcome in outcomes):,} failed",
    ]
    is_met = not report.failed and len(declared) == rush.processes
    line = Line(what, ", ".join(figures) + _describe_failures(report), is_met)
    # Some take minutes, and whoever interrupts them has those before.
    print(f"{line.what}: {line.figure}", file=sys.stderr, flush=True)
    return line


def shrink(rush: Rush) -> Rush:
    """Return a tenth of a rush: of its processes if they are many, else of its settings."""
    if rush.processes >= 10:  # noqa: PLR2004 - a tenth of fewer would be none
        return rush._replace(processes=rush.processes // 10)
    return rush._replace(settings=rush.settings // 10)


def main(arguments: Sequence[str]) -> int:
    """Measure and print; return 1 if something was not as it has to be."""
    parser = argparse.ArgumentParser(prog="make bench-start", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a tenth of the settings, or of the processes")
    parser.add_argument("--source", type=Path, default=ROOT, help="the source tree that is measured")
    options = parser.parse_args(arguments)
    source = options.source.resolve()
    gaps = measure_gaps(source, QUICK_WATCHED_S if options.quick else WATCHED_S)
    _print(f"Gaps between updates, polling each {INTERVAL_S} s, the value changes each {WRITE_S} s", gaps)
    rushes = [measure_rush(shrink(rush) if options.quick else rush, source) for rush in RUSHES]
    _print("Processes that start at once, with so many settings each", rushes)
    return 1 if any(line.is_met is False for line in gaps + rushes) else 0


def _print(title: str, lines: Sequence[Line]) -> None:
    load = ", ".join(f"{load:.1f}" for load in os.getloadavg())
    print(render_terminal_section(f"{title} (load average {load})", [line._asdict() for line in lines]), end="\n\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
