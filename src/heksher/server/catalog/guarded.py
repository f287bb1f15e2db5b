"""A storage backed by the catalog, so that reads work while the database cannot be reached."""

import threading
import time
from collections.abc import Callable
from datetime import datetime
from typing import Final, TypeVar

from heksher.revision_id import RevisionId
from heksher.server.catalog.availability import Availability
from heksher.server.catalog.catalog import Catalog
from heksher.server.catalog.reader import PictureReader
from heksher.server.catalog.writability import Writability
from heksher.server.storage.base import NOBODY, Expectation, Origin, Reader, Storage, Writer, Written
from heksher.server.storage.listener import Listener
from heksher.server.storage.storage_errors import ContractError, ExpectationError, StorageError

T = TypeVar("T")

# How many readers may wait for the database at once: fewer than there are connections, so that the updater has one.
_MAX_READERS: Final = 8
# How long the others wait for their turn, before they are answered from memory.
_TURN_TIMEOUT_S: Final = 1.0
# How long no read is tried after one has failed, so that not each of them waits for what keeps all waiting, such as a
# table that is locked. The updater keeps the catalog at the newest revision meanwhile, if it can.
_REST_S: Final = 5.0


class GuardedStorage(Storage):
    """A storage whose readers get the catalog's picture when the database cannot be reached.

    ``write`` brings the catalog up to date before it returns, so later queries to this process see the write.

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
        self._turns = threading.BoundedSemaphore(_MAX_READERS)

    @property
    def poll_interval_s(self) -> float:
        return self._inner.poll_interval_s

    def open(self) -> None:
        self._inner.open()

    def close(self) -> None:
        self._inner.close()

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
        if self._availability.problem is None and self._take_turn():
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
                self._turns.release()
        return work(PictureReader(self._catalog.load().picture))

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
        self._follow(written.revision_id)
        return written

    def _take_turn(self) -> bool:
        return self._turns.acquire(timeout=None if self._catalog.state is None else _TURN_TIMEOUT_S)

    def _is_resting(self) -> bool:
        return time.monotonic() < self._rest_end_s and self._catalog.state is not None

    def _follow(self, revision: RevisionId) -> None:
        try:
            # With its stamp: a number that is there already may be that of a change which the database has lost.
            self._catalog.refresh(revision)
        except StorageError:
            # The write is stored, so its caller must not get an error. The updater brings the catalog up to date, and
            # logs what is wrong.
            self._look()
