"""A storage backed by the catalog, so that reads work while the database cannot be reached."""

import math
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Final, TypeVar

from heksher.revision_id import RevisionId
from heksher.server.catalog.availability import Availability
from heksher.server.catalog.catalog import Catalog
from heksher.server.catalog.reader import PictureReader
from heksher.server.catalog.writability import Writability
from heksher.server.storage.base import NOBODY, Expectation, Notes, Origin, Reader, Storage, Writer, Written
from heksher.server.storage.listener import Listener
from heksher.server.storage.storage_errors import (
    ContractError,
    ExpectationError,
    StorageError,
    StorageUnavailableError,
)

T = TypeVar("T")

# How many readers may wait for the database at once: fewer than there are connections, so that the updater has one.
_MAX_READERS: Final = 8
# How long the others wait for their turn, before they are answered from memory.
_READER_TURN_TIMEOUT_S: Final = 1.0
# How long no read is tried after one has failed, so that not each of them waits for what keeps all waiting, such as a
# table that is locked. The updater keeps the catalog at the newest revision meanwhile, if it can.
_REST_S: Final = 5.0
# How long a write waits for others, which may make it known.
_WRITER_TURN_TIMEOUT_S: Final = 10.0


class GuardedStorage(Storage):
    """A storage whose readers get the catalog's picture when the database cannot be reached.

    ``write`` brings the catalog up to date before it returns, so later queries to this process see the write.
    ``recall`` answers from the catalog's picture whether or not the database is there.

    Args:
        inner: the storage that is guarded.
        catalog: the catalog of that storage.
        availability: whether the database can be read; while it cannot, no call waits for it.
        writability: is told what becomes of writes.
        look: called when a call finds that the database cannot be reached, to have the updater look at it.
    """

    def __init__(
        self,
        inner: Storage,
        catalog: Catalog,
        availability: Availability,
        writability: Writability,
        look: Callable[[], object],
    ) -> None:
        self._inner = inner
        self._catalog = catalog
        self._availability = availability
        self._writability = writability
        self._look = look
        # Until when reads are answered from memory, by ``time.monotonic()``.
        self._rest_end_s = 0.0
        self._reader_turns = threading.BoundedSemaphore(_MAX_READERS)
        # Held by the one that writes what was not known.
        self._writer_turn = threading.Lock()
        # When a write was last answered though the catalog could not follow it, by ``time.monotonic()``.
        self._owed_since_s = -math.inf
        self._debt_lock = threading.Lock()

    @property
    def poll_interval_s(self) -> float:
        return self._inner.poll_interval_s

    def open(self) -> None:
        self._inner.open()

    def close(self) -> None:
        self._inner.close()

    def note(self, work: Callable[[Notes], T]) -> T:
        self._availability.require()
        return self._inner.note(work)

    def prune(self, before: datetime) -> int:
        return self._inner.prune(before)

    def listen(self) -> Listener:
        return self._inner.listen()

    def check(self) -> None:
        self._availability.require()
        self._inner.check()

    def check_writes(self) -> None:
        self._availability.require()
        self._inner.check_writes()

    def read(self, work: Callable[[Reader], T]) -> T:
        if self._availability.problem is None and self._take_reader_turn():
            try:
                if not self._is_resting():
                    return self._inner.read(work)
            except ContractError:
                raise  # a fault of this program
            except StorageError:
                self._rest_end_s = time.monotonic() + _REST_S
                self._look()
                if self._catalog.state is None:
                    raise
            finally:
                self._reader_turns.release()
        return work(PictureReader(self._catalog.load().picture))

    def recall(self, work: Callable[[Reader], T], at_least: RevisionId | None = None) -> Written[T] | None:
        if self._is_owing():
            return None
        state = self._catalog.state
        if state is None or not (at_least is None or state.has(at_least)):
            return None
        return Written(work(PictureReader(state.picture)), *state.picture.revision_id)

    def write_unless_known(
        self,
        know: Callable[[Reader], T | None],
        work: Callable[[Writer], T],
        origin: Origin = NOBODY,
        at_least: RevisionId | None = None,
    ) -> Written[T]:
        # Of many that write the same at once, one does, and the others know it when their turns come: to look once more
        # takes the others less time than to ask the database.
        state = self._catalog.state
        if (known := self._find_known(know, at_least)) is not None:
            return known
        with self._taking_writer_turn():
            if self._catalog.state is not state and (known := self._find_known(know, at_least)) is not None:
                return known
            return self.write(work, origin)

    def _find_known(self, know: Callable[[Reader], T | None], at_least: RevisionId | None) -> Written[T] | None:
        known = self.recall(know, at_least)
        if known is None or known.result is None:
            return None
        return Written(known.result, *known.revision_id)

    def write(
        self, work: Callable[[Writer], T], origin: Origin = NOBODY, expected: Expectation | None = None
    ) -> Written[T]:
        self._availability.require()
        try:
            written = self._inner.write(work, origin, expected)
        except (ContractError, ExpectationError):
            raise  # the database is well
        except StorageError as error:
            self._writability.note_refusal(error)
            self._look()
            raise
        self._writability.note_success()
        self._follow(written)
        return written

    def _take_reader_turn(self) -> bool:
        return self._reader_turns.acquire(timeout=None if self._catalog.state is None else _READER_TURN_TIMEOUT_S)

    @contextmanager
    def _taking_writer_turn(self) -> Iterator[None]:
        if not self._writer_turn.acquire(timeout=_WRITER_TURN_TIMEOUT_S):
            raise StorageUnavailableError(
                f"other writes that the service did not know took {_WRITER_TURN_TIMEOUT_S:g} seconds"
            )
        try:
            yield
        finally:
            self._writer_turn.release()

    def _is_resting(self) -> bool:
        return time.monotonic() < self._rest_end_s and self._catalog.state is not None

    def _follow(self, written: Written[T]) -> None:
        try:
            if written.entry is None or not self._catalog.take(written.entry, written.previous_stamp):
                # With its stamp: a number that is there already may be that of a change which the database has lost.
                self._catalog.refresh(written.revision_id)
        except StorageError:
            # The write is stored, so its caller must not get an error. The updater brings the catalog up to date, and
            # logs what is wrong.
            self._note_debt()
            self._look()

    def _note_debt(self) -> None:
        with self._debt_lock:
            self._owed_since_s = time.monotonic()

    def _is_owing(self) -> bool:
        # Any look that has begun since then has found the write, or that the database has lost it.
        return (self._catalog.checked_at_s or 0.0) <= self._owed_since_s
