"""Running the program whose start is measured, from a source tree, and reading what it reports."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Final, NamedTuple

from benchmarks.starting import program
from benchmarks.starting.program import Outcome, Plan

# After which a start has hung.
DEADLINE_S: Final = 400.0


class Report(NamedTuple):
    """How it went for the processes of a program.

    Attributes:
        outcomes: of those that came to an end.
        missing: how many did not.
    """

    outcomes: Sequence[Outcome]
    missing: int

    @property
    def failed(self) -> list[str]:
        """Why starts failed, for each that did."""
        return [outcome.error for outcome in self.outcomes if outcome.error] + ["no outcome"] * self.missing


class Fleet:
    """The processes of one program, which wait for their start from the construction on.

    Args:
        plan: what they do.
        source: the source tree whose library they use.
    """

    def __init__(self, plan: Plan, source: Path) -> None:
        self._plan = plan
        self._process = subprocess.Popen(
            [sys.executable, program.__file__, json.dumps(plan)],
            env={**os.environ, "PYTHONPATH": str(source / "src")},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            # So that all of its processes can be killed together.
            start_new_session=True,
        )

    def start(self) -> None:
        """Have the processes start, all at once, when they are ready.

        Raises:
            RuntimeError: they did not come to that.
        """
        if self._output.readline() != "ready\n":
            raise RuntimeError("the program ended before its start")
        if self._process.stdin is not None:
            self._process.stdin.close()

    def wait(self) -> Report:
        """Wait until all have come to their end; those that do not in time are killed."""
        timer = threading.Timer(DEADLINE_S, os.killpg, (self._process.pid, signal.SIGKILL))
        timer.start()
        with self._output as lines:
            outcomes = [Outcome(*json.loads(line)) for line in lines]
        self._process.wait()
        timer.cancel()
        return Report(outcomes, self._plan.processes - len(outcomes))

    @property
    def _output(self) -> IO[str]:
        assert self._process.stdout is not None  # noqa: S101 - it is a pipe, as asked for above
        return self._process.stdout
