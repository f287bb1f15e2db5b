"""Servers in processes of their own: the service, the service without its catalog, and a constant answer."""

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

from benchmarks.environments import ROOT, UnavailableError

START_TIMEOUT_S: Final = 300.0
STOP_TIMEOUT_S: Final = 20.0


class RunningServer(NamedTuple):
    """A server that answers.

    Attributes:
        url: without a slash at its end.
        started_s: how long it took from the start of the process to the first answer.
    """

    process: "subprocess.Popen[bytes]"
    url: str
    started_s: float

    def resident_kib(self) -> int:
        """Return the memory that the process has in RAM."""
        lines = Path(f"/proc/{self.process.pid}/status").read_text(encoding="ascii").splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS:"))

    def processor_s(self) -> float:
        """Return the processor time that the process has taken so far."""
        # In the second field, which is in brackets, there may be anything.
        fields = Path(f"/proc/{self.process.pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def running_service(
    database: Path | str, *options: str, source: Path = ROOT, tool: Sequence[str] = ()
) -> Iterator[RunningServer]:
    """Run the service, as everybody runs it.

    Args:
        database: a file, or a URL.
        options: further ones of the command.
        source: the source tree that it is run from.
        tool: a command that runs commands, and is the process of what it runs.
    """
    arguments = ["-m", "heksher", "serve", "--db", str(database), *options, "--port"]
    with _running("/api/health", arguments, source, tool) as server:
        yield server


@contextmanager
def running_without_catalog(database: Path) -> Iterator[RunningServer]:
    """Run the service with every query answered from the database."""
    with _running("/api/health", ["-m", "benchmarks.load.without_catalog", str(database)]) as server:
        yield server


@contextmanager
def running_existing() -> Iterator[RunningServer]:
    """Run what stands for an existing service when clients start."""
    with _running("/writes", ["-m", "benchmarks.starting.existing"]) as server:
        yield server


class Sample(NamedTuple):
    """An answer of the service: what a server that does nothing but to send it has to send.

    Attributes:
        headers: without those that every server adds.
    """

    status: int
    headers: list[tuple[str, str]]
    body: bytes


@contextmanager
def running_constant(answer: Sample) -> Iterator[RunningServer]:
    """Run a server that does nothing but to send one answer, with another body of the same length."""
    sizes = [str(answer.status), str(len(answer.body)), json.dumps(answer.headers)]
    with _running("/", ["-m", "benchmarks.load.constant", *sizes]) as server:
        yield server


@contextmanager
def _running(
    probe: str, arguments: Sequence[str], source: Path = ROOT, tool: Sequence[str] = ()
) -> Iterator[RunningServer]:
    port = find_port()
    began_s = time.monotonic()
    process = subprocess.Popen(
        [*tool, sys.executable, *arguments, str(port)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": f"{source / 'src'}:{ROOT}"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    url = f"http://127.0.0.1:{port}"
    try:
        _await_answer(process, url + probe)
        yield RunningServer(process, url, time.monotonic() - began_s)
    finally:
        process.terminate()
        try:
            process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _await_answer(process: "subprocess.Popen[bytes]", url: str) -> None:
    deadline_s = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline_s:
        if process.poll() is not None:
            raise UnavailableError(f"the server for {url} ended at its start, with status {process.returncode}")
        try:
            urllib.request.urlopen(url, timeout=5).close()  # noqa: S310 - a server of this very program
        except urllib.error.HTTPError:
            return
        except OSError:
            time.sleep(0.01)
        else:
            return
    raise UnavailableError(f"the server for {url} did not answer within {START_TIMEOUT_S:.0f} s")


def find_port() -> int:
    """Return a port of this machine that is free."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port
