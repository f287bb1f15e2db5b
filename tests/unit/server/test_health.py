"""Whether the service works."""

import logging

import pytest

from heksher.server.catalog.availability import Availability
from heksher.server.catalog.catalog import Catalog
from heksher.server.health import Readiness, is_healthy
from heksher.server.storage.memory import MemoryStorage
from tests.support.catalogs import open_fragile


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
    assert {"ready": False, "revision": None, "age_s": None, "database": "up"} == readiness.describe()
    catalog.load()
    time_s[0] = 102.5
    availability.note("away")
    assert {"ready": True, "revision": 1, "age_s": 2.5, "database": "down"} == readiness.describe()
    is_ending[0] = True
    assert not readiness.describe()["ready"]
