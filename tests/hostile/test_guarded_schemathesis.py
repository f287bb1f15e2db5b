"""schemathesis against a service that checks who may do what: nobody gets more than the table of roles says."""

import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from heksher.server.access.token import make_token
from heksher.wire import STREAM_PATH
from tests.hostile.guarded import Guarded, running_guarded
from tests.hostile.test_guarded import list_excesses
from tests.integration.test_api_schemathesis import CHECKS
from tests.unit.server.api.test_routing_access import INCLUDED, TABLE

BROKEN = "broken"
CALLERS = (None, BROKEN, "evaluate", "read", "declare:in.", "edit:in.", "admin")
EXAMPLES = 2
LEAST_CALLS = 60
# What changes nothing needs no more than read there; what has changed, the change log says.
READ_ALONE = ("POST /api/v1/settings/declare", "POST /api/v1/settings/declare-many")


@pytest.mark.parametrize("caller", CALLERS)
def test_nobody_gets_more_than_the_table_says(
    tmp_path: Path, caller: str | None, record_property: Callable[[str, object], None]
):
    """Whatever is sent, the answer is a documented one, no error of the service, and no success without the role."""
    with running_guarded(tmp_path) as guarded:
        before = guarded.count_changes()
        calls = list(call_all(guarded, caller, tmp_path))
        assert [] == list_excesses(guarded)
        is_changing = caller is not None and caller.partition(":")[0] in {"declare", "edit", "admin"}
        assert is_changing or before == guarded.count_changes()
    assert len(calls) >= LEAST_CALLS
    record_property("schemathesis_calls", len(calls))
    included = INCLUDED.get((caller or "").partition(":")[0], set())
    needed = {route: "read" if route in READ_ALONE else row.role for route, row in TABLE.items()}
    assert [] == [(route, status) for route, status in calls if status < 400 and needed[route] not in {"", *included}]
    # It is not that all is refused: what is allowed was tried, too.
    assert {route for route, status in calls if status < 400} >= {route for route in ROOTS if needed[route] in included}


ROOTS = ("GET /api/v1/me", "GET /api/v1/settings", "GET /api/v1/context_features", "GET /api/v1/tokens")


def call_all(guarded: Guarded, caller: str | None, directory: Path) -> Iterator[tuple[str, int]]:
    """Have schemathesis call each route; yield the route and the status of each call."""
    report = directory / "calls.har"
    command = [sys.executable, "-m", "schemathesis.cli", "run", f"{guarded.service.url}/openapi.json", "--no-color"]
    command += ["--checks", ",".join(CHECKS), "--phases", "fuzzing", "--max-examples", str(EXAMPLES), "--seed", "1"]
    command += ["--generation-database", "none", "--report-har-path", str(report)]
    # A stream never ends, so its answer never comes. What it refuses is what the query refuses.
    command += ["--exclude-path", STREAM_PATH]
    # The caller has the credential that is given here, and none that is made up besides.
    command += ["--generation-with-security-parameters", "false"]
    if caller is not None:
        bearer = f"Authorization: Bearer {make_token()}" if caller == BROKEN else guarded.bear(caller)
        command += ["--header", bearer]
    run = subprocess.run(command, cwd=directory, capture_output=True, text=True, timeout=120, check=False)
    assert 0 == run.returncode, run.stdout + run.stderr
    for entry in json.loads(report.read_text())["log"]["entries"]:
        path = urlsplit(entry["request"]["url"]).path
        yield _find_route(entry["request"]["method"], path), entry["response"]["status"]


def _find_route(method: str, path: str) -> str:
    """Return the row of the table that a request is of: of several the one with fewer parameters."""
    found = [route for route in TABLE if re.fullmatch(re.sub(r"\{\w+\}", "[^/]*", route), f"{method} {path}")]
    return min(found, key=lambda route: route.count("{"))
