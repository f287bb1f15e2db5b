"""The asynchronous client on event loops of several kinds, in several threads, one after the other, and in children."""

import pytest

from tests.process_models.operating import Operator
from tests.process_models.programs import Program, run_module


def run_loops(operator: Operator, way: str) -> Program:
    return run_module("tests.process_models.apps.loops", way, HEKSHER_URL=operator.url)


def check_that_processes_follow(operator: Operator, program: Program, count: int) -> None:
    """See that so many processes read a value that is changed while they run, and that they all end."""
    processes = program.await_first_reads(count)
    operator.change_to(2)
    program.await_reads(2, by=processes)
    operator.end()
    program.await_end()


@pytest.mark.parametrize("way", ["on_asyncio", "on_uvloop", "on_anyio"])
def test_kinds_of_loops(operator: Operator, way: str):
    """The client follows the service on asyncio's own loop, on uvloop's, and under anyio on asyncio."""
    with run_loops(operator, way) as program:
        check_that_processes_follow(operator, program, 1)


def test_two_loops_in_two_threads(operator: Operator):
    """A client that runs in one loop can be used from another one: to read, to reload, to declare further settings."""
    with run_loops(operator, "in_two_threads") as program:
        assert "7" == program.await_line(r"late reads (\d+)")
        check_that_processes_follow(operator, program, 1)


def test_one_loop_after_the_other(operator: Operator):
    """When its loop is closed the client still answers, and it can be started again in another one."""
    with run_loops(operator, "in_one_loop_after_the_other") as program:
        assert "1" == program.await_line(r"between the loops it is (\d+)")
        check_that_processes_follow(operator, program, 1)


def test_close_after_the_loop(operator: Operator):
    """A client whose loop is closed can be closed in another one."""
    with run_loops(operator, "closed_in_another_loop") as program:
        assert "1" == program.await_line(r"after the end it is (\d+)")
        program.await_end()


@pytest.mark.trap(9)
@pytest.mark.usefixtures("can_fork")
@pytest.mark.parametrize("way", ["in_a_forked_child", "in_a_child_of_a_thread", "in_a_child_on_uvloop"])
def test_forked_child(operator: Operator, way: str):
    """In a child the client answers with what it has, says what to do, and follows the service when that is done."""
    with run_loops(operator, way) as program:
        assert "1" == program.await_line(r"the child has (\d+)")
        assert "set_as_main()" in program.await_line("refused: (.*)")
        check_that_processes_follow(operator, program, 2)
