"""Compare what ``import heksher`` costs with what ``import asyncio`` does; fail when it is too much.

Counted are the instructions that the processor executes, by valgrind's callgrind: the count is the same on a slow and
on a busy machine, and repeats within a per cent. Where there is no valgrind, CPU time is measured: fresh processes take
turns, so that a busy moment hits both, and what counts is the median of the pairs' ratios. The start of the
interpreter, which both share, is taken off.

asyncio is the yardstick because nearly every application of this library has it loaded anyway. A module that declares
settings needs only what ``import heksher`` loads; a program that makes a client loads the rest with the client's class.
"""

import os
import re
import shutil
import statistics
import subprocess
import sys
from collections.abc import Callable
from typing import Final

NOTHING: Final = "pass"
YARDSTICK: Final = "import asyncio"
# What each import may cost, in relation to the yardstick.
MAX_RATIOS: Final = {"import heksher": 1.4, "from heksher import AsyncHeksherClient, ThreadHeksherClient": 1.8}
PAIRS: Final = 41
TIMED: Final = "import time; start = time.process_time(); {program}; print(time.process_time() - start)"

# Returns the cost of each program in relation to the yardstick's.
Measure = Callable[[list[str]], dict[str, float]]


def run(command: list[str]) -> subprocess.CompletedProcess[str]:
    """Run a command, with what makes counts repeatable."""
    # All but the first process after an installation find compiled files; some shells forbid to write them. The order
    # of a set, and so the count, depends on the hash seed.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    environment["PYTHONHASHSEED"] = "0"
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True)


def count_instructions(program: str) -> int:
    """Return the instructions of a fresh process that runs a program."""
    tool = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null"]
    report = run([*tool, sys.executable, "-c", program]).stderr
    found = re.search(r"Collected : (\d+)", report)
    if found is None:
        raise RuntimeError(f"callgrind counted nothing: {report[-500:]}")
    return int(found[1])


def compare_instructions(programs: list[str]) -> dict[str, float]:
    """Compare the instructions of imports, each counted once."""
    start = count_instructions(NOTHING)
    yardstick = count_instructions(YARDSTICK) - start
    return {program: (count_instructions(program) - start) / yardstick for program in programs}


def measure_s(program: str) -> float:
    """Return the CPU seconds that a program takes inside a fresh process."""
    return float(run([sys.executable, "-c", TIMED.format(program=program)]).stdout)


def compare_times(programs: list[str]) -> dict[str, float]:
    """Compare the CPU times of imports that take turns."""
    ratios: dict[str, list[float]] = {program: [] for program in programs}
    for _ in range(PAIRS):
        yardstick_s = measure_s(YARDSTICK)
        for program in programs:
            ratios[program].append(measure_s(program) / yardstick_s)
    return {program: statistics.median(samples) for program, samples in ratios.items()}


def main() -> int:
    """Measure, print the ratios; return the exit status."""
    programs = list(MAX_RATIOS)
    for program in (YARDSTICK, *programs):
        measure_s(program)  # leaves the compiled files behind
    has_valgrind = shutil.which("valgrind") is not None
    measure: Measure = compare_instructions if has_valgrind else compare_times
    ratios = measure(programs)
    print(f"{'instructions' if has_valgrind else 'CPU time'} in relation to {YARDSTICK}")
    for program, ratio in ratios.items():
        print(f"{ratio:6.2f}  at most {MAX_RATIOS[program]}   {program}")
    return 0 if all(ratio <= MAX_RATIOS[program] for program, ratio in ratios.items()) else 1


if __name__ == "__main__":
    sys.exit(main())
