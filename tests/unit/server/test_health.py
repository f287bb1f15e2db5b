"""Whether the service works."""

import logging

import pytest

from heksher.server.health import is_healthy
from heksher.server.storage.memory import MemoryStorage


def test_health_is_that_of_the_storage(caplog: pytest.LogCaptureFixture):
    """The reason of a failure is logged, as a warning."""
    storage = MemoryStorage()
    with caplog.at_level(logging.INFO, "heksher"):
        assert not is_healthy(storage)
    assert [("heksher.server.health", logging.WARNING)] == [(record.name, record.levelno) for record in caplog.records]
    storage.open()
    assert is_healthy(storage)
