"""Nothing outlives a run of the tests that is killed."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.guardian import find_processes
from tests.support.processes import DEADLINE_S, ROOT
from tests.support.waiting import wait_until

# The server itself, and what hangs beside it.
LEAST_PROCESSES = 2


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="looks at processes as Linux shows them")
@pytest.mark.parametrize("options", [["-p", "no:xdist"], ["-n", "1"]], ids=["one process", "workers"])
def test_nothing_outlives_a_run_that_is_killed(options: list[str], tmp_path: Path):
    """A frozen PostgreSQL, and a process that hangs, end when pytest is killed, as do its workers and files."""
    said = tmp_path / "said"
    command = [sys.executable, "-m", "pytest", *options, "-p", "no:cacheprovider", "tests/support/interrupted_run.py"]
    printed = tmp_path / "printed"
    with (
        printed.open("wb") as output,
        subprocess.Popen(command, cwd=ROOT, env={**os.environ, "SAY_IN": str(said)}, stdout=output) as run,
    ):
        try:
            wait_until(lambda: said.exists() or run.poll() is not None, DEADLINE_S)
            assert said.exists(), printed.read_text()
            name, directory = said.read_text().split(maxsplit=1)
            # Before the end of the run: from then on, the guardian is at work.
            assert len(find_processes(name)) >= LEAST_PROCESSES
        finally:
            run.kill()
    assert wait_until(lambda: not find_processes(name), DEADLINE_S)
    assert wait_until(lambda: not Path(directory).exists(), DEADLINE_S)
