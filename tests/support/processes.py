"""Programs in processes of their own, and what they print."""

import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

from tests.support.waiting import wait_until

ROOT = Path(__file__).resolve().parent.parent.parent
# Generous, for machines that are busy; nothing waits that long unless something is wrong.
DEADLINE_S = 60.0


def run_python(arguments: list[str], program: str | None = None, **environment: str) -> list[str]:
    """Run Python to its end, with warnings as errors; return the lines that it prints.

    Args:
        arguments: of the interpreter: a file, or ``-`` for the program.
        program: what the process reads from its standard input; ``None`` for nothing.
        environment: variables on top of this process's.
    """
    result = subprocess.run(
        [sys.executable, "-W", "error", *arguments],
        input=program or "",
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return [line.rstrip() for line in result.stdout.splitlines()]


def in_child(check: Callable[[], object]) -> bool:
    """Fork, and tell whether something holds in the child."""
    child = os.fork()
    if child == 0:
        try:
            os._exit(0 if check() else 1)
        finally:
            os._exit(2)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


class LineReader:
    """Reads what a process prints, while it runs.

    Args:
        process: with its standard output as a pipe, of text.
    """

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self.seen: list[str] = []
        self._process = process
        # None after the last line.
        self._lines: queue.Queue[str | None] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def wait_for(self, beginning: str) -> str:
        """Wait for a line that begins like this, and return it."""
        deadline = time.monotonic() + DEADLINE_S
        try:
            while (line := self._lines.get(timeout=max(0, deadline - time.monotonic()))) is not None:
                self.seen.append(line)
                if line.startswith(beginning):
                    return line
        except queue.Empty:
            self._process.kill()
        raise AssertionError(f"no line begins with {beginning!r}; there were: {self.seen}")

    def _read(self) -> None:
        for line in self._process.stdout:
            self._lines.put(line.rstrip())
        self._lines.put(None)


def read_state(pid: int) -> str:
    """Return the letter of a process's state (``T``: stopped); that of a process which is gone is ``X``."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return "X"


def stop_process(pid: int) -> None:
    """Keep a process from running: when this returns it does not, which ``kill`` alone only asks for."""
    os.kill(pid, signal.SIGSTOP)
    assert wait_until(lambda: read_state(pid) in "TZX")
