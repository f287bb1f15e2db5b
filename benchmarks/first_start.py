"""Eight replicas that are started at once on a database that is to be migrated: ``make bench-first-start``.

On an empty database, and on one with the first schema and data, of either kind. Ends with 1 if one does not come up, a
migration was not run exactly once, or they do not all answer the same.
"""

import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import httpx2

from benchmarks.figures import Line
from benchmarks.report import render_terminal_updates
from tests.support.old_databases import make_first_database
from tests.support.replicas import Replicas
from tests.support.storages import SqlPlace, make_place

REPLICAS = 8
KINDS = ("sqlite", "postgres")
# How many migrations each database needs.
DATABASES: Sequence[tuple[str, Callable[[SqlPlace], object], int]] = (
    ("empty", lambda _: None, 3),
    ("of the first schema", make_first_database, 2),
)


def describe(kind: str, title: str, make: Callable[[SqlPlace], object], migrations: int) -> Line:
    """Start all replicas at once, and ask each of them for everything."""
    with tempfile.TemporaryDirectory() as directory, make_place(kind, Path(directory)) as place:
        if not isinstance(place, SqlPlace):
            raise TypeError(f"{kind} is not a database")
        make(place)
        began_s = time.perf_counter()
        with Replicas([place.url] * REPLICAS) as replicas:
            started_s = time.perf_counter() - began_s
            answers = {httpx2.get(f"{url}/api/v1/query").raise_for_status().text for url in replicas.urls}
            lines = [line for service in replicas.services for line in service.lines]
        ran = sum("ran the migration" in line for line in lines)
        figure = f"all up after {started_s:.1f} s, {ran} migrations, {len(answers)} kind of answer"
        return Line(f"{REPLICAS} replicas at once, {kind}, {title}", figure, ran == migrations and len(answers) == 1)


def main() -> int:
    """Measure and print; return 1 if a promise was broken."""
    lines = [describe(kind, *database) for kind in KINDS for database in DATABASES]
    print(render_terminal_updates({"lines": [line._asdict() for line in lines]}))
    return 1 if any(line.is_met is False for line in lines) else 0


if __name__ == "__main__":
    sys.exit(main())
