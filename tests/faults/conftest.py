"""Fixtures for the fault suite."""

import sys
from collections.abc import Iterator

import pytest

from tests.faults.backstage import Backstage, open_backstage
from tests.support.drivers import own_process  # noqa: F401 - a fixture

# Threads that read without pause leave the interpreter only when they are made to. With the usual 5 ms for each turn,
# a request, which is many short steps, would take most of a second beside them.
TURN_S = 0.0005


@pytest.fixture(scope="session")
def backstage() -> Iterator[Backstage]:
    """The far side, in one process for all tests."""
    with open_backstage() as backstage:
        yield backstage


@pytest.fixture(params=["async", "thread"])
def kind(request: pytest.FixtureRequest, own_process: None) -> str:  # noqa: F811 - the fixture
    """The kind of client."""
    return request.param


@pytest.fixture
def short_turns() -> Iterator[None]:
    """Have threads take short turns."""
    before_s = sys.getswitchinterval()
    sys.setswitchinterval(TURN_S)
    yield
    sys.setswitchinterval(before_s)
