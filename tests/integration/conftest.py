"""Fixtures for tests that drive clients."""

from tests.support.drivers import driver, own_process  # noqa: F401 - fixtures
