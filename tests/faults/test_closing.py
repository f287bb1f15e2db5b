"""The end of a client: ``close`` under each fault, and the end of a program that has not closed its client."""

from pathlib import Path

import pytest

from tests.faults.backstage import Backstage
from tests.faults.catalogue import FAULTS, NO_FAULT, Fault
from tests.faults.closing import close_under, run_program

# anyio (4.16) says so when a task that was to connect is cancelled before its first step.
pytestmark = pytest.mark.filterwarnings("ignore:coroutine 'connect_tcp")

# Some seconds are left to a thread that waits for its request to end; the rest is for the machine.
CLOSE_S = 3.0
EXIT_S = 2.0


@pytest.mark.parametrize("fault", [NO_FAULT, *FAULTS], ids=lambda fault: fault.name)
def test_close(kind: str, backstage: Backstage, fault: Fault, tmp_path: Path):
    """A client can be closed in bounded time, whatever its request has met; no thread, task or connection is left."""
    closing = close_under(kind, backstage, fault, tmp_path / "state")
    assert closing.close_s < CLOSE_S
    assert 0 == closing.connections


@pytest.mark.parametrize("action", ["pass", "silent", "refused"])
@pytest.mark.parametrize("kind", ["async", "thread"])
def test_exit(backstage: Backstage, kind: str, action: str):
    """A program ends at once with its client open, without a word, also while a request is under way."""
    ended = run_program(kind, backstage, action, has_client=True)
    assert (0, "") == (ended.code, ended.errors)
    assert ended.exit_s < EXIT_S
