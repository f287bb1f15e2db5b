"""The table fault x client: ``make faults-table``, which is ``python -m tests.faults.table``.

Each fault is made for each client while one thread reads without pause. One, because the interpreter lets several
threads that never wait take turns of 5 ms each, and that is all that their pauses would show. Each read is timed, and
next to it a function that does nothing, which is held up by the machine, the interpreter and the client's own work just
the same. Where the system allows it (to root), all of this has real-time priority, so that other programs hardly hold
it up; Linux still takes 50 ms of a second from what never waits. ``--write`` puts the tables into the documentation.
"""

import argparse
import logging
import math
import os
import platform
import sys
import tempfile
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, NamedTuple

from tests.faults.backstage import Backstage, open_backstage
from tests.faults.catalogue import FAULTS, NO_FAULT, Effect, Fault
from tests.faults.closing import Closing, close_under, measure_exit
from tests.faults.play import DRIVERS, Observation, play
from tests.faults.readers import PAUSE_S, Times
from tests.support.processes import ROOT

PAGE: Final = ROOT / "docs" / "explanation" / "faults.md"
MARKERS: Final = ("<!-- tables: begin -->", "<!-- tables: end -->")


class Row(NamedTuple):
    """What one fault did to one client."""

    fault: Fault
    kind: str
    seen: Observation
    closing: Closing

    def is_right(self) -> bool:
        """Return whether every value was one that it should be."""
        expected = {2} if self.fault.effect in {Effect.NONE, Effect.SOME} else {1}
        return not self.seen.wrong and self.seen.shown == expected and math.isfinite(self.seen.recovery_s)

    def problems(self) -> Iterator[str]:
        """Say what is not as it should be."""
        name = f"{self.fault.name}, {self.kind}"
        if self.seen.exceptions or not self.is_right():
            yield f"{name}: {self.seen.exceptions[:3]} {self.seen.wrong[:3]} {sorted(self.seen.shown)}"
        if self.fault.effect is not Effect.SOME and self.seen.effect is not self.fault.effect:
            yield f"{name}: the client says '{self.seen.effect.value}', not '{self.fault.effect.value}'"
        if self.closing.connections:
            yield f"{name}: {self.closing.connections} connections are open after close"


def measure(backstage: Backstage, faults: Sequence[Fault]) -> Iterator[Row]:
    """Make each fault for each client."""
    with tempfile.TemporaryDirectory() as folder:
        for number, fault in enumerate(faults):
            for kind in DRIVERS:
                place = Path(folder) / f"{number}{kind}"
                place.mkdir()
                seen = play(kind, backstage, fault, place / "played", readers=1)
                yield Row(fault, kind, seen, close_under(kind, backstage, fault, place / "closed"))


def render(rows: Sequence[Row]) -> str:
    """Write the table; in each cell the async client, then the thread client."""
    head = ["fault", "the client says", "exceptions", "values right", "worst `get`, ms", "worst of nothing, ms"]
    head += ["current after, s", "log lines", "`close`, s"]
    pairs = [(one, other) for one, other in zip(rows[::2], rows[1::2], strict=True)]
    return _markdown([head, ["---"] * len(head), *map(_write_pair, pairs)])


def _write_pair(pair: tuple[Row, Row]) -> list[str]:
    cells = [
        [
            row.seen.effect.value,
            str(len(row.seen.exceptions)),
            "yes" if row.is_right() else "NO",
            f"{row.seen.reads.worst_s * 1000:.1f}",
            f"{row.seen.noise.worst_s * 1000:.1f}",
            f"{row.seen.recovery_s:.2f}",
            str(len(row.seen.log)),
            f"{row.closing.close_s:.2f}",
        ]
        for row in pair
    ]
    joined = [one if one == other else f"{one} / {other}" for one, other in zip(*cells, strict=True)]
    return [pair[0].fault.name, *joined]


def summarize(rows: Sequence[Row]) -> str:
    """Say the whole table in a few lines."""
    reads = sum((row.seen.reads for row in rows), Times())
    noise = sum((row.seen.noise for row in rows), Times())
    closed = max(rows, key=lambda row: row.closing.close_s)
    exceptions, wrong = sum(len(row.seen.exceptions) for row in rows), sum(not row.is_right() for row in rows)
    lines = [
        f"{exceptions} exceptions, and {wrong} runs with a wrong value, in {reads.count:,} reads.",
        f"Above {PAUSE_S * 1000:.0f} ms: {reads.pauses} calls of `get`, {noise.pauses} of an empty function.",
        f"The longest call of `get`: {reads.worst_s * 1000:.1f} ms; of that function: {noise.worst_s * 1000:.1f} ms.",
        f"The longest `close`: {closed.closing.close_s:.2f} s ({closed.fault.name}, {closed.kind}).",
    ]
    return "\n".join(f"* {line}" for line in lines)


def render_exits(backstage: Backstage) -> str:
    """Measure and write how long programs take to end."""
    lines = [["the program's last statement to the end of its process, s", *DRIVERS], ["---"] * (1 + len(DRIVERS))]
    for title, action, has_client in (
        ("without a client", "pass", False),
        ("client open, service well", "pass", True),
        ("client open, its request is never answered", "silent", True),
    ):
        times_s = [measure_exit(kind, backstage, action, has_client=has_client) for kind in DRIVERS]
        lines.append([title, *(f"{time_s:.3f}" for time_s in times_s)])
    return _markdown(lines)


def _markdown(lines: Sequence[Sequence[str]]) -> str:
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def write_page(tables: str, page: Path = PAGE) -> None:
    """Replace what stands between the markers of the page."""
    begin, end = MARKERS
    text = page.read_text(encoding="utf-8")
    before, _, rest = text.partition(begin)
    page.write_text(f"{before}{begin}\n\n{tables}\n\n{end}{rest.partition(end)[2]}", encoding="utf-8")


def _get_ahead() -> str:
    """Have this process, and those that it will start, run before all others if they may; return their priority."""
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
    except (AttributeError, OSError):
        return "normal"
    return "real-time"


def main(arguments: Sequence[str]) -> int:
    """Measure and print; return 1 if something was not as it should be."""
    parser = argparse.ArgumentParser(prog="make faults-table", description=__doc__)
    parser.add_argument("--write", action="store_true", help=f"write the tables into {PAGE.relative_to(ROOT)}")
    parser.add_argument("--only", default="", metavar="TEXT", help="only the faults with this in their names")
    options = parser.parse_args(arguments)
    # The clients' own words are counted; on the terminal they would stand between the lines of the table.
    logging.getLogger("heksher").addHandler(logging.NullHandler())
    priority = _get_ahead()
    faults = [fault for fault in (NO_FAULT, *FAULTS) if options.only in fault.name]
    with open_backstage() as backstage:
        rows = list(measure(backstage, faults))
        place = f"Python {platform.python_version()}, {platform.system()}, {priority} priority"
        conditions = f"{datetime.now(UTC):%Y-%m-%d}, {place}."
        tables = "\n\n".join([conditions, summarize(rows), render(rows), render_exits(backstage)])
    sys.stdout.write(f"{tables}\n")
    if options.write:
        write_page(tables)
    problems = [problem for row in rows for problem in row.problems()]
    sys.stderr.write("".join(f"{problem}\n" for problem in problems))
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
