"""schemathesis against the running service: whatever it makes of ``/openapi.json``, the answer is a documented one."""

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from heksher.server.config import Config
from heksher.wire import STREAM_PATH
from tests.support.service import RunningService

CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
)
# The phases, examples for each operation, and how many calls they come to at least.
FULL = ("examples,coverage,fuzzing,stateful", 5, 1000)
QUICK = ("fuzzing", 3, 60)


def test_every_answer_is_documented(
    tmp_path: Path, pytestconfig: pytest.Config, record_property: Callable[[str, object], None]
):
    """No server error, no answer with a status, type or body that the schema does not have."""
    phases, examples, least_calls = FULL if pytestconfig.getoption("--full") else QUICK
    # No webhook that is made up is told of anything.
    with RunningService(config=Config(database="unused", has_webhooks=False)) as service:
        # What the examples in the schema are about.
        service.add_features("environment", "user", "theme")
        service.declare("cache_ttl", default_value=60)
        for user in range(7):
            service.add_rule("cache_ttl", {"environment": "dev", "user": f"u{user}"}, user)
        command = [sys.executable, "-m", "schemathesis.cli", "run", f"{service.url}/openapi.json", "--no-color"]
        options = [
            "--checks",
            ",".join(CHECKS),
            "--phases",
            phases,
            "--max-examples",
            str(examples),
            "--seed",
            "1",
            "--generation-database",
            "none",
        ]
        # A stream never ends, so its answer never comes. What it refuses is what the query refuses.
        options += ["--exclude-path", STREAM_PATH]
        run = subprocess.run(command + options, cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False)
    assert 0 == run.returncode, run.stdout + run.stderr
    calls = int(re.search(r"(\d+) generated", run.stdout)[1])
    assert calls >= least_calls
    record_property("schemathesis_calls", calls)
