"""What it costs to count which clients ask for which settings: ``make bench-usage``.

The instructions of an answer, of a service that counts in relation to one that does not, which are the same on a busy
machine; and requests per second over loopback, which are not.
"""

import argparse
import os
import platform
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple

from benchmarks.environments import UnavailableError
from benchmarks.figures import Line
from benchmarks.load.counted_instructions import count_instructions
from benchmarks.load.counted_path import CROWDS, Clients, compare_counting
from benchmarks.load.pairs import describe_pairs
from benchmarks.report import render_terminal_section

MIN_SHARE: Final = 0.98
MAX_INSTRUCTIONS: Final = 1.02


class Effort(NamedTuple):
    """How much is done: samples of requests per second of each kind, and seconds for each."""

    rounds: int
    seconds: float


FULL: Final = Effort(rounds=20, seconds=2)
QUICK: Final = Effort(rounds=5, seconds=1)


def main(arguments: Sequence[str]) -> int:
    """Measure and print; return 1 if an aim was missed."""
    parser = argparse.ArgumentParser(prog="make bench-usage", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="shorter, and less often")
    parser.add_argument("--instructions", action="store_true", help="count instructions, and measure no time")
    options = parser.parse_args(arguments)
    print(f"{datetime.now(UTC).date()}, Python {platform.python_version()}, {os.cpu_count()} processors")
    is_missed = False
    try:
        for title, describe in _list_sections(QUICK if options.quick else FULL, options.instructions):
            lines = list(describe())
            is_missed |= any(line.is_met is False for line in lines)
            print(f"\n{render_terminal_section(title, [line._asdict() for line in lines])}", flush=True)
    except UnavailableError as error:
        print(error, file=sys.stderr)
        return 1
    return 1 if is_missed else 0


def _list_sections(effort: Effort, only_instructions: bool) -> Iterator[tuple[str, Callable[[], Iterator[Line]]]]:
    yield "counted by callgrind", _describe_instructions
    if not only_instructions:
        yield from ((clients.words, partial(_describe_times, clients, effort)) for clients in CROWDS)


def _describe_instructions() -> Iterator[Line]:
    with tempfile.TemporaryDirectory() as directory:
        off, on = (count_instructions(Path(directory), usage) for usage in ("off", "on"))
    figure = f"{on:,.0f}, off: {off:,.0f}; {on / off:.2%}"
    yield Line("304: instructions of the thread that answers", figure, on / off <= MAX_INSTRUCTIONS)


def _describe_times(clients: Clients, effort: Effort) -> Iterator[Line]:
    with tempfile.TemporaryDirectory() as directory:
        for figures in compare_counting(Path(directory), clients, effort.rounds, effort.seconds):
            yield from describe_pairs(figures, "usage on", MIN_SHARE)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
