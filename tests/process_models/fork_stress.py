"""Forks at random moments under load, in every model, for both clients: ``python -m tests.process_models.fork_stress``.

A program (``apps/stressed.py``) reads, updates and reloads without pause, and forks meanwhile; another thread here
changes what it reads, without pause, too. A child is *current* when it reads a value that was written after its fork.
One that is not in time, hangs or ends with an error is a fault, and makes this command fail.
"""

import argparse
import statistics
import sys
import threading
import time
from dataclasses import dataclass, field
from typing import Self

from tests.process_models.apps.reporting import say
from tests.process_models.programs import Program, run_module
from tests.support.service import RunningService

CLIENTS = ("thread", "async")
WAYS = ("os.fork", "thread", "multiprocessing")
INTERVAL_S = 0.02
# How much longer than its interval a child may take, besides what the service takes for a change: it has to be given a
# processor, and an asynchronous client has to be started.
SLACK_S = 2.0
# Some more than after which a child that hangs is made to end. A second for each fork comes on top.
END_WITHIN_S = 120.0


class ChangingService:
    """A service whose one rule is changed without pause, to the moment of the change. A context manager.

    Attributes:
        url: of the service.
        slowest_change_s: what the slowest change took: how busy the machine was.
    """

    def __init__(self) -> None:
        self.slowest_change_s = 0.0
        self._service = RunningService()
        self._is_over = threading.Event()
        self._writer = threading.Thread(target=self._write)

    def __enter__(self) -> Self:
        self._service.start()
        self.url = self._service.url
        self._service.add_features("environment", "user", "theme")
        self._service.declare("moment", configurable_features=["user"])
        self._rule_id = self._service.add_rule("moment", {"user": "guest"}, 1)
        self._writer.start()
        return self

    def __exit__(self, *_) -> None:
        self._is_over.set()
        self._writer.join()
        self._service.stop()

    def _write(self) -> None:
        path = f"/api/v1/rules/{self._rule_id}/value"
        while not self._is_over.is_set():
            moment_us = time.monotonic_ns() // 1000
            self._service.http.put(path, json={"value": moment_us}).raise_for_status()
            self.slowest_change_s = max(self.slowest_change_s, time.monotonic() - moment_us / 1e6)


@dataclass
class Result:
    """What became of the children of one program.

    Attributes:
        times_s: from each child's beginning until it was current.
        codes: the exit codes of the children that have ended.
        faults: what else went wrong, in words.
        slowest_change_s: as in ``ChangingService``.
    """

    client: str
    way: str
    forks: int
    times_s: list[float] = field(default_factory=list)
    codes: list[int] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    slowest_change_s: float = 0.0

    def count_lost(self) -> int:
        """Count the children that never became current, hung, or did not end well."""
        return self.forks - min(len(self.times_s), sum(code == 0 for code in self.codes))

    def find_faults(self, slack_s: float) -> list[str]:
        """List all that is wrong; empty if the client let no child down."""
        faults = list(self.faults)
        if self.count_lost():
            faults.append(f"{self.count_lost()} of {self.forks} children were never current, or did not end well")
        limit_s = INTERVAL_S + slack_s + self.slowest_change_s
        late = [f"{time_s:.3f} s" for time_s in self.times_s if time_s > limit_s]
        if late:
            faults.append(f"children were current later than after {limit_s:.3f} s: {', '.join(late)}")
        return [f"{self.client}, {self.way}: {fault}" for fault in faults]

    def __str__(self) -> str:
        times_s = self.times_s or [float("nan")]
        times_ms = [1000 * time_s for time_s in (statistics.median(times_s), max(times_s), self.slowest_change_s)]
        figures = " ".join(f"{time_ms:>9.0f}" for time_ms in times_ms)
        return f"{self.client:<7} {self.way:<16} {self.forks:>5} {self.count_lost():>9} {figures}"


HEADING = (
    f"{'client':<7} {'fork by':<16} {'forks':>5} {'deadlocks':>9} {'median ms':>9} {'worst ms':>9} {'change ms':>9}"
)


def stress(client: str, way: str, forks: int) -> Result:
    """Run the program once, to its end; return what became of its children."""
    result = Result(client, way, forks)
    arguments = [client, way, str(forks)]
    with ChangingService() as service:
        environment = {"HEKSHER_URL": service.url, "UPDATE_INTERVAL_S": str(INTERVAL_S)}
        program = run_module("tests.process_models.apps.stressed", *arguments, **environment)
        with program.leave_unmeasured():
            try:
                program.await_line("the parent has ended well", within_s=END_WITHIN_S + forks)
                program.await_end()
            except AssertionError as error:
                result.faults.append(str(error))
            _read_results(program, result)
    result.slowest_change_s = service.slowest_change_s
    return result


def _read_results(program: Program, result: Result) -> None:
    result.times_s = [float(time_s) for time_s in program.find(r"child \d+ is current after ([\d.]+) s")]
    result.codes = [int(code) for code in program.find(r"child \d+ ended with (-?\d+)")]
    result.faults += program.find(r"(.* went back from .*|reload failed: .*)")


def main(arguments: list[str]) -> int:
    """Stress all models; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.process_models.fork_stress", description=__doc__)
    parser.add_argument("--forks", type=int, default=200, metavar="NUMBER", help="for each client and model (200)")
    parser.add_argument("--slack", type=float, default=SLACK_S, metavar="SECONDS", help=f"({SLACK_S})")
    options = parser.parse_args(arguments)
    faults: list[str] = []
    say(HEADING)
    for client in CLIENTS:
        for way in WAYS:
            result = stress(client, way, options.forks)
            say(str(result))
            faults += result.find_faults(options.slack)
    say("\n".join(["", *faults]) if faults else "\nno faults")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
