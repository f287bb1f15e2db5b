"""What access control costs, and how soon it takes effect: ``make bench-access``.

Requests per second with access on and ten thousand tokens, in relation to those with access off; and how soon a token
that is revoked on one replica is refused on the other. Everything runs on this machine, over loopback.
"""

import argparse
import json
import os
import platform
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, NamedTuple

from benchmarks.environments import UnavailableError
from benchmarks.figures import Line
from benchmarks.load.guarded_path import TOKENS, compare_access
from benchmarks.load.pairs import describe_pairs
from benchmarks.load.revocation import Revocations, measure_revocations
from benchmarks.report import render_terminal_section

MIN_SHARE: Final = 0.9
# The aims of a replica that hears of changes, and of one that looks for them each second; and how much later the
# streams end, which are looked at each second.
MAX_HEARD_S: Final = 1.0
MAX_POLLED_S: Final = 1.5
MAX_STREAM_S: Final = 1.5


class Effort(NamedTuple):
    """How much is done: samples of each kind, seconds for each, tokens that are revoked."""

    rounds: int
    seconds: float
    revocations: int


FULL: Final = Effort(rounds=8, seconds=2, revocations=100)
QUICK: Final = Effort(rounds=3, seconds=1, revocations=10)


def describe_path(directory: Path, effort: Effort) -> Iterator[Line]:
    """Requests per second, with access on and off."""
    for figures in compare_access(directory, effort.rounds, effort.seconds):
        yield from describe_pairs(figures, f"on, {TOKENS:,} tokens in turns", MIN_SHARE)


def describe_revocations(_directory: Path, effort: Effort) -> Iterator[Line]:
    """From a revocation on one replica to the refusal by the other."""
    for is_listening, aim_s in ((True, MAX_HEARD_S), (False, MAX_POLLED_S)):
        found = measure_revocations(effort.revocations, is_listening=is_listening)
        yield from _describe_revocations(found, "with" if is_listening else "without", aim_s)


SECTIONS: Final[Mapping[str, Callable[[Path, Effort], Iterator[Line]]]] = {
    "Access on, in relation to access off": describe_path,
    "From the revocation of a token to its refusal": describe_revocations,
}


def _describe_revocations(found: Revocations, listening: str, aim_s: float) -> Iterator[Line]:
    what = f"two replicas on PostgreSQL, {listening} LISTEN, {TOKENS:,} tokens"
    yield Line(f"{what}: refused by the other after", _describe_s(found.refused_s), found.refused_s[-1] < aim_s)
    yield Line(
        f"{what}: its stream there ended after", _describe_s(found.ended_s), found.ended_s[-1] < aim_s + MAX_STREAM_S
    )


def _describe_s(sorted_s: Sequence[float]) -> str:
    return f"median {statistics.median(sorted_s):.3f} s, worst of {len(sorted_s)}: {sorted_s[-1]:.3f} s"


def _describe_conditions(is_quick: bool) -> str:
    effort = ", a quick run" if is_quick else ""
    return f"{datetime.now(UTC).date()}, Python {platform.python_version()}, {os.cpu_count()} processors{effort}."


def main(arguments: Sequence[str]) -> int:
    """Measure, print, and write the figures; return 1 if an aim was missed."""
    parser = argparse.ArgumentParser(prog="make bench-access", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="shorter, and less often")
    parser.add_argument("--json", type=Path, help="where the figures go")
    parser.add_argument("--only", metavar="WORD", help="the sections with this word in their titles")
    options = parser.parse_args(arguments)
    effort = QUICK if options.quick else FULL
    print(conditions := _describe_conditions(options.quick))
    done: dict[str, list[dict[str, object]]] = {}
    try:
        for title, describe in SECTIONS.items():
            if (options.only or "") in title:
                with tempfile.TemporaryDirectory() as directory:
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
