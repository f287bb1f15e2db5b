"""The command behind ``make bench``: measure, print a table, leave the figures in ``.benchmarks/results.json``."""

import argparse
import datetime as dt
import json
import os
import platform
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import heksher
from benchmarks.contest import FULL, QUICK, Contest, Entry
from benchmarks.environments import PLACE
from benchmarks.report import render_terminal

THIS = "this"
PEERS = (
    "published", "eppo", "statsig", "growthbook", "openfeature_memory", "launchdarkly", "posthog", "configcat",
    "flagsmith", "flagd", "unleash",
)  # fmt: skip


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer and shorter samples: under two minutes")
    parser.add_argument("--peers", type=_read_peers, default=PEERS, help=f"some of {','.join(PEERS)}; or none")
    parser.add_argument(
        "--python",
        type=lambda text: text.split(","),
        default=[_own_version()],
        help="for this library: versions or interpreters, comma-separated; the others run on the first suitable one",
    )
    parser.add_argument("--peer-python", default=_own_version(), help="for the other libraries")
    parser.add_argument("--json", type=Path, default=PLACE / "results.json", help="where the figures go")
    return parser.parse_args(arguments)


def _read_peers(text: str) -> tuple[str, ...]:
    peers = () if text == "none" else tuple(text.split(","))
    if unknown := sorted(set(peers).difference(PEERS)):
        raise argparse.ArgumentTypeError(f"unknown: {', '.join(unknown)}; there are {', '.join(PEERS)}")
    return peers


def _own_version() -> str:
    return "{}.{}".format(*sys.version_info)


def describe_machine() -> str:
    """Say what kind of machine this is, and nothing by which it could be told from others of its kind."""
    return f"{platform.system()} on {platform.machine()}, {os.cpu_count()} processors"


def main(arguments: Sequence[str]) -> int:
    """Measure and print; return the exit status."""
    options = parse(arguments)
    effort = QUICK if options.quick else FULL
    entries = [Entry(THIS, python) for python in options.python]
    entries += [Entry(peer, options.peer_python) for peer in options.peers]
    start_s = time.monotonic()
    summaries: list[dict[str, Any]] = []
    with Contest(entries[0], effort) as contest:
        for entry in entries:
            print(f"bench: {entry.adapter} on Python {entry.python}", file=sys.stderr, flush=True)
            summary = contest.measure(entry).summarize()
            summaries.append(summary | ({"version": heksher.__version__} if entry.adapter == THIS else {}))
    results = {
        "date": dt.datetime.now(tz=dt.UTC).date().isoformat(),
        "machine": describe_machine(),
        "is_quick": options.quick,
        "rounds": effort.rounds,
        "large_count": effort.large_count,
        "entries": summaries,
    }
    options.json.parent.mkdir(exist_ok=True)
    options.json.write_text(json.dumps(results, indent=2))
    print(render_terminal(results))
    print(f"\nbench: {time.monotonic() - start_s:.0f} s; figures in {options.json.name}", file=sys.stderr)
    return 1 if any(summary["problem"] for summary in summaries) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
