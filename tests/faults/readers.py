"""Readers without pause, or with short ones, who check every answer.

Values tell where they are from: the number of the *generation* in which the service had them, then a digit for the
context that they are for. So a reader can tell a value that the service never had, one for another context, and one
that is older than what was there before.
"""

import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple, Self

from heksher import Setting
from tests.faults.backstage import FEATURES

JOIN_S: Final = 10.0
# What counts as a pause.
PAUSE_S: Final = 0.005
# How often a reader asks everything before it rests.
ROUNDS: Final = 50


class Question(NamedTuple):
    """One thing to read; ``digit`` is that of the right answers."""

    get: Callable[..., int]
    contexts: Mapping[str, str]
    digit: int

    def read(self) -> int:
        """Ask it."""
        return self.get(**self.contexts)


class Probe:
    """Two settings to read: ``s`` with rules, and ``t``, whose default is all that it has.

    Attributes:
        newest: for each digit, the last generation that the service may have answered with; a reader must see none
            above it.
    """

    def __init__(self) -> None:
        self.settings = (Setting("s", int, FEATURES, 0), Setting("t", int, FEATURES[:1], 4))
        s, t = (setting.get for setting in self.settings)
        self.questions = (
            Question(s, {"a": "n", "b": "n"}, 0),
            Question(s, {"a": "x", "b": "n"}, 1),
            Question(s, {"a": "n", "b": "y"}, 2),
            Question(s, {"a": "x", "b": "y"}, 3),
            Question(t, {"a": "x"}, 4),
        )
        self.newest = [0] * len(self.questions)

    def generations(self) -> set[int]:
        """Return the generations that can be read at this moment; more than one if somebody reads during an update."""
        return {question.read() // 10 for question in self.questions}


def encode(generation: int) -> dict[str, object]:
    """Write what the service says of the settings in one generation."""
    value = generation * 10
    conditions = {1: [["a", "x"]], 2: [["b", "y"]], 3: [["a", "x"], ["b", "y"]]}
    rules = [
        {"rule_id": digit, "value": value + digit, "context_features": pairs} for digit, pairs in conditions.items()
    ]
    return {"s": {"default_value": value, "rules": rules}, "t": {"default_value": value + 4, "rules": []}}


def answer_at_once(**_contexts: str) -> int:
    """Do nothing: how long this seems to take is what the machine and the interpreter do to any call."""
    return 0


class Times:
    """How long calls took.

    Attributes:
        count: how many there were.
        worst_s: what the slowest one took.
        pauses: how many took longer than ``PAUSE_S``.
    """

    def __init__(self) -> None:
        self.count = 0
        self.worst_s = 0.0
        self.pauses = 0

    def add(self, elapsed_s: float) -> None:
        """Note a call."""
        self.count += 1
        self.worst_s = max(self.worst_s, elapsed_s)
        if elapsed_s > PAUSE_S:
            self.pauses += 1

    def __add__(self, other: "Times") -> "Times":
        total = Times()
        total.count = self.count + other.count
        total.worst_s = max(self.worst_s, other.worst_s)
        total.pauses = self.pauses + other.pauses
        return total


class Reader:
    """Reads in a thread of its own. A context manager.

    Args:
        probe: what to read.
        rest_s: how many seconds to rest now and then, for the sake of others on the machine; 0 to read without pause.

    Attributes:
        exceptions: what ``get`` raised.
        wrong: the answers that were not right, described.
        reads: how long reads took.
        noise: how long calls of a function that does nothing took meanwhile, one after each read.
    """

    def __init__(self, probe: Probe, rest_s: float = 0.0) -> None:
        self.exceptions: list[str] = []
        self.wrong: list[str] = []
        self.reads = Times()
        self.noise = Times()
        self._probe = probe
        self._rest_s = rest_s
        self._is_stopped = False
        self._thread = threading.Thread(target=self._run, name="reader", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_stopped = True
        self._thread.join(JOIN_S)

    def _run(self) -> None:
        seen = [0] * len(self._probe.questions)
        while not self._is_stopped:
            for question in self._probe.questions * ROUNDS:
                self._read(question, seen)
            if self._rest_s:
                time.sleep(self._rest_s)

    def _read(self, question: Question, seen: list[int]) -> None:
        clock = time.perf_counter
        start_s = clock()
        try:
            value: Any = question.get(**question.contexts)
        except Exception as error:  # noqa: BLE001 - that there is none is what is tested
            self.exceptions.append(repr(error))
            return
        read_s = clock()
        answer_at_once(**question.contexts)
        end_s = clock()
        self.reads.add(read_s - start_s)
        self.noise.add(end_s - read_s)
        generation, digit = divmod(value, 10)
        if digit != question.digit or not seen[digit] <= generation <= self._probe.newest[digit]:
            self.wrong.append(f"{question.contexts}: {value} after generation {seen[question.digit]}")
        seen[question.digit] = generation
