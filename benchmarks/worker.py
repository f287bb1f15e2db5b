"""The process that runs in a library's own environment, and does as ``run.py`` says.

One line of JSON in, one line out, so that several libraries can take turns: each waits while another one is timed.
Started as ``python -m benchmarks.worker ADAPTER``.
"""

import gc
import importlib
import importlib.metadata
import json
import os
import platform
import subprocess
import sys
import time
from typing import TextIO

from benchmarks.peers.base import BaseAdapter
from benchmarks.timing import Stopwatch, ask_all, make_floor_calls
from benchmarks.workloads import Workload, make_workload

Message = dict[str, object]


class Worker:
    """Measures one library; each public method is a command."""

    def __init__(self, adapter_class: type[BaseAdapter], floor_budget_s: float = 0.01) -> None:
        self._adapter_class = adapter_class
        self._floor_budget_s = floor_budget_s
        self._workload = Workload("", (), ())
        self._adapter: BaseAdapter | None = None
        self._stopwatch: Stopwatch | None = None
        self._floor: Stopwatch | None = None
        # What one call took when the answers were compared, in nanoseconds.
        self._first_ns = 0.0

    def describe(self) -> Message:
        """Say what is measured."""
        distribution = self._adapter_class.distribution
        return {
            "title": self._adapter_class.title,
            "version": importlib.metadata.version(distribution) if distribution else "",
            "python": platform.python_version(),
            "has_ambient": self._adapter_class.has_ambient,
        }

    def load(self, workload: str, large_count: int) -> Message:
        """Load the rules of a workload, and compare every answer with the expected one."""
        self.unload()
        self._workload = make_workload(workload, large_count)
        adapter = self._adapter_class()
        adapter.is_ambient = self._workload.is_ambient
        wire = adapter.encode(self._workload)
        gc.collect()
        before_bytes = resident_bytes()
        start_s = time.perf_counter()
        adapter.load(wire)
        elapsed_s = time.perf_counter() - start_s
        gc.collect()
        after_bytes = resident_bytes()
        self._adapter = adapter
        calls = [adapter.call(question) for question in self._workload.questions]
        start_ns = time.thread_time_ns()
        answers = ask_all(calls)
        self._first_ns = (time.thread_time_ns() - start_ns) / len(calls)
        return {
            "load_s": elapsed_s,
            "resident_bytes": after_bytes - before_bytes,
            "wire_bytes": len(wire),
            "wrong": describe_differences(self._workload, adapter.expect(self._workload), answers),
        }

    def prepare(self, budget_s: float) -> Message:
        """Compile and warm up the timed loop; say whether there can be more than one sample.

        A library that takes longer for one round of the questions than a sample should is not asked again: comparing
        its answers was its sample.
        """
        adapter = self._adapter
        if adapter is None:
            raise RuntimeError("nothing is loaded")
        self._floor = self._floor or Stopwatch(make_floor_calls(), self._floor_budget_s)
        questions = self._workload.questions
        is_slow = self._first_ns * len(questions) > budget_s * 1e9
        self._stopwatch = None if is_slow else Stopwatch([adapter.call(question) for question in questions], budget_s)
        return {"is_slow": is_slow}

    def sample(self) -> Message:
        """Time the floor, then the library."""
        if self._floor is None:
            raise RuntimeError("nothing is prepared")
        floor_ns = self._floor.sample_ns()
        return {"floor_ns": floor_ns, "ns": self._first_ns if self._stopwatch is None else self._stopwatch.sample_ns()}

    def throughput(self) -> Message:
        """Compare one thread with four."""
        if self._stopwatch is None:
            raise RuntimeError("nothing is prepared")
        return {"one_thread": self._stopwatch.throughput(1), "four_threads": self._stopwatch.throughput(4)}

    def unload(self) -> Message:
        """Let go of the rules."""
        if self._adapter is not None:
            self._adapter.close()
        self._adapter = self._stopwatch = None
        gc.collect()
        return {}


def describe_differences(workload: Workload, expected: list[str], answers: list[object]) -> list[str]:
    """Say which answers are not as expected; empty if all are."""
    return [
        f"{workload.name}: {question.context} should give {right!r}, not {given!r}"
        for question, right, given in zip(workload.questions, expected, answers, strict=True)
        if right != given
    ]


def resident_bytes() -> int:
    """Return the memory that this process has in RAM."""
    try:
        with open("/proc/self/statm", encoding="ascii") as statm:  # noqa: PTH123 - read often, and nothing but Linux
            return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        command = ["ps", "-o", "rss=", "-p", str(os.getpid())]  # macOS
        return int(subprocess.run(command, capture_output=True, check=True).stdout) * 1024


def serve(worker: Worker, commands: TextIO, answers: TextIO) -> None:
    """Do what the lines say, until there are no more; an error is an answer, too."""
    for line in commands:
        command = json.loads(line)
        try:
            answer: Message = getattr(worker, command.pop("do"))(**command)
        except Exception as error:  # noqa: BLE001 - whatever a library raises is to be reported
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), file=answers, flush=True)


def main() -> None:
    """Serve the adapter that the command line names."""
    # What libraries print must not be taken for an answer.
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    serve(Worker(importlib.import_module(f"benchmarks.peers.{sys.argv[1]}").Adapter), sys.stdin, answers)
    # Some libraries have threads that are not daemons, or try to reach their service once more.
    os._exit(0)


if __name__ == "__main__":
    main()
