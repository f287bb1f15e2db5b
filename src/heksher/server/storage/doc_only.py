"""The storage of a service that only shows its documentation (``DOC_ONLY=true``): it stores nothing."""

from collections.abc import Callable
from typing import NoReturn, TypeVar

from heksher.server.storage.base import NOBODY, Expectation, Notes, Origin, Reader, Storage, Writer, Written
from heksher.server.storage.storage_errors import StorageUnavailableError

T = TypeVar("T")


class DocOnlyStorage(Storage):
    """Is always healthy, and refuses all reads and writes."""

    def open(self) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""

    def check(self) -> None:
        """Do nothing: such a service is healthy."""

    def read(self, work: Callable[[Reader], T]) -> T:
        del work
        _refuse()

    def write(
        self, work: Callable[[Writer], T], origin: Origin = NOBODY, expected: Expectation | None = None
    ) -> Written[T]:
        del work, origin, expected
        _refuse()

    def note(self, work: Callable[[Notes], T]) -> T:
        del work
        _refuse()


def _refuse() -> NoReturn:
    raise StorageUnavailableError("this service only shows its documentation: it was started with DOC_ONLY")
