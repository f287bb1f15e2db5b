"""The service under load: ``make bench-service``.

Requests per second against the bare server, streams, the way of a change to other processes, and a large database. All
servers are of this machine, and are asked over loopback.
"""

import argparse
import json
import os
import platform
import statistics
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from benchmarks.environments import UnavailableError
from benchmarks.figures import Line, pick
from benchmarks.load.propagation import measure_propagation
from benchmarks.load.scale import SETTINGS, measure_scale
from benchmarks.load.streams import MAX_RETURN_S, measure_streams
from benchmarks.load.throughput import Row, compare
from benchmarks.report import render_terminal_section

MIN_SHARE = 0.6
# How far the requests per second may be apart, from the smallest to the largest service.
MAX_SPREAD = 0.2
MAX_PROPAGATION_S = 1.0
MAX_END_S = 1.0


class Effort(NamedTuple):
    """How much is done: rules in the service, seconds for each sample, streams, programs that read."""

    rule_counts: Sequence[int]
    seconds: float
    streams: int
    ended_streams: int
    processes: int


FULL = Effort((1_000, 30_000, 100_000), seconds=4, streams=2_000, ended_streams=1_000, processes=100)
QUICK = Effort((1_000, 30_000), seconds=2, streams=500, ended_streams=200, processes=10)


def describe_throughput(directory: Path, effort: Effort) -> list[Line]:
    """Requests per second, against the bare server."""
    rows = list(compare(directory, effort.rule_counts, effort.seconds))
    return [*map(_describe_row, rows), *(_describe_spread(rows, status) for status in (200, 304))]


def describe_streams(directory: Path, effort: Effort) -> list[Line]:
    """Open streams: memory, the way of an event, and the service's end."""
    many = measure_streams(directory, effort.streams)
    ended = measure_streams(directory, effort.ended_streams)
    title = f"{many.streams:,} open streams"
    end = f"SIGTERM with {ended.streams:,} open streams"
    spread = f"{min(ended.return_ms) / 1000:.2f} to {max(ended.return_ms) / 1000:.2f} s, median"
    return [
        Line(f"{title}: memory of the service for each", f"{many.each_kib:.1f} KiB"),
        Line(f"{title}: from a change's request to its answer", _describe_ms(many.acknowledged_ms)),
        Line(f"{title}: from a change's request to the last stream's event", _describe_ms(many.last_knows_ms)),
        Line(f"{end}: until the process is gone", f"{ended.end_s:.2f} s", ended.end_s < MAX_END_S),
        Line(f"{end}: streams that were told", f"{ended.ended:,}", ended.ended == ended.streams),
        Line(
            f"{end}: told to come back after",
            f"{spread} {statistics.median(ended.return_ms) / 1000:.2f} s",
            max(ended.return_ms) <= MAX_RETURN_S * 1000,
        ),
    ]


def describe_propagation(directory: Path, effort: Effort) -> list[Line]:
    """From a write to what other programs read."""
    delays_s = sorted(measure_propagation(directory, effort.processes))
    others = f"{effort.processes} other processes, {len(delays_s):,} reads"
    what = f"from a write's answer until `get` answers it in {others}"
    figure = f"p50 {pick(delays_s, 0.5):.3f} s, p99 {pick(delays_s, 0.99):.3f} s, worst {delays_s[-1]:.3f} s"
    return [Line(what, figure, delays_s[-1] < MAX_PROPAGATION_S)]


def describe_scale(directory: Path, _effort: Effort) -> list[Line]:
    """What a large service takes."""
    figures = measure_scale(directory)
    title = f"{SETTINGS:,} settings, {SETTINGS * 10:,} rules"
    return [
        Line(f"{title}: start until the first answer", f"{figures.started_s:.1f} s"),
        Line(f"{title}: resident memory", f"{figures.resident_kib / 1024:.0f} MiB"),
        Line(f"{title}: memory after full queries and writes", f"{figures.resident_after_kib / 1024:.0f} MiB"),
        Line(f"{title}: a write", f"median {figures.write_ms[0]:.1f} ms, worst {figures.write_ms[1]:.1f} ms"),
        Line(f"{title}: a query for everything, first", f"{figures.first_full_s * 1000:.0f} ms"),
        Line(
            f"{title}: the same again, {figures.full_bytes / 1e6:.1f} MB",
            f"{figures.full_s * 1000:.0f} ms",
        ),
        Line(
            f"{title}: compressed to {figures.compressed_bytes / 1e6:.2f} MB, first",
            f"{figures.compressed_s * 1000:.0f} ms",
        ),
        Line(f"{title}: `heksher backup` while the service runs", f"{figures.backup_s:.1f} s"),
        Line(f"{title}: `heksher restore` into an empty database", f"{figures.import_s:.1f} s"),
    ]


SECTIONS: Mapping[str, Callable[[Path, Effort], list[Line]]] = {
    "Requests": describe_throughput,
    "Streams": describe_streams,
    "From a write to a read": describe_propagation,
    "A large database": describe_scale,
}


def _describe_row(row: Row) -> Line:
    holding = "" if row.rules is None else f", {row.rules:,} rules"
    share = "" if row.share is None else f", {row.share:.0%} of the bare server"
    failed = f", {row.failed} failed" if row.failed else ""
    figure = f"{row.requests_per_s:,.0f}/s, p99 {row.p99_ms:.1f} ms{share}, {row.resident_kib / 1024:.0f} MiB{failed}"
    is_met = None if row.server != "heksher" or row.share is None else row.share >= MIN_SHARE and not row.failed
    return Line(f"{row.status}, {row.server}{holding}", figure, is_met)


def _describe_spread(rows: Sequence[Row], status: int) -> Line:
    shares = [row.share for row in rows if row.server == "heksher" and row.status == status and row.share is not None]
    spread = 1 - min(shares) / max(shares)
    return Line(f"{status}, heksher: from the smallest to the largest service", f"{spread:.0%}", spread <= MAX_SPREAD)


def _describe_ms(values_ms: Sequence[float]) -> str:
    return f"median {statistics.median(values_ms):.1f} ms, worst of {len(values_ms)}: {max(values_ms):.1f} ms"


def _describe_conditions(is_quick: bool) -> str:
    effort = ", a quick run" if is_quick else ""
    today = datetime.now(UTC).date()
    python = platform.python_version()
    return f"{today}, Python {python}, {os.cpu_count()} processors, which load and service share{effort}."


def main(arguments: Sequence[str]) -> int:
    """Measure, print, and write the figures; return 1 if an aim was missed."""
    parser = argparse.ArgumentParser(prog="make bench-service", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="smaller and shorter")
    parser.add_argument("--json", type=Path, help="where the figures go")
    parser.add_argument("--only", metavar="WORD", help="the sections with this word in their titles")
    options = parser.parse_args(arguments)
    effort = QUICK if options.quick else FULL
    sections = {title: describe for title, describe in SECTIONS.items() if (options.only or "") in title}
    print(conditions := _describe_conditions(options.quick))
    done: dict[str, list[dict[str, object]]] = {}
    try:
        with tempfile.TemporaryDirectory() as directory:
            for title, describe in sections.items():
                done[title] = [line._asdict() for line in describe(Path(directory), effort)]
                print(f"\n{render_terminal_section(title, done[title])}", flush=True)
    except UnavailableError as error:
        print(error, file=sys.stderr)
        return 1
    if options.json and not options.only:
        options.json.parent.mkdir(exist_ok=True)
        options.json.write_text(json.dumps({"conditions": conditions, "sections": done}, indent=2))
    return 1 if any(line["is_met"] is False for lines in done.values() for line in lines) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
