"""A storage that can be brought back to a backup while a service uses it."""

from collections.abc import Callable
from typing import TypeVar

from heksher.server.storage.base import NOBODY, Expectation, Notes, Origin, Reader, Storage, Writer, Written

T = TypeVar("T")


class RestorableStorage(Storage):
    """A storage whose content can be replaced.

    Args:
        content: what is read and written; open.
    """

    def __init__(self, content: Storage) -> None:
        self.content = content

    def open(self) -> None:
        pass

    def close(self) -> None:
        pass

    def check(self) -> None:
        pass

    def read(self, work: Callable[[Reader], T]) -> T:
        return self.content.read(work)

    def write(
        self, work: Callable[[Writer], T], origin: Origin = NOBODY, expected: Expectation | None = None
    ) -> Written[T]:
        return self.content.write(work, origin, expected)

    def note(self, work: Callable[[Notes], T]) -> T:
        return self.content.note(work)
