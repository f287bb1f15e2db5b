"""Clients of replicas, each in a process of its own, and what they read when."""

import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import IO, Final, Literal, NamedTuple, Self

from benchmarks.environments import ROOT
from tests.support.waiting import wait_until

Kind = Literal["stream", "poll", "existing"]
KINDS: Final[tuple[Kind, ...]] = ("stream", "poll", "existing")
INTERVAL_S: Final = 1.0
_WATCHER: Final = Path(__file__).with_name("watcher.py")
_START_S: Final = 60.0


class Reading(NamedTuple):
    """A value that a client has read, and since when, by the monotonic clock that all processes share."""

    since_s: float
    value: int


class WatchedClient:
    """A client. A context manager, which ends it.

    Args:
        kind: how it updates its settings.
        replica: the number of the replica that it asks; ``None`` for whichever a load balancer chooses.
        url: of that replica, or of the load balancer.
        python: the interpreter that has its library.

    Attributes:
        readings: what it has read so far; grows all the time.
    """

    def __init__(self, kind: Kind, replica: int | None, url: str, python: Path) -> None:
        self.kind = kind
        self.replica = replica
        self.readings: list[Reading] = []
        self._command = [str(python), str(_WATCHER), url, kind, str(INTERVAL_S)]

    def __enter__(self) -> Self:
        environment = {} if self.kind == "existing" else {"PYTHONPATH": str(ROOT / "src")}
        self._process = subprocess.Popen(
            self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )
        self._thread = threading.Thread(target=self._read, args=(self._process.stdout,), daemon=True)
        self._thread.start()
        if not wait_until(lambda: self.readings, _START_S):
            raise AssertionError(f"the client that is to {self.kind} has not started")
        return self

    def __exit__(self, *_: object) -> None:
        with self._process:
            self._process.kill()
            self._thread.join()

    def find(self, is_it: Callable[[int], bool], since_s: float, patience_s: float) -> float | None:
        """Return when it read a value for the last time that it has still; ``None`` if it does not in time.

        Args:
            is_it: whether a value is the one.
            since_s: the moment from which on it counts: what was read before, and is still, counts from here on.
            patience_s: for how many seconds that is waited for.
        """
        if not wait_until(lambda: is_it(self.readings[-1].value), patience_s):
            return None
        return max(self.readings[-1].since_s, since_s)

    def has_gone_back(self, lost: range, later: range) -> bool:
        """Return whether it read a value that was lost after one that was written later."""
        values = [reading.value for reading in self.readings]
        news = [number for number, value in enumerate(values) if value in later]
        return bool(news) and any(value in lost for value in values[news[0] :])

    def _read(self, lines: IO[str]) -> None:
        for line in lines:
            moment_s, value = line.split()
            self.readings.append(Reading(float(moment_s), int(value)))


def find_own_python() -> Path:
    """Return the interpreter that has this project's client."""
    return Path(sys.executable)
