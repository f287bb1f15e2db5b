"""A short run of the signal stress."""

import os
import subprocess
import sys

import pytest

from tests.support.processes import ROOT

# Far more than it takes: a hang ends by itself, and says where its threads are.
WITHIN_S = 120.0


@pytest.mark.skipif(sys.platform == "win32", reason="there are no such signals on Windows")
def test_signals_at_random_moments_and_starts_at_once():
    """Whatever call a signal interrupts, its handler can call the client; starts at once have one outcome."""
    command = [sys.executable, "-m", "tests.process_models.signal_stress", "--signals", "400", "--starts", "10"]
    # Not measured for coverage, whose tracer takes a lock that a handler would wait for.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COV")}
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=WITHIN_S, check=False
    )
    assert 0 == done.returncode, done.stdout + done.stderr
