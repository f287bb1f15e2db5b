"""Make the calls of a workload, or the floor's, so many times and end: what ``guard.py`` counts instructions of.

``python -m benchmarks.rounds TARGET LARGE_COUNT ROUNDS``
"""

import gc
import os
import sys

from benchmarks.peers.this import Adapter
from benchmarks.timing import make_floor_calls, make_loop
from benchmarks.workloads import make_workload

# The interpreter adapts itself to what a piece of code is given; it is done with that after these.
WARM_UP_ROUNDS = 100


def main(target: str, large_count: int, rounds: int) -> None:
    """Make the calls."""
    if target == "floor":
        calls = make_floor_calls()
    else:
        workload = make_workload(target, large_count)
        adapter = Adapter()
        adapter.is_ambient = workload.is_ambient
        adapter.load(adapter.encode(workload))
        calls = [adapter.call(question) for question in workload.questions]
    loop = make_loop(calls)
    gc.disable()
    loop(WARM_UP_ROUNDS)
    loop(rounds)
    # The end of the interpreter is not to be counted; the adapter's client has a thread, too.
    os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
