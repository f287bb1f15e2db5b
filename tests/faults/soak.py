"""Both clients for a long time under random faults: ``make soak``, which is ``python -m tests.faults.soak``.

Each client has a process of its own, with readers, a writer and a real service behind a proxy of its own (see
``endurance``). Fails unless ``get`` raised nothing, every value was one that the service had, no change was missed, all
was current within seconds after the last fault, and threads, sockets and memory are at the end what they were before.
"""

import argparse
import json
import logging
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from tests.faults.play import DRIVERS
from tests.support.processes import ROOT

DEFAULT_MINUTES: Final = 30.0
MAX_RECOVERY_S: Final = 5.0
MUST_BE_EMPTY: Final = ("exceptions", "wrong", "missed", "leaks")
Report = Mapping[str, Any]


def judge(report: Report) -> list[str]:
    """List what is wrong with a run; empty if all is as it should be."""
    problems = [f"{report['kind']}: {name}: {report[name]}" for name in MUST_BE_EMPTY if report[name]]
    if report["recovery_s"] > MAX_RECOVERY_S:
        waited = f"current only {report['recovery_s']:.1f} s after the last fault"
        problems.append(f"{report['kind']}: {waited}; it was {report['status']}")
    if not (report["reads"] and report["changes"] and report["updates"].get("ok")):
        problems.append(f"{report['kind']}: nothing was tried")
    return problems


def render(reports: Sequence[Report]) -> str:
    """Write the reports as a Markdown table, with a column for each client."""
    lines = [
        ["", *(report["kind"] for report in reports)],
        ["---"] * (1 + len(reports)),
        *([title, *(write(report) for report in reports)] for title, write in _LINES),
    ]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


_LINES: Final = (
    ("faults", lambda report: f"{sum(report['faults'].values()):,} of {len(report['faults'])} kinds"),
    ("updates that succeeded", lambda report: f"{report['updates'].get('ok', 0):,}"),
    ("updates that failed", lambda report: f"{report['updates'].get('failed', 0):,}"),
    ("changes of rules", lambda report: f"{report['changes']:,}"),
    ("reads, each of them checked", lambda report: f"{report['reads']:,}"),
    ("exceptions from `get`", lambda report: str(len(report["exceptions"]))),
    ("wrong values", lambda report: str(len(report["wrong"]))),
    ("changes late by one update", lambda report: f"{sum(report['late'].values()):,}"),
    ("missed changes", lambda report: str(len(report["missed"]))),
    ("current after the last fault", lambda report: f"{report['recovery_s']:.2f} s"),
    ("log lines", lambda report: f"{report['log_lines']:,}"),
    ("threads before, begin, end, after close", lambda report: _write_row(report["threads"])),
    ("sockets before, begin, end, after close", lambda report: _write_row(report["sockets"])),
    ("resident memory in each quarter, MB", lambda report: _write_row(report["resident_mb"])),
)


def _write_row(numbers: Sequence[float]) -> str:
    return ", ".join(map(str, numbers))


def main(arguments: Sequence[str]) -> int:
    """Run, print the table; return 1 if something was wrong."""
    parser = argparse.ArgumentParser(prog="make soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=DEFAULT_MINUTES, help="how long")
    parser.add_argument("--seed", type=int, default=int(time.time()), help="of the choice of faults")
    parser.add_argument("--kind", choices=sorted(DRIVERS), help="run one client in this process, and write JSON")
    options = parser.parse_args(arguments)
    if options.kind:
        sys.stdout.write(json.dumps(_endure(options.kind, options.seed, options.minutes)))
        return 0
    sys.stdout.write(f"{options.minutes:g} minutes of random faults, seed {options.seed}\n")
    sys.stdout.flush()
    reports = _run_processes(options.seed, options.minutes)
    problems = [problem for report in reports for problem in judge(report)]
    sys.stdout.write("\n".join([render(reports), *problems, ""]))
    return 1 if problems else 0


def _run_processes(seed: int, minutes: float) -> list[Report]:
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.faults.soak", "--kind", kind, "--seed", str(seed), "--minutes", str(minutes)],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
        )
        for kind in DRIVERS
    ]
    outputs = [process.communicate()[0] for process in processes]
    failed = [process.args for process in processes if process.returncode]
    if failed:
        raise SystemExit(f"ended with an error: {failed}")
    return [json.loads(output) for output in outputs]


def _endure(kind: str, seed: int, minutes: float) -> Report:
    from tests.faults.backstage import open_backstage  # noqa: PLC0415 - of the worker only
    from tests.faults.endurance import Endurance  # noqa: PLC0415 - of the worker only

    # What the client says is counted; on the terminal it would bury the report.
    logging.getLogger("heksher").addHandler(logging.NullHandler())
    sys.setswitchinterval(0.001)
    with tempfile.TemporaryDirectory() as folder, open_backstage() as backstage:
        return Endurance(kind, backstage, seed, Path(folder) / "state").run(minutes * 60)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
