"""multiprocessing and concurrent.futures, with each method to start processes."""

import pytest

from tests.process_models.operating import Operator
from tests.process_models.programs import Program, run_module

pytestmark = pytest.mark.usefixtures("can_fork")


def check_that_processes_follow(operator: Operator, program: Program, count: int) -> None:
    """See that so many processes read a value that is changed while they run, and that they all end."""
    with program:
        processes = program.await_first_reads(count)
        operator.change_to(2)
        program.await_reads(2, by=processes)
        operator.end()
        program.await_end()


@pytest.mark.trap(9)
def test_forked_processes(operator: Operator):
    """A process, a pool's and an executor's follow the service by themselves when they are forked."""
    program = run_module("tests.process_models.apps.processes", "fork", HEKSHER_URL=operator.url)
    check_that_processes_follow(operator, program, 6)


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_processes_that_begin_anew(operator: Operator, method: str):
    """Those that import the program anew follow the service as soon as they have started the client."""
    program = run_module("tests.process_models.apps.processes", method, HEKSHER_URL=operator.url)
    check_that_processes_follow(operator, program, 6)


@pytest.mark.trap(9)
def test_processes_forked_from_a_server_that_has_the_client(operator: Operator):
    """Processes of a fork server follow the service by themselves, if it has imported what starts the client."""
    program = run_module("tests.process_models.apps.preloaded", HEKSHER_URL=operator.url)
    check_that_processes_follow(operator, program, 3)
