"""A storage backed by the catalog, so that reads work while the database cannot be reached."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, TypeVar

from heksher.server.catalog.availability import Availability
from heksher.server.catalog.catalog import Catalog
from heksher.server.catalog.reader import PictureReader
from heksher.server.storage.base import NOBODY, Expectation, Origin, Reader, Storage, Writer, Written
from heksher.server.storage.listener import Listener
from heksher.server.storage.storage_errors import StorageError, StorageUnavailableError

T = TypeVar("T")

# How often a write looks whether it has become known while it waited for others, and how long it waits for them.
_MAX_LOOKS: Final = 5
_TURN_TIMEOUT_S: Final = 10.0


class GuardedStorage(Storage):
    """A storage whose readers get the catalog's picture when the database cannot be reached.

    ``write`` brings the catalog up to date before it returns, so later queries to this process see the write.
    ``recall`` answers from the catalog's picture whether or not the database is there.

    Args:
        inner: the storage that is guarded.
        catalog: the catalog of that storage.
        availability: whether the database can be reached; while it cannot, no call waits for it.
        look: called when a call finds that the database cannot be reached, to have the updater look at it.
    """

    def __init__(
        self, inner: Storage, catalog: Catalog, availability: Availability, look: Callable[[], object]
    ) -> None:
        self._inner = inner
        self._catalog = catalog
        self._availability = availability
        self._look = look
        # Held by the one that writes what was not known.
        self._turn = threading.Lock()
        # The highest position (see ``CatalogState``) of a write that was answered though the catalog could not follow.
        self._owed = (0, 0)

    @property
    def poll_interval_s(self) -> float:
        return self._inner.poll_interval_s

    def open(self) -> None:
        self._inner.open()

    def close(self) -> None:
        self._inner.close()

    def listen(self) -> Listener:
        return self._inner.listen()

    def check(self) -> None:
        self._availability.require()
        self._inner.check()

    def read(self, work: Callable[[Reader], T]) -> T:
        if self._availability.problem is None:
            try:
                return self._inner.read(work)
            except StorageUnavailableError:
                self._look()
                if self._catalog.state is None:
                    raise
        return work(PictureReader(self._catalog.load().picture))

    def recall(self, work: Callable[[Reader], T], at_least: int = 0) -> Written[T] | None:
        state = self._catalog.state
        if state is None or state.picture.revision < at_least or state.position < self._owed:
            return None
        return Written(work(PictureReader(state.picture)), state.picture.revision)

    def write_unless_known(
        self,
        know: Callable[[Reader], T | None],
        work: Callable[[Writer], T],
        origin: Origin = NOBODY,
        at_least: int = 0,
    ) -> Written[T]:
        # Of many that write the same at once, one does, and the others know it when their turns come. They look again
        # outside of their turns, which would take the others' time.
        for _ in range(_MAX_LOOKS):
            state = self._catalog.state
            known = self.recall(know, at_least)
            if known is not None and known.result is not None:
                return Written(known.result, known.revision)
            with self._taking_turns():
                if self._catalog.state is state:
                    return self.write(work, origin)
        return self.write(work, origin)

    def write(
        self, work: Callable[[Writer], T], origin: Origin = NOBODY, expected: Expectation | None = None
    ) -> Written[T]:
        self._availability.require()
        try:
            written = self._inner.write(work, origin, expected)
        except StorageUnavailableError:
            self._look()
            raise
        self._follow(written)
        return written

    @contextmanager
    def _taking_turns(self) -> Iterator[None]:
        if not self._turn.acquire(timeout=_TURN_TIMEOUT_S):
            raise StorageUnavailableError(
                f"other writes that the service did not know took {_TURN_TIMEOUT_S:g} seconds"
            )
        try:
            yield
        finally:
            self._turn.release()

    def _follow(self, written: Written[T]) -> None:
        try:
            if written.entry is None or not self._catalog.take(written.entry, written.previous_stamp):
                self._catalog.refresh(written.revision)
        except StorageError:
            # The write is stored, so its caller must not get an error. The updater brings the catalog up to date, and
            # logs what is wrong.
            self._note_debt(written.revision)
            self._look()

    def _note_debt(self, revision: int) -> None:
        # Without a state nothing is recalled, and what is loaded later has the write.
        if (state := self._catalog.state) is not None:
            self._owed = max(self._owed, (state.era, revision))
