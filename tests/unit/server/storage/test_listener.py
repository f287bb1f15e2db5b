"""Tests of listeners that are told nothing by a database; what all have in common is in ``tests/conformance``."""

import pytest

from heksher.server.storage.dialects import dialect_for
from heksher.server.storage.listener import Listener
from heksher.server.storage.memory import MemoryStorage
from heksher.server.storage.sql import SqlStorage


@pytest.mark.parametrize("url", ["heksher.db", "postgresql://host/db?heksher_listen=off"])
def test_nobody_tells(url: str) -> None:
    """Where nobody tells of writes, or nobody is asked, waiting needs no connection."""
    assert type(dialect_for(url).listen()) is Listener


def test_looks_more_often_where_nobody_tells() -> None:
    """A file is looked at ten times a second, because nothing tells of its changes; a server once."""
    storages = MemoryStorage(), SqlStorage("heksher.db"), SqlStorage("postgresql://host/db")
    assert [1.0, 0.1, 1.0] == [storage.poll_interval_s for storage in storages]
