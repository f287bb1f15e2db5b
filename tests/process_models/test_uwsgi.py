"""uWSGI: it forks its workers after the application was loaded, and by default does not tell Python of it."""

import pytest

from tests.process_models.operating import Operator
from tests.process_models.programs import FIRST_VALUE, Program, find_command
from tests.process_models.workers import WORKERS, await_answers, await_workers
from tests.support.processes import ROOT

pytestmark = pytest.mark.usefixtures("can_fork")


def run_uwsgi(operator: Operator, module: str, *options: str) -> Program:
    """Make a uWSGI on a port that the kernel chooses."""
    command = [find_command("uwsgi", "pyuwsgi"), "--http-socket", "127.0.0.1:0", "--die-on-term", "--need-app"]
    command += ["--master", "--processes", str(WORKERS), "--disable-logging", "--pythonpath", str(ROOT)]
    application = f"tests.process_models.apps.{module}:application"
    return Program(*command, "--module", application, *options, HEKSHER_URL=operator.url)


def check_that_workers_follow(operator: Operator, module: str, *options: str) -> None:
    """See that each worker reads a value that is changed while it runs, and that they all end when asked to."""
    with run_uwsgi(operator, module, *options) as program:
        port = program.await_line(r"bound to TCP address 127\.0\.0\.1:(\d+)")
        workers = await_workers(program, port, FIRST_VALUE)
        operator.change_to(2)
        await_answers(program, port, 2, workers)
        program.stop()


@pytest.mark.trap(9)
def test_client_that_starts_before_the_fork(operator: Operator):
    """With the hooks for forks switched on, every worker follows the service by itself."""
    check_that_workers_follow(operator, "wsgi", "--enable-threads", "--py-call-uwsgi-fork-hooks")


@pytest.mark.trap(9)
@pytest.mark.parametrize("module", ["wsgi", "uwsgi_decorated"])
def test_client_that_starts_before_a_fork_that_python_is_not_told_of(operator: Operator, module: str):
    """So it is without the hooks, which uWSGI does not use unless told to, whoever else asks it to tell of forks."""
    check_that_workers_follow(operator, module, "--enable-threads")


def test_client_that_starts_after_the_fork(operator: Operator):
    """A client that uWSGI's own decorator starts in each worker needs no options."""
    check_that_workers_follow(operator, "uwsgi_postfork", "--enable-threads")


def test_client_that_starts_in_the_workers(operator: Operator):
    """With lazy applications each worker imports the application, and starts a client of its own."""
    check_that_workers_follow(operator, "wsgi", "--enable-threads", "--lazy-apps")
