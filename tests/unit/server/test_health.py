"""Whether the service works."""

import logging
from datetime import UTC, datetime, timedelta

import pytest

from heksher.server.catalog.availability import Availability
from heksher.server.catalog.catalog import Catalog
from heksher.server.health import Readiness, is_healthy
from heksher.server.storage.memory import MemoryStorage
from tests.support.catalogs import open_fragile
from tests.support.restorable_storage import RestorableStorage


def test_health_is_that_of_the_storage(caplog: pytest.LogCaptureFixture):
    """The reason of a failure is logged, as a warning."""
    storage = MemoryStorage()
    with caplog.at_level(logging.INFO, "heksher"):
        assert not is_healthy(storage)
    assert [("heksher.server.health", logging.WARNING)] == [(record.name, record.levelno) for record in caplog.records]
    storage.open()
    assert is_healthy(storage)


def test_readiness_is_that_of_the_catalog(monkeypatch: pytest.MonkeyPatch):
    """The database is told of, and counts for nothing; the age is that of the last look that found it there."""
    time_s = [100.0]
    monkeypatch.setattr("time.monotonic", lambda: time_s[0])
    catalog, availability, is_ending = Catalog(open_fragile(), 0), Availability(), [False]
    readiness = Readiness(catalog, availability, lambda: is_ending[0])
    unknown = {"revision": None, "revision_id": None, "history_lost_at": None, "age_s": None}
    assert {"ready": False, **unknown, "database": "up"} == readiness.describe()
    catalog.load()
    time_s[0] = 102.5
    availability.note("away")
    known = {
        "revision": 1,
        "revision_id": str(catalog.state.picture.revision_id),
        "history_lost_at": None,
        "age_s": 2.5,
    }
    assert {"ready": True, **known, "database": "down"} == readiness.describe()
    is_ending[0] = True
    assert not readiness.describe()["ready"]


def test_lost_changes_are_told() -> None:
    """Since when the database is known to have another history, and which one it has now."""
    storage = RestorableStorage(open_fragile())
    catalog = Catalog(storage, 0)
    before = catalog.load().picture.revision_id
    storage.content = open_fragile()
    catalog.refresh()
    facts = Readiness(catalog, Availability(), lambda: False).describe()
    assert (True, 1) == (facts["ready"], facts["revision"])
    assert str(before) != facts["revision_id"]
    age = datetime.now(UTC) - datetime.fromisoformat(str(facts["history_lost_at"]))
    assert timedelta(0) <= age < timedelta(minutes=1)
