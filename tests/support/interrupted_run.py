"""A run that never ends by itself, for the test of what is left when it is killed; no other run collects this file."""

import os
import subprocess
import sys
from pathlib import Path

from tests.support.guardian import RUN_VARIABLE
from tests.support.postgres import private_postgres


def test_that_hangs():
    """Freeze a PostgreSQL, start another process that hangs, say so, and wait for ever."""
    with private_postgres() as postgres:
        hanging = subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"])
        postgres.freeze()
        said = Path(os.environ["SAY_IN"])
        # Renamed, so that whoever sees the file reads all of it.
        said.with_suffix(".new").write_text(f"{os.environ[RUN_VARIABLE]} {postgres.directory}")
        said.with_suffix(".new").rename(said)
        hanging.wait()
