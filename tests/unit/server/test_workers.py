"""Looking after workers, in processes of their own. What the workers of a service do is in the integration tests."""

from pathlib import Path

import pytest

from tests.support.processes import run_python

PROGRAM = """
import os, signal, sys, time
from heksher.server.errors import StartupError
from heksher.server.workers import Workers

def be_well(lifeline):
    lifeline.tell_ready()
    signal.pause()

def fail(lifeline):
    raise {error}

def end_once(lifeline):
    lifeline.tell_ready()
    if os.path.exists(sys.argv[1]):
        os.kill(os.getppid(), signal.SIGTERM)
        signal.pause()
    os.mkdir(sys.argv[1])

def stop():
    os.kill(os.getpid(), signal.SIGTERM)

sys.stderr = sys.stdout
ended = []
workers = Workers(
    {count}, {work}, when_ready={when_ready}, when_stopping=lambda: print("stopping"), when_ended=ended.append,
    stop_timeout_s=30,
)
try:
    workers.run()
except StartupError as error:
    print("error:", error)
print("ended:", len(ended))
"""


def run_workers(
    work: str, *arguments: str, count: int = 2, when_ready: str = "stop", error: str = "ValueError('no')"
) -> list[str]:
    program = PROGRAM.format(work=work, count=count, when_ready=when_ready, error=error)
    return run_python(["-", *arguments], program, PYTHONUNBUFFERED="1")


def test_workers_end_with_the_parent():
    """The parent tells once that all are ready, once that it ends, and of the end of each."""
    assert ["ready", "stopping", "ended: 2"] == run_workers("be_well", when_ready="lambda: (print('ready'), stop())")


def test_a_worker_that_ends_by_itself_is_replaced(tmp_path: Path):
    """Also one that was content with what it did, such as one that somebody has ended."""
    ready, warning, *lines = run_workers("end_once", str(tmp_path / "a"), count=1, when_ready="lambda: print('ready')")
    assert ["ready", "stopping", "ended: 2"] == [ready, *lines]
    assert warning.endswith("has ended: exit status 0; another one starts in 0.2 s")


@pytest.mark.parametrize(
    ("error", "reason"),
    [("ValueError('no way')", "ValueError: no way"), ("StartupError('no way')", "a worker cannot go on: no way")],
)
def test_the_parent_gives_up_when_no_worker_can_live(error: str, reason: str):
    """After some attempts, with a message for whoever started it, and with the reason in the log."""
    lines = run_workers("fail", error=error)
    assert [
        "stopping",
        "error: the workers end as soon as they are started: the log says why",
        "ended: 5",
    ] == [line for line in lines if line.startswith(("stopping", "error:", "ended:"))]
    assert 5 <= sum(reason in line for line in lines)


def test_a_program_that_ends_a_worker_is_told_its_status():
    """In the log: the number of the status."""
    lines = run_workers("fail", error="SystemExit(7)")
    assert any("has ended: exit status 7; another one starts in 0.2 s" in line for line in lines)
