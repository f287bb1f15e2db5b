"""A storage for each test, and what fills it."""

import pytest

from heksher.server.operations import context_features
from heksher.server.operations.declaration import declare
from heksher.server.storage.base import NOBODY, Storage
from heksher.server.storage.memory import MemoryStorage
from tests.support.operations import declaring


@pytest.fixture
def storage() -> Storage:
    """An open storage with three context features."""
    storage = MemoryStorage()
    storage.open()
    for feature in ("environment", "user", "theme"):
        context_features.add_feature(storage, feature, NOBODY)
    return storage


@pytest.fixture
def declared(storage: Storage) -> Storage:
    """The same with the setting ``cache_ttl`` of type ``float`` on environment and user, at 1.0, default 60."""
    declare(storage, declaring(type="float"), NOBODY)
    return storage
