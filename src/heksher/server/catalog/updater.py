"""The thread that keeps the catalog at the newest revision and detects whether the database can be read and written."""

import logging
import threading
import time
from collections.abc import Callable
from typing import Final

from heksher.backoff import FailureRow, draw
from heksher.server.catalog.availability import Availability
from heksher.server.catalog.catalog import Catalog
from heksher.server.catalog.writability import Writability, find_reason
from heksher.server.storage.base import Storage
from heksher.server.storage.listener import Listener
from heksher.server.storage.storage_errors import StorageError

logger: logging.Logger = logging.getLogger(__name__)

# The longest delay before the first retry after a failure, and the longest delay of all.
_FIRST_RETRY_S: Final = 0.2
_MAX_RETRY_S: Final = 2.0
# How often to check whether a write is possible.
_CHECK_INTERVAL_S: Final = 2.0
# How long close waits: a database that does not answer must not keep the process from ending.
_CLOSE_TIMEOUT_S: Final = 2.0


class CatalogUpdater:
    """Looks at the database at intervals, when the database announces a write, and on request.

    Args:
        catalog: the catalog to keep at the newest revision.
        storage: the storage of the catalog.
        availability: records whether the database can be read.
        writability: records whether writes can succeed.
        report: called after each look.
    """

    def __init__(
        self,
        catalog: Catalog,
        storage: Storage,
        availability: Availability,
        writability: Writability,
        report: Callable[[], object],
    ) -> None:
        self._catalog = catalog
        self._storage = storage
        self._availability = availability
        self._writability = writability
        # When to check next whether a write is possible, by ``time.monotonic()``.
        self._next_check_s = 0.0
        self._report = report
        self._is_closed = False
        self._failures = FailureRow()
        # The last logged fault, as long as it persists; None if there is none.
        self._fault: str | None = None
        # None until started.
        self._listener: Listener | None = None
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Check whether a write is possible, so that the log of a start says it, and start the thread."""
        self._check_writes()
        self._listener = self._storage.listen()
        self._thread = threading.Thread(target=self._run, args=(self._listener,), name="heksher-updater", daemon=True)
        self._thread.start()

    def look(self) -> None:
        """Look at the database at once. May be called from any thread."""
        if self._listener is not None:
            self._listener.interrupt()

    def close(self) -> None:
        """Stop the thread."""
        self._is_closed = True
        self.look()
        if self._thread is not None:
            self._thread.join(_CLOSE_TIMEOUT_S)

    def _run(self, listener: Listener) -> None:
        while not self._is_closed:
            listener.wait(self._choose_delay_s())
            if not self._is_closed:
                self._follow()
                self._check_writes()
                self._report()
        listener.close()

    def _choose_delay_s(self) -> float:
        if not self._failures.count:
            return self._storage.poll_interval_s
        # Random, so that replicas do not retry in step.
        return self._failures.span_s(first_s=_FIRST_RETRY_S, longest_s=_MAX_RETRY_S) * draw(0.5, 1)

    def _follow(self) -> None:
        try:
            self._catalog.refresh()
        except StorageError as error:
            self._failures.fail()
            self._availability.note(error)
        # Any error at all: if the thread ended, the catalog would never be current again.
        except Exception as error:
            self._failures.fail()
            # Repeating the same error would bury everything else in the log.
            if repr(error) != self._fault:
                logger.exception("following the change log failed; it is tried again")
            self._fault = repr(error)
        else:
            if self._availability.problem is not None:
                # Perhaps it is another one that has taken its place.
                self._catalog.doubt()
            self._failures.end()
            self._fault = None
            self._availability.note(None)

    def _check_writes(self) -> None:
        if self._availability.problem is not None or time.monotonic() < self._next_check_s:
            return
        began_s = time.monotonic()
        self._next_check_s = began_s + _CHECK_INTERVAL_S
        try:
            self._storage.check_writes()
        except StorageError as error:
            # What is only away is found, and told, by the next look.
            if find_reason(error) != "database down":
                self._writability.note_check(error, began_s)
        # As in _follow.
        except Exception:
            logger.exception("checking whether a write is possible failed; it is tried again")
        else:
            self._writability.note_check(None, began_s)
