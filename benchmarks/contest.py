"""The order in which libraries are measured: ours and another one in turns, each with the floor beside it.

A machine that others use is faster in one minute than in the next, and the layout of memory and the hash seed make one
process faster than another. So each figure is a median over samples that alternate between two processes; and but for
a quick run, over several pairs of fresh processes.
"""

import statistics
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple, Self

from benchmarks.environments import UnavailableError, build_environment
from benchmarks.process import WorkerProcess
from benchmarks.workloads import AMBIENT, LARGE, NAMES, SMALL


class Effort(NamedTuple):
    """How much time is spent.

    Attributes:
        rounds: pairs of fresh processes for each library.
        repeats: samples for each workload in a round.
        budget_s: how long a sample takes.
        large_count: the rules of the large workload.
        command_timeout_s: after which a library is given up.
    """

    rounds: int
    repeats: int
    budget_s: float
    large_count: int = 100_000
    command_timeout_s: float = 120.0


FULL = Effort(rounds=5, repeats=7, budget_s=0.1)
QUICK = Effort(rounds=1, repeats=5, budget_s=0.02)


class Entry(NamedTuple):
    """What is to be measured: an adapter, and the Python that it runs on."""

    adapter: str
    python: str


class Sample(NamedTuple):
    """One measurement: the library, the floor in the same process, and our library in the same moment."""

    ns: float
    floor_ns: float
    ours_ns: float


@dataclass
class Result:
    """What was found out of one entry.

    Attributes:
        problem: why there are no figures, or fewer; ``None`` if all is well.
        samples: by workload.
        loads: what loading the large workload took, once for each round.
        threads: calls per second of one and of four threads.
    """

    adapter: str
    title: str
    version: str = ""
    python: str = ""
    problem: str | None = None
    samples: dict[str, list[Sample]] = field(default_factory=dict)
    loads: list[dict[str, float]] = field(default_factory=list)
    threads: list[dict[str, float]] = field(default_factory=list)

    def summarize(self) -> dict[str, Any]:
        """Return the medians, as they are written to the file of results."""
        known = asdict(self)
        del known["samples"], known["loads"], known["threads"]
        workloads = {
            name: {
                "ns": statistics.median(sample.ns for sample in samples),
                "to_floor": statistics.median(sample.ns / sample.floor_ns for sample in samples),
                "to_ours": statistics.median(sample.ns / sample.ours_ns for sample in samples),
                "samples": len(samples),
            }
            for name, samples in self.samples.items()
        }
        floors = [sample.floor_ns for samples in self.samples.values() for sample in samples]
        return {
            **known,
            "floor_ns": statistics.median(floors) if floors else None,
            "workloads": workloads,
            "load": _medians(self.loads),
            "threads": _medians(self.threads),
        }


def _medians(records: Sequence[dict[str, float]]) -> dict[str, float]:
    return {key: statistics.median(record[key] for record in records) for key in records[0]} if records else {}


class Contest:
    """Measures entries against ours.

    Args:
        ours: this library, with the Python that the others are compared on.
        effort: how much time is spent.
    """

    def __init__(self, ours: Entry, effort: Effort) -> None:
        self._ours = ours
        self._effort = effort
        self._stack = ExitStack()
        # Our processes of a quick run, one for each workload, which serve every pair.
        self._kept: dict[str, WorkerProcess] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def measure(self, entry: Entry) -> Result:
        """Measure an entry; what prevents it stands in the result."""
        result = Result(entry.adapter, entry.adapter)
        try:
            for _ in range(self._effort.rounds):
                self._measure_round(entry, result)
        except UnavailableError as error:
            result.problem = str(error)
        return result

    def _measure_round(self, entry: Entry, result: Result) -> None:
        with self._our_workers() as ours, self._start(entry) as theirs:
            known = theirs.do("describe")
            result.title, result.version, result.python = known["title"], known["version"], known["python"]
            for name in NAMES:
                if name != AMBIENT or known["has_ambient"]:
                    self._measure_workload(name, ours[name], theirs, result)

    def _measure_workload(self, name: str, ours: WorkerProcess, theirs: WorkerProcess, result: Result) -> None:
        loaded = self._load(theirs, name)
        if name == LARGE:
            result.loads.append({key: loaded[key] for key in ("load_s", "resident_bytes", "wire_bytes")})
        is_slow = theirs.do("prepare", budget_s=self._effort.budget_s)["is_slow"]
        for _ in range(1 if is_slow else self._effort.repeats):
            ours_ns = ours.do("sample")["ns"]
            sample = theirs.do("sample")
            result.samples.setdefault(name, []).append(Sample(sample["ns"], sample["floor_ns"], ours_ns))
        if name == SMALL:
            result.threads.append(dict(theirs.do("throughput")))

    def _load(self, worker: WorkerProcess, name: str) -> dict[str, Any]:
        loaded = dict(worker.do("load", workload=name, large_count=self._effort.large_count))
        if loaded["wrong"]:
            raise UnavailableError(f"wrong answers: {'; '.join(loaded['wrong'][:2])}")
        return loaded

    @contextmanager
    def _our_workers(self) -> Iterator[dict[str, WorkerProcess]]:
        if self._effort.rounds == 1:
            self._kept = self._kept or self._start_ours(self._stack)
            yield self._kept
        else:
            with ExitStack() as stack:
                yield self._start_ours(stack)

    def _start_ours(self, stack: ExitStack) -> dict[str, WorkerProcess]:
        workers = {}
        for name in NAMES:
            worker = workers[name] = stack.enter_context(self._start(self._ours))
            self._load(worker, name)
            worker.do("prepare", budget_s=self._effort.budget_s)
        return workers

    def _start(self, entry: Entry) -> WorkerProcess:
        python = build_environment(entry.adapter, entry.python)
        return WorkerProcess(python, entry.adapter, self._effort.command_timeout_s)
