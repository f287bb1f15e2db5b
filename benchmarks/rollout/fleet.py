"""Twenty programs, each in a process of its own, with either client and in each way of following and of authorizing."""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any, Final, NamedTuple, Self

from benchmarks.environments import ROOT

SIZE: Final = 20
# The intervals of those that poll are between these.
_MIN_INTERVAL_S: Final = 0.1
_MAX_INTERVAL_S: Final = 0.5
# What those that follow a stream ask in besides.
_STREAM_INTERVAL_S: Final = 5.0
_PATIENCE_S: Final = 60.0


class Member(NamedTuple):
    """What a program of the fleet is like.

    Attributes:
        number: its place; its name is made of it.
        is_async: which client it has.
        updates: how it follows the service.
        is_by_option: whether it has its token as ``token``, else in the header ``api_token``.
        has_token_early: whether it is started with its token; else it is restarted with it.
    """

    number: int
    is_async: bool
    updates: str
    is_by_option: bool
    has_token_early: bool

    @property
    def name(self) -> str:
        """What its token is called."""
        return f"program-{self.number}"

    @property
    def grant(self) -> str:
        """What its token allows: some declare settings, some have them declared by others."""
        return "read" if self.number % 3 else "declare:fleet."

    @property
    def interval_s(self) -> float:
        """How often it asks."""
        if self.updates == "stream":
            return _STREAM_INTERVAL_S
        return _MIN_INTERVAL_S + (_MAX_INTERVAL_S - _MIN_INTERVAL_S) * self.number / SIZE


def list_members() -> list[Member]:
    """Return what the fleet is to be: each combination, and some of them twice."""
    bits = [[bool(number >> bit & 1) for bit in range(4)] for number in range(SIZE)]
    return [
        Member(number, is_async, "poll" if is_polling else "stream", is_by_option, has_token_early)
        for number, (is_async, is_polling, is_by_option, has_token_early) in enumerate(bits)
    ]


class Report(NamedTuple):
    """What a program has said in the end: see ``fleet_program``."""

    updates: int
    failed: Sequence[str]
    state: str
    value: int
    seen: Sequence[str]


class Program:
    """A program that runs. A context manager, which ends it.

    Args:
        member: what it is like.
        url: of the service.
        token: what it has; ``None`` for none.
        directory: for its log and its file of last known values.
    """

    def __init__(self, member: Member, url: str, token: str | None, directory: Path) -> None:
        self.member = member
        self._plan: dict[str, Any] = {
            "url": url,
            "token": token,
            "is_async": member.is_async,
            "updates": member.updates,
            "interval_s": member.interval_s,
            "is_by_option": member.is_by_option,
            "last_known_file": str(directory / f"{member.name}.last"),
        }
        self._log = directory / f"{member.name}.log"

    def __enter__(self) -> Self:
        with self._log.open("a") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "benchmarks.rollout.fleet_program"],
                cwd=ROOT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        self._say(json.dumps(self._plan) + "\n")
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.communicate()

    def await_start(self) -> None:
        """Wait until its client has started.

        Raises:
            AssertionError: it could not.
        """
        if self._output.readline() != "ready\n":
            raise AssertionError(f"{self.member} did not start: {self._log.read_text()[-2000:]}")

    def finish(self) -> Report:
        """End it; return what it says."""
        output, _ = self._process.communicate(timeout=_PATIENCE_S)
        facts = json.loads(output)
        return Report(**facts)

    @property
    def _output(self) -> IO[str]:
        if self._process.stdout is None:
            raise AssertionError("it is a pipe")
        return self._process.stdout

    def _say(self, text: str) -> None:
        if self._process.stdin is None:
            raise AssertionError("it is a pipe")
        self._process.stdin.write(text)
        self._process.stdin.flush()
