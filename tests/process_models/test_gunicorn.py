"""gunicorn: workers forked before or after the application, and thus the client, is there."""

import os
import signal

import pytest

from tests.process_models.operating import Operator
from tests.process_models.programs import FIRST_VALUE, Program, run_module
from tests.process_models.workers import WORKERS, await_answers, await_workers

WSGI = "tests.process_models.apps.wsgi:application"
ASGI = "tests.process_models.apps.asgi:application"

pytestmark = pytest.mark.usefixtures("can_fork")


def run_gunicorn(operator: Operator, *arguments: str) -> Program:
    """Make a gunicorn on a port that the kernel chooses."""
    bound = ["--bind", "127.0.0.1:0", "--workers", str(WORKERS), "--no-control-socket"]
    return run_module("gunicorn", *bound, *arguments, HEKSHER_URL=operator.url)


def await_port(program: Program) -> str:
    return program.await_line(r"Listening at: http://127\.0\.0\.1:(\d+)")


def check_that_workers_follow(operator: Operator, *arguments: str) -> None:
    """See that each worker reads a value that is changed while it runs, and that they all end when asked to."""
    with run_gunicorn(operator, *arguments) as program:
        port = await_port(program)
        workers = await_workers(program, port, FIRST_VALUE)
        operator.change_to(2)
        await_answers(program, port, 2, workers)
        program.stop()


@pytest.mark.trap(9)
@pytest.mark.parametrize("worker_class", ["sync", "gthread"])
def test_thread_client_that_starts_before_the_fork(operator: Operator, worker_class: str):
    """Every worker follows the service by itself, though the client was started in the process it was forked from."""
    check_that_workers_follow(operator, "--worker-class", worker_class, "--preload", WSGI)


def test_thread_client_that_starts_in_the_workers(operator: Operator):
    """Without preloading each worker imports the application, and starts a client of its own."""
    check_that_workers_follow(operator, WSGI)


@pytest.mark.parametrize(
    "arguments",
    [["uvicorn.workers.UvicornWorker"], ["uvicorn.workers.UvicornWorker", "--preload"], ["asgi", "--preload"]],
    ids=" ".join,
)
def test_async_client_that_starts_in_the_lifespan(operator: Operator, arguments: list[str]):
    """Every worker starts the client in its own loop, whether the object was made before the fork or after it."""
    check_that_workers_follow(operator, "--worker-class", *arguments, ASGI)


@pytest.mark.trap(9)
def test_worker_that_is_replaced(operator: Operator):
    """A worker that is forked late is current although the application was loaded long ago, by another process."""
    with run_gunicorn(operator, "--preload", WSGI) as program:
        port = await_port(program)
        workers = await_workers(program, port, FIRST_VALUE)
        operator.change_to(2)
        os.kill(min(workers), signal.SIGKILL)
        operator.change_to(3)
        successors = await_workers(program, port, 3) - workers
        assert 1 == len(successors)
        operator.change_to(4)
        await_answers(program, port, 4, successors)
        program.stop()
