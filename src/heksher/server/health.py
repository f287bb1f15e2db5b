"""Health and readiness of the service."""

import logging
import time
from collections.abc import Callable

from heksher.server.catalog.availability import Availability
from heksher.server.catalog.catalog import Catalog
from heksher.server.json_form import JSONObject
from heksher.server.storage.base import Storage
from heksher.server.storage.storage_errors import StorageUnavailableError

logger: logging.Logger = logging.getLogger(__name__)


class Readiness:
    """Whether this process can serve requests, and the facts behind that.

    Args:
        catalog: the catalog that queries are answered from.
        availability: whether the database can be reached.
        is_ending: returns whether the process is about to end.
    """

    def __init__(self, catalog: Catalog, availability: Availability, is_ending: Callable[[], bool]) -> None:
        self._catalog = catalog
        self._availability = availability
        self._is_ending = is_ending

    def describe(self) -> JSONObject:
        """Return the facts: ``ready`` decides; the age is in seconds, ``null`` before the first look."""
        state, checked_at_s = self._catalog.state, self._catalog.checked_at_s
        lost_at = self._catalog.history_lost_at
        return {
            "ready": state is not None and not self._is_ending(),
            "revision": None if state is None else state.picture.revision,
            "revision_id": None if state is None else str(state.picture.revision_id),
            "history_lost_at": None if lost_at is None else lost_at.isoformat(timespec="seconds"),
            "age_s": None if checked_at_s is None else round(time.monotonic() - checked_at_s, 3),
            "database": "up" if self._availability.problem is None else "down",
        }


def is_healthy(storage: Storage) -> bool:
    """Return whether the storage can be reached."""
    try:
        storage.check()
    except StorageUnavailableError as error:
        logger.warning("the health check failed: %s", error)
        return False
    return True
