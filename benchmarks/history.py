"""What history costs: ``make bench-history``.

A log of 100,000 changes on SQLite and on PostgreSQL: bytes for each, and milliseconds for a page of history as the API
tells it, for a difference of two revisions, for the past of a setting with 1,000 changes, and for taking a change back.
And how long a service takes to read everything at its start, with that log, without the index that finds the changes of
a setting in it, and with the log removed. Ends with 1 if an aim is missed by the median of the calls. Beside it stands
the time of this process's processor, which says more where the machine has other things to do; that of PostgreSQL's is
not in it.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from benchmarks.figures import Line, pick
from benchmarks.log import fill, measure_size
from benchmarks.report import render_terminal_updates
from heksher.server.catalog.catalog import Catalog
from heksher.server.json_bytes import encode
from heksher.server.operations import past, rules
from heksher.server.operations.change_list import WantedChanges, get_entry, list_changes
from heksher.server.operations.reverting import revert
from heksher.server.operations.revision_diff import WantedDiff, compare
from heksher.server.storage.base import NOBODY, Storage
from heksher.server.storage.sql import SqlStorage
from tests.support.storages import SqlPlace, make_place, opened, read_revision

ENTRIES: Final = 100_000
PAGE: Final = 50
SAMPLES: Final = 40
STARTS: Final = 5
# The aims, in milliseconds.
MAX_PAGE_MS: Final = 20.0
MAX_DIFF_MS: Final = 50.0
MAX_PAST_MS: Final = 50.0
# Each so many changes, one is about the setting whose past is looked at.
_DISTANCE: Final = 100
_SUBJECT_INDEX: Final = "ix_log_part_setting_id_revision_number"
_CACHE_BYTES: Final = 1_000_000


def time_calls(what: str, call: Callable[[], object], most_ms: float | None, samples: int = SAMPLES) -> Line:
    """Make calls, and say how long one takes."""
    call()  # The first one prepares statements.
    times_ms, processor_times_ms = [], []
    for _ in range(samples):
        began_s, began_processor_s = time.perf_counter(), time.process_time()
        call()
        times_ms.append((time.perf_counter() - began_s) * 1000)
        processor_times_ms.append((time.process_time() - began_processor_s) * 1000)
    times_ms.sort()
    median_ms, slow_ms = pick(times_ms, 0.5), pick(times_ms, 0.99)
    processor_ms = pick(sorted(processor_times_ms), 0.5)
    figure = (
        f"p50 {median_ms:.1f} ms (processor {processor_ms:.1f} ms), best {times_ms[0]:.1f} ms, p99 {slow_ms:.1f} ms"
    )
    return Line(what, figure, None if most_ms is None else median_ms <= most_ms)


def read_page(storage: Storage, **wanted: Any) -> Callable[[], bytes]:
    """Return what reads a page of history, and writes its JSON."""
    return lambda: encode(list_changes(storage, WantedChanges(**wanted), None, PAGE, is_admin=False)[0])


def read_difference(storage: Storage, start: int, end: int, setting: str | None = None) -> Callable[[], bytes]:
    """Return what reads the first page of a difference, and writes its JSON."""
    return lambda: encode(compare(storage, WantedDiff(start, end, setting), 0, 100)[0])


def measure_reading(kind: str, storage: Storage, entries: int) -> Iterator[Line]:
    """Measure what is told of the past."""
    middle = entries // 2
    pages = {
        "newest first": read_page(storage),
        "before a revision": read_page(storage, before=middle),
        "of a setting": read_page(storage, setting="setting_1"),
        "of a setting with 1,000 changes": read_page(storage, setting="setting_0"),
        "of a rule": read_page(storage, rule_id=2),
        "by an actor, one in 2,000": read_page(storage, actor="bob"),
        "of a kind of objects": read_page(storage, kind="rule"),
        "since a time": read_page(storage, after=datetime(2026, 11, 1, tzinfo=UTC)),
        "the entry with 11,000 changes": lambda: encode(get_entry(storage, 1, 0, PAGE, is_admin=False)[0]),
    }
    for what, read in pages.items():
        yield time_calls(f"{kind}: a page of {PAGE} changes, {what}", read, MAX_PAGE_MS)
    differences = {
        "100 changes apart": read_difference(storage, entries - 100, entries),
        "1,000 changes apart": read_difference(storage, entries - 1000, entries),
        "all changes apart, first page": read_difference(storage, 1, entries),
        "of one setting, all changes apart": read_difference(storage, 1, entries, "setting_1"),
    }
    for what, read in differences.items():
        yield time_calls(f"{kind}: a difference of two revisions, {what}", read, MAX_DIFF_MS)
    for name, changes in (("setting_0", "1,000"), ("setting_1", "100")):
        look = lambda name=name: encode(past.get_setting(storage, name, 1))  # noqa: E731
        yield time_calls(f"{kind}: the past of a setting with {changes} changes", look, MAX_PAST_MS)


def measure_reverts(kind: str, storage: Storage) -> Line:
    """Measure taking a change back, which is one write for each call."""
    rules.set_value(storage, 5, -1, NOBODY)

    def take_back() -> None:
        revert(storage, read_revision(storage), NOBODY)

    return time_calls(f"{kind}: taking the newest change back", take_back, None)


def start(place: SqlPlace) -> None:
    """Read everything, as a service does when it starts."""
    storage = SqlStorage(place.url)
    storage.open()
    Catalog(storage, _CACHE_BYTES).load()
    storage.close()


def measure_starts(kind: str, place: SqlPlace) -> Iterator[Line]:
    """Measure starts; the log is gone afterwards."""
    yield time_calls(f"{kind}: start with the log", lambda: start(place), None, STARTS)
    place.run_sql(f"DROP INDEX {_SUBJECT_INDEX}")
    yield time_calls(f"{kind}: start without the index of settings in it", lambda: start(place), None, STARTS)
    with opened(place.url) as storage:
        storage.prune(datetime.now(UTC) + timedelta(days=1))
    yield time_calls(f"{kind}: start without the log", lambda: start(place), None, STARTS)


def measure(kind: str, entries: int) -> Iterator[Line]:
    """Measure one database."""
    with tempfile.TemporaryDirectory() as directory, make_place(kind, Path(directory)) as place:
        if not isinstance(place, SqlPlace):
            raise TypeError(f"{kind} is not a database")
        fill(place, entries, _DISTANCE)
        figure = f"{measure_size(place) / entries:.0f} bytes, indices included"
        yield Line(f"{kind}: each of {entries:,} changes", figure)
        with opened(place.url) as storage:
            yield from measure_reading(kind, storage, entries)
            yield measure_reverts(kind, storage)
        yield from measure_starts(kind, place)


def main() -> int:
    """Measure and print; return 1 if an aim was missed."""
    parser = argparse.ArgumentParser(prog="benchmarks.history", description=__doc__)
    parser.add_argument("--kind", choices=("sqlite", "postgres"), action="append", help="one of the databases only")
    parser.add_argument("--quick", action="store_true", help=f"a tenth of the {ENTRIES:,} changes")
    options = parser.parse_args()
    entries = ENTRIES // 10 if options.quick else ENTRIES
    lines = [line for kind in options.kind or ("sqlite", "postgres") for line in measure(kind, entries)]
    print(render_terminal_updates({"lines": [line._asdict() for line in lines]}))
    return 1 if any(line.is_met is False for line in lines) else 0


if __name__ == "__main__":
    sys.exit(main())
