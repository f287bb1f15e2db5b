"""A storage that keeps its readers waiting, as a database that has stopped answering does."""

import threading
from collections.abc import Callable
from typing import TypeVar

from heksher.server.storage.base import NOBODY, Expectation, Origin, Reader, Writer, Written
from heksher.server.storage.memory import MemoryStorage
from heksher.server.storage.storage_errors import StorageUnavailableError
from tests.support.fake_service import DEADLINE_S

T = TypeVar("T")


class HeldStorage(MemoryStorage):
    """A storage in memory, open, that can be held up.

    Attributes:
        reads: how many units of reading work were begun.
        waiting: how many units of work wait.
        is_held: whether units of work wait, until ``fail`` or ``let_go``.
    """

    def __init__(self) -> None:
        super().__init__()
        self.reads = self.waiting = 0
        self.is_held = False
        self._is_failing = False
        # Guards the numbers; notified when waiting ends.
        self._held = threading.Condition()
        self.open()

    def hold(self) -> None:
        """Keep whatever comes waiting."""
        with self._held:
            self.is_held, self._is_failing = True, False

    def fail(self) -> None:
        """Have whatever waits fail, and what comes, too."""
        with self._held:
            self._is_failing = True
            self._held.notify_all()

    def let_go(self) -> None:
        """Have whatever waits go on."""
        with self._held:
            self.is_held = False
            self._held.notify_all()

    def read(self, work: Callable[[Reader], T]) -> T:
        with self._held:
            self.reads += 1
        self._wait()
        return super().read(work)

    def write(
        self, work: Callable[[Writer], T], origin: Origin = NOBODY, expected: Expectation | None = None
    ) -> Written[T]:
        self._wait()
        return super().write(work, origin, expected)

    def _wait(self) -> None:
        with self._held:
            self.waiting += 1
            self._held.wait_for(lambda: self._is_failing or not self.is_held, DEADLINE_S)
            self.waiting -= 1
            if self.is_held:
                raise StorageUnavailableError("the database did not answer")
