"""os.fork in every way in which programs do it, with a thread client that runs."""

import pytest

from tests.process_models.operating import Operator
from tests.process_models.programs import Program, run_module

pytestmark = [pytest.mark.usefixtures("can_fork"), pytest.mark.trap(9)]


def run_forks(operator: Operator, way: str, **environment: str) -> Program:
    return run_module("tests.process_models.apps.forks", way, HEKSHER_URL=operator.url, **environment)


@pytest.mark.parametrize(
    ("way", "count"),
    [
        ("in_the_main_thread", 2),
        ("in_another_thread", 2),
        ("of_a_fork", 2),
        ("into_the_background", 1),
        ("before_the_start", 2),
        ("and_close_in_the_child", 1),
    ],
)
def test_every_process_follows_the_service(operator: Operator, way: str, count: int):
    """However the program forked: each process that goes on reads what is changed, and ends when it is to."""
    with run_forks(operator, way) as program:
        processes = program.await_first_reads(count)
        operator.change_to(2)
        program.await_reads(2, by=processes)
        operator.end()
        program.await_end()


def test_reload_in_a_child(operator: Operator):
    """A child can have an update now, without waiting for its interval."""
    with run_forks(operator, "and_reload", UPDATE_INTERVAL_S="3600") as program:
        program.await_line("ready to fork")
        operator.end()
        program.tell("fork")
        program.await_end()


def test_fork_in_the_middle_of_an_update(operator: Operator):
    """A child that is forked while an update is under way has one of its own; neither gets the other's answer."""
    with run_forks(operator, "on_demand") as program:
        program.await_line("ready to fork")
        with operator.holding():
            operator.await_held(1)
            program.tell("fork")
            # The parent's is still under way: this is the child's.
            operator.await_held(2)
            operator.change_to(2)
        program.await_reads(2, count=2)
        operator.end()
        program.await_end()
