"""A service for each test."""

import pytest

from tests.support.api import FEATURES, Api


@pytest.fixture
def api() -> Api:
    """A service with three context features and no settings."""
    api = Api()
    api.add_features(*FEATURES)
    return api
