"""Whether the database can be reached."""

import logging

import pytest

from heksher.server.catalog.availability import Availability
from heksher.server.storage.storage_errors import StorageUnavailableError


def test_a_database_can_be_reached_until_it_is_known_otherwise():
    """Then whoever needs it is told at once, with the reason."""
    availability = Availability()
    availability.require()
    availability.note(StorageUnavailableError("no route to host"))
    with pytest.raises(StorageUnavailableError, match="no route to host"):
        availability.require()
    availability.note(None)
    availability.require()


def test_an_outage_is_logged_twice(caplog: pytest.LogCaptureFixture):
    """When it begins, and when it ends, with its length; the reason is the newest one meanwhile."""
    availability = Availability()
    with caplog.at_level(logging.INFO, "heksher"):
        for problem in (None, "first", "second", "second", None, None):
            availability.note(StorageUnavailableError(problem) if problem else None)
            assert problem == (availability.problem and str(availability.problem))
    assert [logging.ERROR, logging.INFO] == [record.levelno for record in caplog.records]
    assert "first" in caplog.messages[0]
    assert "reached again, after 0.0 seconds" in caplog.messages[1]


def test_it_is_known_since_when(monkeypatch: pytest.MonkeyPatch):
    """Since it last became so."""
    times = [100.0]
    monkeypatch.setattr("time.monotonic", lambda: times[0])
    availability = Availability()
    times[0] = 105.0
    availability.note(StorageUnavailableError("away"))
    times[0] = 107.0
    availability.note(StorageUnavailableError("away"))
    assert 105.0 == availability.since_s
