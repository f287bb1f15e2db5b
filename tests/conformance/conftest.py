"""Fixtures for the suites that hold for every implementation of a contract."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from heksher.server.operations.logged_change import change_features
from heksher.server.storage.base import Storage, Writer
from tests.support.drivers import driver, own_process  # noqa: F401 - fixtures
from tests.support.fake_service import FakeService
from tests.support.lent_places import lend_place
from tests.support.logged_steps import ORDER
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
def featured(storage: Storage) -> Storage:
    """A storage with context features, at revision 1."""

    def work(writer: Writer) -> None:
        writer.set_context_features(ORDER)
        writer.record(change_features("add", [], ORDER))

    storage.write(work)
    return storage


@pytest.fixture
def service() -> FakeService:
    """A service with the context features ``a``, ``b`` and ``c``."""
    return FakeService("a", "b", "c")
