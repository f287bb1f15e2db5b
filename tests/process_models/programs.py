"""Programs under test, in processes of their own: what they print, what their processes read, and their end.

All processes of a program share the write end of one pipe, their standard output. So the end of that pipe says, without
looking for anybody, that none of them is left. Programs say what each of their processes reads in lines that
``apps/reporting.py`` prints.
"""

import contextlib
import importlib.util
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.support.processes import ROOT

# Far more than what the tests use, 0.2 s: the machine may be busy. A process whose values are frozen never gets there.
CURRENT_WITHIN_S = 8.0
INTERVAL_S = 0.2
# What the one rule says as long as nobody changes it.
FIRST_VALUE = 1
START_WITHIN_S = 40.0
STOP_WITHIN_S = 20.0

_READS = re.compile(r"process (\d+) reads (-?\d+)$")


class Program:
    """A program and all processes that it makes. A context manager, which ends them in any case.

    Args:
        command: and its arguments.
        environment: variables on top of this process's.
    """

    def __init__(self, *command: str, **environment: str) -> None:
        self._command = command
        # A process that gets SIGABRT prints where its threads are.
        self._environment = {**os.environ, "PYTHONFAULTHANDLER": "1", "UPDATE_INTERVAL_S": str(INTERVAL_S)}
        self._environment |= environment
        self._lines: list[str] = []
        self._is_ended = False
        self._changed = threading.Condition()

    def leave_unmeasured(self) -> Self:
        """Have no coverage measured in it: the tracer takes a lock, which a child of a fork may wait for for ever."""
        self._environment = {name: text for name, text in self._environment.items() if not name.startswith("COV")}
        return self

    def __enter__(self) -> Self:
        self.process = subprocess.Popen(
            self._command,
            cwd=ROOT,
            env=self._environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            # So that all of its processes can be signalled together.
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if not self._is_ended:
            self._signal_all(signal.SIGKILL)
        self.process.wait()
        self._reader.join(STOP_WITHIN_S)
        self.process.stdin.close()
        self.process.stdout.close()

    def tell(self, line: str) -> None:
        """Write a line to the program's standard input."""
        self.process.stdin.write(f"{line}\n")
        self.process.stdin.flush()

    def find(self, pattern: str) -> list[str]:
        """List what a pattern's group matches in the lines printed so far."""
        return re.findall(pattern, "\n".join(self._lines), re.MULTILINE)

    def await_line(self, pattern: str, within_s: float = START_WITHIN_S) -> str:
        """Wait for a line that contains a pattern; return what the pattern's group matches."""
        self._await(lambda: bool(self.find(pattern)), within_s, f"no line matches {pattern!r}")
        return self.find(pattern)[0]

    def await_first_reads(self, count: int) -> set[int]:
        """Wait until so many processes run and read what the rule says at the beginning; return their ids."""
        return self.await_reads(FIRST_VALUE, count=count, within_s=START_WITHIN_S)

    def await_reads(
        self, value: int, *, count: int = 1, by: Iterable[int] = (), within_s: float = CURRENT_WITHIN_S
    ) -> set[int]:
        """Wait until processes read a value: so many of them, and among them the given ones.

        Returns:
            The ids of all processes that have read it.
        """
        wanted = set(by)

        def is_reached() -> bool:
            readers = self._readers(value)
            return len(readers) >= count and wanted <= readers

        self._await(is_reached, within_s, f"{count} processes, {sorted(wanted)} among them, do not all read {value}")
        return self._readers(value)

    def await_end(self) -> None:
        """Wait until the program and all its processes have ended by themselves, without an error."""
        self._await(lambda: self._is_ended, STOP_WITHIN_S, "processes are left")
        code = self.process.wait(STOP_WITHIN_S)
        assert 0 == code, self.describe(f"the program ended with {code}")

    def stop(self) -> None:
        """Ask the program to end, as an operator does, and wait until nothing of it is left."""
        self.process.send_signal(signal.SIGTERM)
        self.await_end()

    def fail(self, fault: str) -> None:
        """Fail the test, and say what the program printed and where its threads are."""
        with contextlib.suppress(OSError, ValueError):
            self._signal_all(signal.SIGABRT)
            self._reader.join(2)
        raise AssertionError(self.describe(fault))

    def describe(self, fault: str) -> str:
        """Say what is wrong, and what the program printed."""
        return "\n".join([f"{fault}; {' '.join(self._command)} printed:", *self._lines[-200:]])

    def _readers(self, value: int) -> set[int]:
        matches = filter(None, map(_READS.search, self._lines))
        return {int(match[1]) for match in matches if int(match[2]) == value}

    def _await(self, is_reached: Callable[[], bool], within_s: float, fault: str) -> None:
        deadline_s = time.monotonic() + within_s
        with self._changed:
            while not is_reached():
                is_over = self._is_ended or time.monotonic() >= deadline_s
                if is_over:
                    break
                self._changed.wait(max(0.0, deadline_s - time.monotonic()))
            else:
                return
        self.fail(fault)

    def _signal_all(self, number: signal.Signals) -> None:
        # Not those that have left the group, as daemons do: they have to see to their end by themselves.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, number)

    def _read(self) -> None:
        for line in self.process.stdout:
            with self._changed:
                self._lines.append(line.rstrip())
                self._changed.notify_all()
        with self._changed:
            self._is_ended = True
            self._changed.notify_all()


def run_module(name: str, *arguments: str, **environment: str) -> Program:
    """Make a program of a Python module; fail with a clear message where it is not installed."""
    assert importlib.util.find_spec(name), f"{name} is not installed; it belongs to the dependency group 'test'"
    return Program(sys.executable, "-m", name, *arguments, **environment)


def find_command(name: str, package: str) -> str:
    """Find a command of this environment; fail with a clear message where there is none."""
    found = shutil.which(name, path=os.pathsep.join([str(Path(sys.executable).parent), *os.get_exec_path()]))
    assert found, f"there is no command {name!r}; it comes with {package!r}, which is not made for every platform"
    return found
