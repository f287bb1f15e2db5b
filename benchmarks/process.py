"""A worker seen from the outside: commands in, answers out, and an end when one takes too long."""

import contextlib
import json
import subprocess
import threading
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from benchmarks.environments import ROOT, UnavailableError, environment_variables


class WorkerProcess:
    """A running worker.

    Args:
        python: the interpreter of the adapter's environment.
        adapter: the name of the module in ``benchmarks/peers``.
        command_timeout_s: how long one command may take.
    """

    def __init__(self, python: Path, adapter: str, command_timeout_s: float) -> None:
        self._timeout_s = command_timeout_s
        self._process = subprocess.Popen(
            [python, "-W", "ignore", "-m", "benchmarks.worker", adapter],
            cwd=ROOT,
            env=dict(environment_variables(adapter)),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            # What a library logs is of interest only when it fails, and then its exception says more.
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def do(self, command: str, **arguments: object) -> Mapping[str, Any]:
        """Have the worker do something; return its answer.

        Raises:
            UnavailableError: it failed, died, or took too long.
        """
        stdin, stdout = self._process.stdin, self._process.stdout
        if stdin is None or stdout is None:
            raise AssertionError("both are pipes")
        timer = threading.Timer(self._timeout_s, self._process.kill)
        timer.start()
        try:
            print(json.dumps({"do": command, **arguments}), file=stdin, flush=True)
            line = stdout.readline()
        except BrokenPipeError:
            line = ""
        finally:
            timer.cancel()
        if not line:
            raise UnavailableError(f"{command!r} ended the process, or took longer than {self._timeout_s} s")
        answer: Mapping[str, Any] = json.loads(line)
        if "error" in answer:
            raise UnavailableError(f"{command!r} failed: {answer['error']}")
        return answer

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        with contextlib.suppress(OSError):
            self._process.communicate(timeout=10)
        self._process.kill()
        self._process.wait()
