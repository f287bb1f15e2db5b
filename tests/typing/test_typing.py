"""What mypy and pyright say about programs that use the library.

Each checker reads ``accepted.py``, where it must find nothing, and ``refused.py``, where it must report exactly the
lines that end with ``# error``.
"""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.processes import run_python

HERE = Path(__file__).parent
REPOSITORY = HERE.parent.parent
SCRIPTS = Path(sys.executable).parent

# The file and line of a report, with what is said.
Report = tuple[str, int, str]


def run(command: list[str | Path]) -> str:
    """Run a checker as it would run in the activated environment, and return what it prints."""
    environment = {
        **os.environ,
        "PATH": f"{SCRIPTS}{os.pathsep}{os.environ['PATH']}",
        "PYRIGHT_PYTHON_IGNORE_WARNINGS": "1",
    }
    finished = subprocess.run(command, capture_output=True, text=True, cwd=HERE, env=environment, check=False)
    # 0: nothing to report, 1: something; anything else is a failure of the checker itself.
    assert finished.returncode in {0, 1}, finished.stdout + finished.stderr
    return finished.stdout


def run_mypy(path: Path) -> Iterator[Report]:
    """Let mypy check a file, with the strictness of the project but none of its other options."""
    command = [SCRIPTS / "mypy", "--config-file=", "--strict", "--no-pretty", "--no-error-summary", path]
    for line in run([*command, "--cache-dir", REPOSITORY / ".mypy_cache" / "typing"]).splitlines():
        if match := re.fullmatch(r"(.+?):(\d+): error: (.*)", line):
            yield Path(match[1]).name, int(match[2]), match[3]


def run_pyright(path: Path) -> Iterator[Report]:
    """Let pyright check a file."""
    for diagnostic in json.loads(run([SCRIPTS / "pyright", "--outputjson", path]))["generalDiagnostics"]:
        if diagnostic["severity"] in {"error", "warning"}:
            yield Path(diagnostic["file"]).name, diagnostic["range"]["start"]["line"] + 1, diagnostic["message"]


CHECKERS = pytest.mark.parametrize("run_checker", [run_mypy, run_pyright])


@CHECKERS
def test_right_program_is_accepted(run_checker: Callable[[Path], Iterator[Report]]) -> None:
    """Every form of setting has the type that is expected, and nothing in a right program is reported."""
    reports = list(run_checker(HERE / "accepted.py"))
    assert reports == []


@CHECKERS
def test_wrong_lines_are_reported(run_checker: Callable[[Path], Iterator[Report]]) -> None:
    """Every line that is wrong is reported, a wrong default above all, and no other line is."""
    program = HERE / "refused.py"
    lines = program.read_text(encoding="utf-8").splitlines()
    expected = {(program.name, number) for number, line in enumerate(lines, 1) if line.endswith("# error")}
    actual = {(name, number): message for name, number, message in run_checker(program)}
    assert sorted(expected) == sorted(actual)


def test_right_program_runs() -> None:
    """What type checkers accept, the library accepts, too: the settings of the right program could be created."""
    # In a process of its own: the main client of another test would declare them, too, and answer from its rules.
    program = "from tests.typing.accepted import cache_ttl; print(cache_ttl.get(user='guest'), cache_ttl.default_value)"
    [line] = run_python(["-c", program])
    assert len(set(line.split())) == 1


@pytest.mark.trap(30)
def test_every_public_type_is_known() -> None:
    """Of all public names of the package, the type is known: it is written down, not left to be inferred."""
    report = json.loads(run([SCRIPTS / "pyright", "--verifytypes", "heksher", "--ignoreexternal", "--outputjson"]))
    incomplete = [
        (symbol["name"], [diagnostic["message"] for diagnostic in symbol["diagnostics"]])
        for symbol in report["typeCompleteness"]["symbols"]
        if symbol["isExported"] and (not symbol["isTypeKnown"] or symbol["isTypeAmbiguous"])
    ]
    assert incomplete == []
    assert report["typeCompleteness"]["completenessScore"] == 1
