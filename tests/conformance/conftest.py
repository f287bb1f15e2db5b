"""Fixtures for the suites that hold for every implementation of a contract."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from heksher.server.storage.base import Storage
from tests.support.drivers import driver, own_process  # noqa: F401 - fixtures
from tests.support.fake_service import FakeService
from tests.support.lent_places import lend_place
from tests.support.storages import STORAGE_KINDS, Place


@pytest.fixture(params=STORAGE_KINDS)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    """An empty place of each kind of storage."""
    with lend_place(request.param, tmp_path) as place:
        yield place


@pytest.fixture
def storage(place: Place) -> Iterator[Storage]:
    """An open, empty storage of each kind."""
    storage = place.connect()
    storage.open()
    yield storage
    storage.close()


@pytest.fixture
def service() -> FakeService:
    """A service with the context features ``a``, ``b`` and ``c``."""
    return FakeService("a", "b", "c")
