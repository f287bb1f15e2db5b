"""The service that the programs under test talk to."""

import os
from collections.abc import Iterator

import pytest

from tests.process_models.operating import Operator
from tests.process_models.programs import FIRST_VALUE


@pytest.fixture(scope="session")
def long_operator() -> Iterator[Operator]:
    """Who operates one service for all tests: to start one takes longer than some of them."""
    operator = Operator()
    yield operator
    operator.stop()


@pytest.fixture
def operator(long_operator: Operator) -> Operator:
    """Who operates a service, whose rule is as it is at the beginning."""
    long_operator.change_to(FIRST_VALUE)
    return long_operator


@pytest.fixture
def can_fork() -> None:
    """Fail where there is no fork: a test of what becomes of a client there shows nothing."""
    assert hasattr(os, "fork"), "this platform has no fork, which this test is about"
