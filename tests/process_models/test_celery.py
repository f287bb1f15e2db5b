"""Celery: a pool of processes that is forked after the application was imported."""

import pytest

from tests.process_models.operating import Operator
from tests.process_models.programs import run_module

PROCESSES = 2

pytestmark = pytest.mark.usefixtures("can_fork")


@pytest.mark.trap(9)
def test_prefork_pool(operator: Operator):
    """Every process of the pool follows the service by itself, though the client was started in their parent."""
    worker = ["--app", "tests.process_models.apps.busy_tasks", "worker", "--pool", "prefork"]
    worker += ["--concurrency", str(PROCESSES), "--without-gossip", "--without-mingle", "--without-heartbeat"]
    with run_module("celery", *worker, HEKSHER_URL=operator.url) as program:
        processes = program.await_first_reads(PROCESSES)
        operator.change_to(2)
        program.await_reads(2, by=processes)
        program.stop()
