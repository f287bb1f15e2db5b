"""A guard against regressions that does not depend on the machine: ``make bench-guard``.

Counted are the instructions that the processor executes for one read, by valgrind's callgrind, in relation to those of
the floor. Each target runs twice, with fewer and with more rounds; the difference is the rounds alone. The count is
the same on a slow and on a busy machine, and repeats within a per cent.

Where there is no valgrind, times are compared in the same way, with bounds that leave room for noise.

The bounds stand in ``bounds.toml``, by version of Python, which is what the counts depend on. After an improvement, or
a change that is worth what it costs: ``make bench-guard ARGS=--write``.
"""

import argparse
import re
import shutil
import statistics
import subprocess
import sys
import tomllib
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from benchmarks.environments import ROOT, build_environment, environment_variables
from benchmarks.process import WorkerProcess
from benchmarks.workloads import NAMES

BOUNDS = Path(__file__).with_name("bounds.toml")
FLOOR = "floor"
# Few enough rules that loading them under valgrind takes seconds; enough that a walk over them would show.
LARGE_COUNT = 5_000
ROUNDS = (100, 600)
RUN_TIMEOUT_S = 300
REPEATS = 15
# What a bound leaves room for, above what was measured when it was written.
ROOM = {"instructions": 1.1, "time": 1.6}

Ratios = Mapping[str, float]


def count_instructions(python: Path) -> Ratios:
    """Return the instructions of one read of each workload, in relation to those of the floor."""
    targets = [FLOOR, *NAMES]
    for target in targets:
        # Once without counting: the first run after a change also compiles what was changed.
        _run(python, [], target, 1)
    runs = [(target, rounds) for target in targets for rounds in ROUNDS]
    with ThreadPoolExecutor(2) as pool:
        counts = dict(zip(runs, pool.map(lambda run: _run_callgrind(python, *run), runs), strict=True))
    few, many = ROUNDS
    per_round = {target: (counts[target, many] - counts[target, few]) / (many - few) for target in targets}
    return {name: per_round[name] / per_round[FLOOR] for name in NAMES}


def _run_callgrind(python: Path, target: str, rounds: int) -> int:
    report = _run(python, ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null"], target, rounds)
    found = re.search(r"Collected : (\d+)", report)
    if found is None:
        raise RuntimeError(f"callgrind counted nothing for {target}: {report[-500:]}")
    return int(found[1])


def _run(python: Path, tool: list[str], target: str, rounds: int) -> str:
    # The order of a dictionary with few keys, and so the count, depends on the hash seed.
    environment = {**environment_variables("this"), "PYTHONHASHSEED": "0"}
    result = subprocess.run(
        [*tool, str(python), "-m", "benchmarks.rounds", target, str(LARGE_COUNT), str(rounds)],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=RUN_TIMEOUT_S,
        check=False,
    )
    if result.returncode != 0:
        raise RuntimeError(f"the rounds of {target} failed: {result.stderr[-500:]}")
    return result.stderr


def compare_times(python: Path) -> Ratios:
    """Return the time of one read of each workload, in relation to that of the floor in the same process."""
    ratios = {}
    with WorkerProcess(python, "this", RUN_TIMEOUT_S) as worker:
        for name in NAMES:
            worker.do("load", workload=name, large_count=LARGE_COUNT)
            worker.do("prepare", budget_s=0.02)
            samples = [worker.do("sample") for _ in range(REPEATS)]
            ratios[name] = statistics.median(sample["ns"] / sample["floor_ns"] for sample in samples)
    return ratios


def judge(measured: Ratios, bounds: Ratios) -> list[str]:
    """Say which ratios are above their bounds, have none, or cannot be right; empty if all is well."""
    problems = []
    for name, ratio in measured.items():
        bound = bounds.get(name)
        if bound is None:
            problems.append(f"{name}: {ratio:.2f} times the floor, and no bound; write one with --write")
        elif ratio < 1:
            problems.append(f"{name}: {ratio:.2f} times the floor, which is less than a call that does nothing")
        elif ratio > bound:
            problems.append(f"{name}: {ratio:.2f} times the floor, which is more than {bound:.2f}")
    return problems


def write_bounds(kind: str, version: str, measured: Ratios) -> None:
    """Replace the bounds of one kind and one version of Python."""
    bounds = tomllib.loads(BOUNDS.read_text()) if BOUNDS.exists() else {}
    bounds.setdefault(kind, {})[version] = {name: round(ratio * ROOM[kind], 2) for name, ratio in measured.items()}
    lines = ["# Bounds for `make bench-guard`, in times the floor, by version of Python. Written by it, with --write."]
    for each_kind in sorted(bounds):
        for each_version in sorted(bounds[each_kind]):
            lines += ["", f'[{each_kind}."{each_version}"]']
            lines += [f"{name} = {bound}" for name, bound in bounds[each_kind][each_version].items()]
    BOUNDS.write_text("\n".join(lines) + "\n")


def main(arguments: Sequence[str]) -> int:
    """Measure and judge; return 1 if something became slower."""
    parser = argparse.ArgumentParser(prog="make bench-guard", description=__doc__)
    parser.add_argument("--write", action="store_true", help="make what is measured now, and some room, the bounds")
    parser.add_argument("--time", action="store_true", help="compare times even where there is valgrind")
    parser.add_argument("--python", default="{}.{}".format(*sys.version_info), help="a version, such as 3.13")
    options = parser.parse_args(arguments)
    kind = "time" if options.time or shutil.which("valgrind") is None else "instructions"
    python = build_environment("this", options.python)
    measured = count_instructions(python) if kind == "instructions" else compare_times(python)
    if options.write:
        write_bounds(kind, options.python, measured)
    bounds = tomllib.loads(BOUNDS.read_text()).get(kind, {}).get(options.python, {})
    for name, ratio in measured.items():
        print(f"{name:<8} {ratio:7.2f} times the floor ({kind}), at most {bounds.get(name, '?')}")
    problems = judge(measured, bounds)
    print("\n".join(f"bench-guard: {problem}" for problem in problems), file=sys.stderr, end="\n" if problems else "")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
