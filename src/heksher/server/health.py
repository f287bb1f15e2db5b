"""Health and readiness of the service."""

import time
from collections.abc import Callable
from typing import Final

from heksher.server.catalog.availability import Availability
from heksher.server.catalog.catalog import Catalog
from heksher.server.catalog.writability import Writability, find_reason
from heksher.server.json_form import JSONObject

# With these, what is read does not come from the place that the database is configured to be in.
_MISPLACED: Final = frozenset({"file gone", "file replaced"})


class Readiness:
    """Whether this process can serve requests, and the facts behind that.

    Args:
        catalog: the catalog that queries are answered from.
        availability: whether the database can be read.
        writability: whether it can be written to.
        is_ending: returns whether the process is about to end.
    """

    def __init__(
        self, catalog: Catalog, availability: Availability, writability: Writability, is_ending: Callable[[], bool]
    ) -> None:
        self._catalog = catalog
        self._availability = availability
        self._writability = writability
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
            "writes": self.find_write_problem() or "possible",
        }

    def find_write_problem(self) -> str | None:
        """Return in a word or two why no write can succeed; ``None`` if writes can."""
        problem = self._availability.problem
        return self._writability.problem if problem is None else find_reason(problem)

    def is_healthy(self) -> bool:
        """Return whether the database is there, as far as this process knows. Nothing is asked of it."""
        return self._availability.problem is None and self._writability.problem not in _MISPLACED
