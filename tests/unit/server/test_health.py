"""Whether the service works."""

from datetime import UTC, datetime, timedelta

import pytest

from heksher.server.catalog.availability import Availability
from heksher.server.catalog.catalog import Catalog
from heksher.server.catalog.writability import Writability
from heksher.server.health import Readiness
from heksher.server.storage.storage_errors import Reason, StorageUnavailableError
from tests.support.catalogs import open_fragile
from tests.support.restorable_storage import RestorableStorage


class Known:
    """What a process knows, and what it says of it."""

    def __init__(self) -> None:
        self.catalog = Catalog(open_fragile(), 0)
        self.availability, self.writability, self.is_ending = Availability(), Writability(), False
        self.readiness = Readiness(self.catalog, self.availability, self.writability, lambda: self.is_ending)


@pytest.fixture
def known() -> Known:
    """A process that has not loaded anything."""
    return Known()


def test_health_is_that_of_the_database(known: Known):
    """As far as it is known; nothing is asked of it."""
    assert known.readiness.is_healthy()
    known.availability.note(StorageUnavailableError("away"))
    assert not known.readiness.is_healthy()


@pytest.mark.parametrize(
    ("reason", "is_healthy"),
    [("read-only", True), ("disk full", True), ("locked", True), ("file gone", False), ("file replaced", False)],
)
def test_a_database_that_can_be_read_is_healthy(known: Known, reason: Reason, is_healthy: bool):
    """Though no write is possible; not if another file is in its place, or none."""
    known.writability.note_check(StorageUnavailableError("no write", reason))
    assert (is_healthy, reason) == (known.readiness.is_healthy(), known.readiness.describe()["writes"])


@pytest.mark.parametrize("reason", ["database down", "schema missing"])
def test_what_concerns_reads_concerns_writes(known: Known, reason: Reason):
    """And is told before what only concerns writes."""
    known.writability.note_check(StorageUnavailableError("no room", "disk full"))
    known.availability.note(StorageUnavailableError("away", reason))
    assert reason == known.readiness.describe()["writes"]


def test_readiness_is_that_of_the_catalog(known: Known, monkeypatch: pytest.MonkeyPatch):
    """The database is told of, and counts for nothing; the age is that of the last look that found it there."""
    time_s = [100.0]
    monkeypatch.setattr("time.monotonic", lambda: time_s[0])
    unknown = {"revision": None, "revision_id": None, "history_lost_at": None, "age_s": None}
    possible = {"database": "up", "writes": "possible"}
    assert {"ready": False, **unknown, **possible} == known.readiness.describe()
    revision_id = str(known.catalog.load().picture.revision_id)
    time_s[0] = 102.5
    facts = {"ready": True, "revision": 1, "revision_id": revision_id, "history_lost_at": None, "age_s": 2.5}
    assert {**facts, **possible} == known.readiness.describe()
    known.availability.note(StorageUnavailableError("away"))
    assert {**facts, "database": "down", "writes": "database down"} == known.readiness.describe()
    known.is_ending = True
    assert not known.readiness.describe()["ready"]


def test_lost_changes_are_told() -> None:
    """Since when the database is known to have another history, and which one it has now."""
    storage = RestorableStorage(open_fragile())
    catalog = Catalog(storage, 0)
    before = catalog.load().picture.revision_id
    storage.content = open_fragile()
    catalog.refresh()
    facts = Readiness(catalog, Availability(), Writability(), lambda: False).describe()
    assert (True, 1) == (facts["ready"], facts["revision"])
    assert str(before) != facts["revision_id"]
    age = datetime.now(UTC) - datetime.fromisoformat(str(facts["history_lost_at"]))
    assert timedelta(0) <= age < timedelta(minutes=1)
