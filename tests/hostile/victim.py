"""A service that is attacked, and what is seen of it meanwhile."""

import json
import os
import resource
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

from benchmarks.load.servers import find_port
from tests.support.processes import ROOT

_START_S: Final = 30.0
_LARGE_CHARACTERS: Final = 500_000
_STOP_S: Final = 20.0
_LOOK_S: Final = 0.05
# How long memory may take to be given back.
_SETTLE_S: Final = 3.0
# No attack is to take more than this of the machine, whatever the service does.
_MAX_ADDRESS_BYTES: Final = 4 * 1024**3


class Victim(NamedTuple):
    """A service that can be attacked.

    Attributes:
        port: where it answers, on loopback.
        scale: how much of an attack's full size is to be done, from 0 to 1.
    """

    port: int
    scale: float

    def size(self, full: int) -> int:
        """Return a number in proportion to the scale."""
        return max(1, round(full * self.scale))


class Seen(NamedTuple):
    """What was seen of a service during an attack.

    Attributes:
        before_mib: its resident memory before, at most during, and after the attack; of all its processes.
        peak_mib: see above.
        after_mib: see above.
        live_s: the longest answer of ``/healthz/live``.
        known_s: the longest answer 304 to a query.
        asked: how many of both were asked for.
        failures: what came in the place of answers, and how often.
        got: what the attacker says.
    """

    before_mib: float
    peak_mib: float
    after_mib: float
    live_s: float
    known_s: float
    asked: int
    failures: dict[str, int]
    got: str


class Watch:
    """Watches a service: its memory from a thread, its answers from a process of their own.

    Args:
        process: the service.
        port: where it answers.
    """

    def __init__(self, process: "subprocess.Popen[bytes]", port: int) -> None:
        self._pid = process.pid
        self.before_mib = self.peak_mib = self.measure()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._prober = subprocess.Popen(
            [sys.executable, "-m", "tests.hostile.prober", str(port)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._prober.stdout is not None
        self._prober.stdout.readline()
        self._thread.start()

    def measure(self) -> float:
        """Return the resident memory of the service and its workers, in MiB."""
        return sum(_read_resident(pid) for pid in _list_family(self._pid)) / 1024

    def end(self, got: str) -> Seen:
        """Return what was seen."""
        answers = json.loads(self._prober.communicate("\n")[0])
        self._stopping.set()
        self._thread.join()
        time.sleep(_SETTLE_S)
        return Seen(self.before_mib, self.peak_mib, self.measure(), got=got, **answers)

    def _look(self) -> None:
        while not self._stopping.wait(_LOOK_S):
            self.peak_mib = max(self.peak_mib, self.measure())


@contextmanager
def running_victim(
    source: Path, scale: float, descriptors: int | None, workers: int, database: Path
) -> Iterator[tuple[Victim, Watch]]:
    """Run a service, and watch it.

    Args:
        source: the source tree that it is run from.
        scale: see ``Victim``.
        descriptors: how many its processes may have; ``None`` for as many as this one.
        workers: how many processes answer.
        database: the file of its data.
    """
    port = find_port()

    def restrict() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (_MAX_ADDRESS_BYTES, _MAX_ADDRESS_BYTES))
        if descriptors is not None:
            resource.setrlimit(resource.RLIMIT_NOFILE, (descriptors, descriptors))

    options = ["--port", str(port), "--db", str(database), "--workers", str(workers), "--context-features", "user"]
    process = subprocess.Popen(
        [sys.executable, "-m", "heksher", "serve", *options],
        env={**os.environ, "PYTHONPATH": str(source / "src")},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        preexec_fn=restrict,  # noqa: PLW1509 -- this process runs no other thread yet
    )
    assert process.stdout is not None
    process.stdout.readline()
    try:
        _fill(port)
        yield Victim(port, scale), Watch(process, port)
    finally:
        process.terminate()
        try:
            process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()


def _fill(port: int) -> None:
    """Give the service a setting whose answer is larger than what the buffers of a connection take of a few."""
    setting = {
        "name": "large", "configurable_features": ["user"], "type": "str", "default_value": "a" * _LARGE_CHARACTERS,
    }  # fmt: skip
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/api/v1/settings/declare",
        json.dumps(setting).encode(),
        {"Content-Type": "application/json"},
    )
    urllib.request.urlopen(request, timeout=_START_S).close()  # noqa: S310 -- as above


def _list_family(pid: int) -> list[int]:
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii")
    except FileNotFoundError:
        return []
    return [pid, *map(int, children.split())]


def _read_resident(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("VmRSS:")), 0)
