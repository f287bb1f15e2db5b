"""What updates cost, in time and in memory, and what readers notice of them: ``make bench-updates``."""

import argparse
import asyncio
import gc
import json
import multiprocessing
import platform
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import NamedTuple

from benchmarks.disturbance import CheckedReaders, measure_delays
from benchmarks.fake_service import Service, encode, make_settings, running_client
from benchmarks.figures import Line
from benchmarks.report import render_terminal_updates
from benchmarks.worker import resident_bytes
from benchmarks.workloads import LARGE, SMALL, Rule, make_workload

MAX_LOOP_DELAY_MS = 50
# Some caches of the interpreter still fill; a leak of a single object for each update would be many times this.
MAX_NEW_BLOCKS = 500
THREAD_COUNTS = (1, 4)


class Effort(NamedTuple):
    """How much is done: rules, reads during updates, updates in a row, seconds for each number of readers."""

    rules: int
    reads: int
    updates: int
    duration_s: float


FULL = Effort(rules=100_000, reads=1_000_000, updates=10_000, duration_s=3.0)
QUICK = Effort(rules=20_000, reads=200_000, updates=2_000, duration_s=0.5)


def describe_load(count: int, setting_count: int) -> list[Line]:
    """Load rules, in one setting or spread over several; change one of them; change none."""
    service = Service()
    settings = make_settings(setting_count)
    rules: dict[str, Sequence[Rule]] = {
        setting.name: make_workload(LARGE, count // setting_count).rules for setting in settings
    }
    body = encode(rules)
    changed = encode({**rules, settings[0].name: _change_one(rules[settings[0].name])})
    service.body = encode({setting.name: () for setting in settings})
    with running_client(service) as client:
        gc.collect()
        before_bytes = resident_bytes()
        service.body = body
        load_s = _time_s(client.reload)
        gc.collect()
        kept_bytes = resident_bytes() - before_bytes
        service.body = changed
        change_s = _time_s(client.reload)
        same_s = _time_s(client.reload)
    shape = f"{count:,} rules in {setting_count:,} setting{'s' if setting_count > 1 else ''}"
    return [
        Line(f"{shape}: receive, parse and compile", f"{load_s:.3f} s"),
        Line(f"{shape}: of that, `json.loads` alone", f"{_time_s(lambda: json.loads(body)):.3f} s"),
        Line(f"{shape}: resident memory", f"{kept_bytes / count:.0f} bytes per rule"),
        Line(f"{shape}: update that changes one rule", f"{change_s:.3f} s"),
        Line(f"{shape}: update that changes nothing, without a 304", f"{same_s:.3f} s"),
    ]


def _change_one(rules: Sequence[Rule]) -> list[Rule]:
    middle = len(rules) // 2
    return [*rules[:middle], rules[middle]._replace(value="changed"), *rules[middle + 1 :]]


def _time_s(action: Callable[[], object]) -> float:
    start_s = time.perf_counter()
    action()
    return time.perf_counter() - start_s


def describe_delays(count: int, reads: int) -> list[Line]:
    """Say what the event loop and a reading thread have to wait for."""
    found = asyncio.run(measure_delays(count, reads))
    aim = f"aim: under {MAX_LOOP_DELAY_MS} ms"
    return [
        Line("event loop, nothing happens: worst delay", f"{found['idle_ms']:.1f} ms"),
        Line(
            f"event loop, async client applies {count:,} rules: worst delay",
            f"{found['alone_ms']:.1f} ms ({aim})",
            found["alone_ms"] < MAX_LOOP_DELAY_MS,
        ),
        Line(
            f"the same while a thread reads without pause, worst of {found['updates']:.0f} updates",
            f"{found['reading_ms']:.1f} ms",
        ),
        Line("that thread's slowest read, nothing happens", f"{found['quiet_ms']:.2f} ms"),
        Line(f"that thread's slowest of {found['reads']:,.0f} reads meanwhile", f"{found['slowest_ms']:.2f} ms"),
        Line("of these reads, above 1 ms", f"{found['long_reads']:.0f}"),
    ]


def describe_growth(updates: int) -> list[Line]:
    """Update many times; say whether memory grows."""
    (setting,) = make_settings(1)
    rules = make_workload(SMALL).rules
    service = Service()

    def update(number: int) -> None:
        # Every value is new, and every other time there is a rule less, so that nothing can be had from a cache.
        changed = [rule._replace(value=f"{rule.value}-{number}") for rule in rules[number % 2 :]]
        service.body = encode({setting.name: changed})
        client.reload()

    service.body = encode({setting.name: rules})
    with running_client(service) as client:
        for number in range(updates // 10):
            update(number)
        gc.collect()
        before_bytes, before_blocks = resident_bytes(), sys.getallocatedblocks()
        start_s = time.perf_counter()
        for number in range(updates):
            update(number)
        elapsed_s = time.perf_counter() - start_s
        gc.collect()
        growth_bytes, new_blocks = resident_bytes() - before_bytes, sys.getallocatedblocks() - before_blocks
    return [
        Line(f"{updates:,} further updates: growth of resident memory", f"{growth_bytes / 1024:+.0f} KiB"),
        Line(
            f"{updates:,} further updates: growth of allocated memory",
            f"{new_blocks:+,} blocks",
            new_blocks < MAX_NEW_BLOCKS,
        ),
        Line("one of these updates, five rules", f"{elapsed_s / updates * 1e6:.0f} µs"),
    ]


def describe_readers(duration_s: float) -> list[Line]:
    """Read with one and with four threads, without and with a writer; every answer is checked."""
    lines = []
    for count in THREAD_COUNTS:
        readers = CheckedReaders(seed=count)
        calm = readers.run(count, duration_s, is_updated=False)
        busy = readers.run(count, duration_s)
        name = f"{count} reader{'s' if count > 1 else ''}, every answer checked"
        lines += [
            Line(f"{name}: no writer", f"{calm['reads_per_s'] / 1e3:,.0f} k reads/s"),
            Line(
                f"{name}: a writer without pause",
                f"{busy['reads_per_s'] / 1e3:,.0f} k reads/s, {busy['updates_per_s']:,.0f} updates/s",
            ),
        ]
    return lines


def main(arguments: Sequence[str]) -> int:
    """Measure, print, and write the figures; return 1 if an aim was missed."""
    parser = argparse.ArgumentParser(prog="make bench-updates", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer rules, reads and updates")
    parser.add_argument("--json", type=Path, help="where the figures go")
    options = parser.parse_args(arguments)
    effort = QUICK if options.quick else FULL
    sections: Sequence[tuple[Callable[..., list[Line]], tuple[float, ...]]] = [
        (describe_load, (effort.rules, 1)),
        (describe_load, (effort.rules, 1_000)),
        (describe_delays, (effort.rules, effort.reads)),
        (describe_growth, (effort.updates,)),
        (describe_readers, (effort.duration_s,)),
    ]
    # Each in a process of its own: memory that an earlier one has used would serve the next one.
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=spawn, max_tasks_per_child=1) as pool:
        lines = [line for section, sizes in sections for line in pool.submit(section, *sizes).result()]
    results: Mapping[str, object] = {"python": platform.python_version(), "lines": [line._asdict() for line in lines]}
    if options.json:
        options.json.parent.mkdir(exist_ok=True)
        options.json.write_text(json.dumps(results, indent=2))
    print(render_terminal_updates(results))
    return 1 if any(line.is_met is False for line in lines) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
