"""A service for each test, on each kind of storage."""

from collections.abc import Iterator

import pytest

from tests.support.api import FEATURES, Api
from tests.support.leased import leasing
from tests.support.storages import STORAGE_KINDS


def pytest_generate_tests(metafunc: pytest.Metafunc):
    """Run each test of a module that calls the API on each kind of storage."""
    if "Api" in vars(metafunc.module):
        metafunc.parametrize("storage_kind", STORAGE_KINDS, indirect=True)


@pytest.fixture(autouse=True)
def storage_kind(request: pytest.FixtureRequest) -> Iterator[str]:
    """The kind of storage that services of the test are on."""
    kind = getattr(request, "param", "memory")
    with leasing(kind):
        yield kind


@pytest.fixture
def api() -> Api:
    """A service with three context features and no settings."""
    api = Api()
    api.add_features(*FEATURES)
    return api
