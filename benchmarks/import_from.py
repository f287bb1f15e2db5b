"""An import from an existing service with 10,000 settings and 100,000 rules: ``make bench-import``.

Into an empty database of either kind, with the real command. Ends with 1 if it is not all there in the end, or if an
import that is repeated finds something to do. Processor time is that of the command alone: the simulated service, which
is not part of it, and other processes take turns with it.
"""

import argparse
import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import NamedTuple

from benchmarks.figures import Line
from benchmarks.report import render_terminal_updates
from tests.support.existing_service import SimulatedService, fill
from tests.support.storages import SqlPlace, make_place

KINDS = ("sqlite", "postgres")
RULES_EACH = 10
UNCHANGED = "there was nothing to write into "


class Run(NamedTuple):
    """What a run of the command took, and what it printed."""

    wall_s: float
    processor_s: float
    memory_mib: float
    status: int
    output: str


def serve(settings: int, urls: "multiprocessing.Queue[str]", is_over: Event) -> None:
    """Be the existing service, in a process of its own."""
    service = SimulatedService("environment", "user")
    fill(service, settings, RULES_EACH)
    with service.serving() as url:
        urls.put(url)
        is_over.wait()


def run(url: str, database: str, *options: str) -> Run:
    """Run the command."""
    command = [sys.executable, "-m", "heksher", "import-from", url, "--db", database, *options]
    began_s = time.perf_counter()
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        printed = output.read().decode()
    processor_s = usage.ru_utime + usage.ru_stime
    wall_s = time.perf_counter() - began_s
    return Run(wall_s, processor_s, usage.ru_maxrss / 1024, process.returncode, printed)


def measure(kind: str, url: str, settings: int) -> list[Line]:
    """Import, and repeat it, into a database of one kind."""
    with tempfile.TemporaryDirectory() as directory, make_place(kind, Path(directory)) as place:
        if not isinstance(place, SqlPlace):
            raise TypeError(f"{kind} is not a database")
        first, again = run(url, place.url), run(url, place.url, "--update")
    size = f"{settings:,} settings, {settings * RULES_EACH:,} rules, {kind}"
    is_equal = first.status == 0 and f"{settings * RULES_EACH} rules" in first.output
    is_unchanged = again.status == 0 and UNCHANGED in again.output
    return [
        Line(f"import of {size}", f"{_describe(first)}, {'equal' if is_equal else 'not equal'}", is_equal),
        Line(f"the same, repeated, {kind}", f"{_describe(again)}, nothing to do: {is_unchanged}", is_unchanged),
    ]


def _describe(done: Run) -> str:
    return f"{done.wall_s:.1f} s ({done.processor_s:.1f} s of a processor), {done.memory_mib:.0f} MiB"


def main() -> int:
    """Measure and print; return 1 if something was not as it has to be."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a tenth of the settings")
    settings = 1_000 if parser.parse_args().quick else 10_000
    urls: multiprocessing.Queue[str] = multiprocessing.Queue()
    is_over = multiprocessing.Event()
    service = multiprocessing.Process(target=serve, args=(settings, urls, is_over), daemon=True)
    service.start()
    url = urls.get()
    lines = [line for kind in KINDS for line in measure(kind, url, settings)]
    is_over.set()
    service.join()
    print(render_terminal_updates({"lines": [line._asdict() for line in lines]}))
    return 1 if any(line.is_met is False for line in lines) else 0


if __name__ == "__main__":
    sys.exit(main())
