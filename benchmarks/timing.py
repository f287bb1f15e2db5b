"""Timing calls that take less than a microsecond.

The calls of a workload are written out one after another in the body of a generated loop, so that going from one
question to the next costs nothing; an equal loop without them is timed as well, and taken off. The garbage collector
is off meanwhile, as it is in ``timeit``.

What is read is the processor time of the calling thread: what other programs do in the meantime does not count, nor
does a library's waiting, if it waits.
"""

import gc
import itertools
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from benchmarks.peers.base import Call, write_keywords
from benchmarks.workloads import SMALL, make_workload

# Makes all calls so many times; gives the nanoseconds of processor time that it took.
Loop = Callable[[int], int]

_TEMPLATE = """
def loop(count, {parameters}):
    start = clock()
    for _ in repeat(None, count):
        {body}
    return clock() - start
"""


class Floor:
    """The least that a call like ``setting.get(...)`` can cost: an attribute of an instance, which does nothing."""

    def __init__(self) -> None:
        def get(*, environment: str = "", user: str = "", theme: str = "", **extra: str) -> None:
            pass

        self.get = get


def make_floor_calls() -> list[Call]:
    """Ask the floor what the small workload asks: all three features."""
    floor = Floor()
    return [
        Call(f"{{floor}}.get({write_keywords(question)})", {"floor": floor})
        for question in make_workload(SMALL).questions
    ]


def make_loop(calls: Sequence[Call], *, is_empty: bool = False) -> Loop:
    """Compile a loop that makes the calls one after another; an empty one only does what stands before them."""
    objects: dict[str, object] = {}
    lines = []
    for number, call in enumerate(calls):
        names = {name: f"{name}_{number}" for name in call.objects}
        objects.update({names[name]: value for name, value in call.objects.items()})
        lines += [call.before.format(**names)] if call.before else []
        lines += [] if is_empty else [call.expression.format(**names)]
    # Parameters, because nothing is looked up faster than a local variable, and it is the same for all.
    source = _TEMPLATE.format(
        parameters=", ".join(f"{name}={name}" for name in objects), body="\n        ".join(lines or ["pass"])
    )
    namespace: dict[str, Any] = {"clock": time.thread_time_ns, "repeat": itertools.repeat, **objects}
    exec(source, namespace)  # noqa: S102 - from the adapters' expressions, which are part of this program
    loop: Loop = namespace["loop"]
    return loop


def ask_all(calls: Sequence[Call]) -> list[object]:
    """Make each call once; return the answers."""
    answers = []
    for call in calls:
        # The placeholders stand for the objects' own names here: the calls do not share a scope.
        names = {name: name for name in call.objects}
        scope = dict(call.objects)
        if call.before:
            exec(call.before.format(**names), scope)  # noqa: S102 - as above
        answers.append(eval(call.expression.format(**names), scope))  # noqa: S307 - as above
    return answers


class Stopwatch:
    """Times the calls of a workload.

    Args:
        calls: made in rotation.
        budget_s: how long one sample should take; a single round of calls may take longer.
    """

    def __init__(self, calls: Sequence[Call], budget_s: float) -> None:
        self._number = len(calls)
        self._loop = make_loop(calls)
        self._empty_loop = make_loop(calls, is_empty=True)
        self._count = self._calibrate(budget_s * 1e9)

    def sample_ns(self) -> float:
        """Return the nanoseconds of one call, without those of the loop around it."""
        with collector_off():
            return (self._loop(self._count) - self._empty_loop(self._count)) / (self._count * self._number)

    def throughput(self, thread_count: int) -> float:
        """Return the calls per second of several threads together."""
        barrier = threading.Barrier(thread_count + 1)

        def run() -> None:
            barrier.wait()
            self._loop(self._count)

        threads = [threading.Thread(target=run) for _ in range(thread_count)]
        with collector_off():
            for thread in threads:
                thread.start()
            barrier.wait()
            start_ns = time.perf_counter_ns()
            for thread in threads:
                thread.join()
            elapsed_ns = time.perf_counter_ns() - start_ns
        return thread_count * self._count * self._number * 1e9 / elapsed_ns

    def _calibrate(self, budget_ns: float) -> int:
        count = 1
        while True:
            with collector_off():
                elapsed_ns = self._loop(count)
            if elapsed_ns > budget_ns / 4:
                return max(1, round(count * budget_ns / elapsed_ns))
            count *= 4


@contextmanager
def collector_off() -> Iterator[None]:
    """Keep the garbage collector from running."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
