"""What an adapter is: a library behind an interface that all of them share.

An adapter serves one workload. ``encode`` writes the rules in the form in which the library's service sends them, as
far as it has one; ``load`` takes it from there until the library is ready to answer. Only ``load`` is timed.

A question is asked by an expression, which is compiled into the timed loop, so that nothing is timed but the library
and the call itself. Objects that a library wants for a question (a user, an evaluation context) are made beforehand and
are not timed, which is in favour of all libraries but heksher, whose calls take strings.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar, NamedTuple

from benchmarks.workloads import FEATURES, Question, Workload

FLAG = "cache_ttl"


class Call(NamedTuple):
    """How a question is asked.

    Attributes:
        expression: Python; ``{name}`` stands for the object of that name.
        objects: what the expression needs, by name.
        before: a statement with the same placeholders that sets what holds around the call; its cost is taken off.
    """

    expression: str
    objects: Mapping[str, object]
    before: str = ""


class BaseAdapter(ABC):
    """A library that serves one workload.

    Attributes:
        title: as it stands in the table.
        distribution: on PyPI, whose version stands in the table; "" for this project.
        has_ambient: whether context can come from constants and a ContextVar.
        known_differences: what the library answers by its own documentation or well-known faults, by the right answer
            and the values of all features.
        is_ambient: whether environment and theme are to come from a constant default and a ContextVar; set before
            ``load``.
    """

    title: ClassVar[str]
    distribution: ClassVar[str]
    has_ambient: ClassVar[bool] = False
    known_differences: ClassVar[Mapping[tuple[str, ...], str]] = {}
    is_ambient: bool = False

    @abstractmethod
    def encode(self, workload: Workload) -> bytes:
        """Write the rules as they come over the wire."""

    @abstractmethod
    def load(self, wire: bytes) -> None:
        """Make the library ready to answer; of the workload only ``is_ambient`` may be looked at."""

    @abstractmethod
    def call(self, question: Question) -> Call:
        """Say how a question is asked."""

    def close(self) -> None:  # noqa: B027 - most have nothing to end
        """End what ``load`` started."""

    def expect(self, workload: Workload) -> list[str]:
        """Return the answers that are right for this library."""
        cases = zip(workload.expected, workload.questions, strict=True)
        return [
            self.known_differences.get((right, *(question.context[feature] for feature in FEATURES)), right)
            for right, question in cases
        ]


def write_keywords(question: Question) -> str:
    """Write what a question gives as keyword arguments."""
    return ", ".join(f"{feature}={value!r}" for feature, value in question.given.items())
