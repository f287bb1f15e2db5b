"""Compare the CPU time of ``import heksher`` with that of ``import asyncio``; fail when it is too much.

Fresh processes take turns, so that a busy moment of the machine hits both. What is measured is the import itself,
inside the process: the start of the interpreter, which both share, would only blur the ratio. asyncio is the yardstick
because nearly every application of this library has it loaded anyway.
"""

import os
import statistics
import subprocess
import sys

PAIRS = 41
MAX_RATIO = 1.6
PROGRAM = "import time; start = time.process_time(); import {module}; print(time.process_time() - start)"


def measure_s(module: str) -> float:
    """Return the CPU seconds that importing a module takes in a fresh process."""
    # All but the first process after an installation find compiled files; some shells forbid to write them.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    command = [sys.executable, "-c", PROGRAM.format(module=module)]
    return float(subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout)


def main() -> int:
    """Measure, print the medians and their ratio; return the exit status."""
    modules = ("asyncio", "heksher")
    for module in modules:
        measure_s(module)  # leaves the compiled files behind
    samples: dict[str, list[float]] = {module: [] for module in modules}
    for _ in range(PAIRS):
        for module in modules:
            samples[module].append(measure_s(module))
    medians = {module: statistics.median(samples[module]) for module in modules}
    for module in modules:
        print(f"import {module:<8} {medians[module] * 1000:6.1f} ms of CPU (median of {PAIRS})")
    ratio = medians["heksher"] / medians["asyncio"]
    print(f"ratio           {ratio:6.2f}    at most {MAX_RATIO}")
    return 0 if ratio <= MAX_RATIO else 1


if __name__ == "__main__":
    sys.exit(main())
