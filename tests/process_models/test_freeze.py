"""A process that is frozen and goes on later, as functions on AWS Lambda are between two calls."""

import signal
import time

import pytest

from tests.process_models.operating import Operator
from tests.process_models.programs import FIRST_VALUE, INTERVAL_S, Program, run_module

KINDS = ("thread", "async")
# The process is to miss several updates.
FREEZE_S = 3 * INTERVAL_S


def run_plain(operator: Operator, kind: str) -> Program:
    return run_module("tests.process_models.apps.plain", kind, HEKSHER_URL=operator.url)


def freeze(program: Program) -> None:
    program.process.send_signal(signal.SIGSTOP)
    time.sleep(FREEZE_S)


def check_that_it_goes_on(operator: Operator, program: Program) -> None:
    """See that the process reads what was changed while it was frozen, and goes on from there."""
    operator.change_to(2)
    program.process.send_signal(signal.SIGCONT)
    program.await_reads(2)
    operator.end()
    program.await_end()


@pytest.mark.parametrize("kind", KINDS)
def test_freeze_between_updates(operator: Operator, kind: str):
    """A process that goes on is current within its interval."""
    with run_plain(operator, kind) as program:
        program.await_first_reads(1)
        freeze(program)
        check_that_it_goes_on(operator, program)


@pytest.mark.parametrize("kind", KINDS)
def test_freeze_in_the_middle_of_an_update(operator: Operator, kind: str):
    """An answer that arrived while the process was frozen is old, but the next update is not."""
    with run_plain(operator, kind) as program:
        program.await_first_reads(1)
        with operator.holding():
            operator.await_held(1)
            program.process.send_signal(signal.SIGSTOP)
        freeze(program)
        check_that_it_goes_on(operator, program)


@pytest.mark.parametrize("kind", KINDS)
def test_connections_that_are_gone(operator: Operator, kind: str):
    """A process whose connections were closed while it was frozen makes new ones."""
    with run_plain(operator, kind) as program:
        program.await_first_reads(1)
        freeze(program)
        operator.restart()
        check_that_it_goes_on(operator, program)


def test_function_that_does_not_wait_for_its_interval(operator: Operator):
    """A function that looks at the age of its settings is current in the first call after it was frozen."""
    with run_module("tests.process_models.apps.function", HEKSHER_URL=operator.url) as program:
        program.tell("1")
        assert str(FIRST_VALUE) == program.await_line(r"call 1 is answered (\d+)")
        freeze(program)
        operator.change_to(2)
        program.tell("2")
        program.process.send_signal(signal.SIGCONT)
        assert "2" == program.await_line(r"call 2 is answered (\d+)")
        program.process.stdin.close()
        program.await_end()
