"""How long it takes to be rid of a client: to close it under a fault, and to end a program that has one open."""

import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Final, NamedTuple

from tests.faults.backstage import Backstage
from tests.faults.catalogue import Fault
from tests.faults.play import POLL_S, running_client
from tests.faults.readers import encode
from tests.support.processes import ROOT, LineReader
from tests.support.waiting import wait_until

# Within which a fault is met by an update, if the proxy can see that at all: nobody sees a connection that is refused.
NOTICE_S: Final = 0.3
# The proxy, which sends without end under some faults, is one process of a busy machine.
LEFTOVER_S: Final = 8.0
# Fewer tell little, as a program's end takes some hundredths of a second.
EXIT_RUNS: Final = 5


class Closing(NamedTuple):
    """How a client was closed: in what time, and how many connections it still had some seconds later."""

    close_s: float
    connections: int


def close_under(kind: str, backstage: Backstage, fault: Fault, folder: Path) -> Closing:
    """Close a client, which has the HTTP client's own time limits, while a request of it meets a fault.

    Arguments as for ``play``.
    """
    with running_client(kind, backstage, fault, folder, timeout_s=None) as run, run.faulty():
        run.publish(2)
        _await_request(backstage)
        start_s = time.perf_counter()
        run.client.close()
        close_s = time.perf_counter() - start_s
        return Closing(close_s, _count_leftovers(backstage))


def _await_request(backstage: Backstage) -> None:
    visits = backstage.count_visits()
    wait_until(lambda: backstage.count_visits() != visits, NOTICE_S, POLL_S)


def _count_leftovers(backstage: Backstage) -> int:
    wait_until(lambda: not backstage.count_connections(), LEFTOVER_S)
    return backstage.count_connections()


_THREAD_PROGRAM: Final = """
import logging, sys, time
import heksher
logging.getLogger("heksher").addHandler(logging.NullHandler())
setting = heksher.Setting("s", int, ["a", "b"], 0)
if "client" in sys.argv:
    client = heksher.ThreadHeksherClient(sys.argv[1], 0.05, ["a", "b"], on_start_failure="raise")
    client.set_as_main()
print("ready", setting.get(a="x", b="y"), flush=True)
sys.stdin.readline()
print("end", time.monotonic(), flush=True)
"""

_ASYNC_PROGRAM: Final = """
import asyncio, logging, sys, time
import heksher
logging.getLogger("heksher").addHandler(logging.NullHandler())
setting = heksher.Setting("s", int, ["a", "b"], 0)

async def main():
    if "client" in sys.argv:
        client = heksher.AsyncHeksherClient(sys.argv[1], 0.05, ["a", "b"])
        await client.set_as_main()
    print("ready", setting.get(a="x", b="y"), flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    print("end", time.monotonic(), flush=True)

asyncio.run(main())
"""

PROGRAMS: Final = {"async": _ASYNC_PROGRAM, "thread": _THREAD_PROGRAM}


class Exit(NamedTuple):
    """How a program ended: in what time after its last statement, with which code, and what it wrote as errors."""

    exit_s: float
    code: int
    errors: str


def run_program(kind: str, backstage: Backstage, action: str, *, has_client: bool) -> Exit:
    """Run a program that ends with its client open.

    Args:
        kind: of the program, and of its client: ``"async"`` or ``"thread"``.
        backstage: the far side.
        action: what the proxy does when the program ends.
        has_client: whether it has a client, or only could have one.
    """
    port = backstage.open(False, False)
    try:
        backstage.publish({"s": encode(1)["s"]})
        arguments = [f"http://127.0.0.1:{port}", *(["client"] if has_client else [])]
        process = subprocess.Popen(
            # As in test_closing: what anyio says is not ours.
            [sys.executable, "-W", "ignore:coroutine 'connect_tcp", "-c", PROGRAMS[kind], *arguments],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        with process:
            return _end(process, backstage, action, has_client=has_client)
    finally:
        backstage.close()


def _end(process: "subprocess.Popen[str]", backstage: Backstage, action: str, *, has_client: bool) -> Exit:
    assert process.stdin is not None
    assert process.stderr is not None
    lines = LineReader(process)
    assert lines.wait_for("ready") == ("ready 13" if has_client else "ready 0")
    backstage.switch(action)
    if has_client:
        _await_request(backstage)
    process.stdin.write("\n")
    process.stdin.flush()
    ended_s = float(lines.wait_for("end").split()[1])
    code = process.wait()
    # The clock counts from the machine's start, so it is the same in both processes.
    return Exit(time.monotonic() - ended_s, code, process.stderr.read())


def measure_exit(kind: str, backstage: Backstage, action: str, *, has_client: bool) -> float:
    """Return the median of the seconds that a program takes to end. Arguments as for ``run_program``."""
    runs = [run_program(kind, backstage, action, has_client=has_client) for _ in range(EXIT_RUNS)]
    return statistics.median(run.exit_s for run in runs)
