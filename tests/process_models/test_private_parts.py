"""Forks with HTTP libraries in which a private part that a client makes use of has another name."""

import pytest

from tests.process_models.operating import Operator
from tests.process_models.programs import Program, run_module

KINDS = ("thread", "async")
# What a fork is about, what all of them are found by, and what every answer is put into.
PARTS = ("_connections", "_requests", "_optional_thread_lock", "_pool", "_network_backend", "_transport", "_content")

pytestmark = [pytest.mark.usefixtures("can_fork"), pytest.mark.trap(9), pytest.mark.parametrize("kind", KINDS)]


def run_later(operator: Operator, kind: str, part: str, whose: str) -> Program:
    return run_module("tests.process_models.apps.later", kind, part, whose, HEKSHER_URL=operator.url)


@pytest.mark.parametrize("part", PARTS)
def test_connections_of_its_own(operator: Operator, kind: str, part: str):
    """A client with connections of its own follows the service in parent and child, whatever part is missing."""
    with run_later(operator, kind, part, "own") as program:
        processes = program.await_first_reads(2)
        operator.change_to(2)
        program.await_reads(2, by=processes)
        operator.end()
        program.await_end()
    assert [] == program.find(r"^process \d+ is (.*)")


@pytest.mark.parametrize("part", ["_connections", "_pool"])
def test_shared_connections_that_cannot_be_left(operator: Operator, kind: str, part: str):
    """A child that would use its parent's connections sends nothing, says so in its status, and can be closed."""
    with run_later(operator, kind, part, "shared") as program:
        reason = program.await_line(r"^process \d+ is stale: no connections in this forked process: (.*)")
        assert f"has no connection pool with {'_optional_thread_lock' if part == '_pool' else part}," in reason
        operator.change_to(2)
        program.await_reads(2)
        operator.end()
        program.await_end()
