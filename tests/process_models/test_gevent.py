"""gevent: what the client takes for threads, locks and connections are gevent's, if it is patched in before."""

import pytest

from tests.process_models.operating import Operator
from tests.process_models.programs import Program, run_module
from tests.process_models.test_gunicorn import WSGI, check_that_workers_follow

pytestmark = pytest.mark.usefixtures("can_fork")


def run_greenlets(operator: Operator, *arguments: str) -> Program:
    return run_module("tests.process_models.apps.greenlets", *arguments, HEKSHER_URL=operator.url)


def count_turns(program: Program) -> int:
    return len(program.find(r"\d+ turns"))


def test_program_that_is_patched_first(operator: Operator):
    """The client updates in a greenlet of its own; the others have their turns, also while it waits for the service."""
    with run_greenlets(operator) as program:
        program.await_first_reads(1)
        with operator.holding():
            operator.await_held(1)
            before = count_turns(program)
            program.await_line(f"{20 * (before + 2)} turns")
        operator.change_to(2)
        program.await_reads(2)
        operator.end()
        program.await_end()


@pytest.mark.trap(9)
def test_fork_in_the_middle_of_an_update(operator: Operator):
    """A child inherits the greenlets of its parent, but not the update that one of them waits for."""
    with run_greenlets(operator, "fork") as program:
        program.await_line("ready to fork")
        with operator.holding():
            operator.await_held(1)
            program.tell("fork")
            operator.await_held(2)
            operator.change_to(2)
        program.await_reads(2, count=2)
        operator.change_to(3)
        # Sooner than a process could give up an answer that another one has taken from it.
        program.await_reads(3, count=2, within_s=4)
        operator.end()
        program.await_end()


def test_gunicorn(operator: Operator):
    """A worker of gunicorn patches before it imports the application: nothing else is to be done."""
    check_that_workers_follow(operator, "--worker-class", "gevent", WSGI)


@pytest.mark.trap(9)
def test_gunicorn_with_preload(operator: Operator):
    """With a configuration that patches first, workers follow the service though the client started before the fork."""
    check_that_workers_follow(operator, "--config", "python:tests.process_models.apps.gevent_conf", WSGI)


@pytest.mark.trap(9)
def test_gunicorn_with_preload_that_is_patched_late(operator: Operator):
    """So it is when nothing was patched before the fork: the client's thread in a worker is a real one then."""
    check_that_workers_follow(operator, "--worker-class", "gevent", "--preload", WSGI)
