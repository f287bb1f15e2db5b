"""How long answers take while somebody has locked a table of PostgreSQL: ``make bench-locks``.

Sixty writes wait for the lock meanwhile, and two readers for each path ask again and again. Ends with 1 if one
of these waits for longer than it has to.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.figures import Line
from benchmarks.report import render_terminal_updates
from tests.hostile.locked_play import WRITES, Waited, lock_table, serving
from tests.support.postgres import make_postgres_schema

TABLES = ("setting", "write_state", "rule", "log_entry")
MAX_WAIT_S = 3.0


def describe(table: str, waited: Waited) -> list[Line]:
    """Put what happened in lines."""
    return [
        Line(f"{table} locked", ""),
        *(
            Line(f"  GET {path}: {_show(waited.statuses[path])}, worst", f"{longest_s:.2f} s", longest_s <= MAX_WAIT_S)
            for path, longest_s in waited.longest_s.items()
        ),
        Line(f"  answers to {WRITES} writes", _show(waited.writes)),
    ]


def _show(statuses: set[int]) -> str:
    return ", ".join(map(str, sorted(statuses)))


def main(arguments: Sequence[str]) -> int:
    """Measure and print; return 1 if somebody waited for too long."""
    parser = argparse.ArgumentParser(prog="make bench-locks", description=__doc__)
    parser.add_argument("--seconds", type=float, default=20.0, help="how long each table is locked")
    parser.add_argument("--source", type=Path, help="measure another source tree, such as a worktree")
    options = parser.parse_args(arguments)
    if options.source is not None:
        os.environ["PYTHONPATH"] = str(options.source / "src")
    lines: list[Line] = []
    with make_postgres_schema() as url, serving(url) as service:
        for table in TABLES:
            lines += describe(table, lock_table(url, service, table, options.seconds))
    print(render_terminal_updates({"lines": [line._asdict() for line in lines]}))
    return 1 if any(line.is_met is False for line in lines) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
