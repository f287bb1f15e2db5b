"""The command line without its extra, which the package itself says."""

import subprocess
import sys

import pytest

import heksher.cli

# Makes the modules named in the first argument impossible to import, then runs the command line with the others.
WITHOUT = """
import sys
for name in sys.argv.pop(1).split(","):
    sys.modules[name] = None
from heksher.cli import main
main()
"""


def run_without(modules: str, *arguments: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "-c", WITHOUT, modules, *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize(
    ("module", "extra", "arguments"),
    [
        ("click", "cli", ["--help"]),
        ("fastapi", "server", ["serve", "--port", "0", "--db", "memory:"]),
        ("httptools", "server", ["serve", "--port", "0", "--db", "memory:"]),
        ("sqlalchemy", "server", ["serve", "--port", "0", "--db", "never-made.db"]),
    ],
)
def test_a_missing_extra_is_told_in_one_line(module: str, extra: str, arguments: list[str]):
    """With what to install, and exit code 1."""
    result = run_without(module, *arguments)
    expected = (
        f"this command needs {module}, which is not installed: install heksher with its extra {extra},"
        f" as by pip install 'heksher[{extra}]'\n"
    )
    assert (1, "", expected) == (result.returncode, result.stdout, result.stderr)


def test_help_needs_nothing_of_the_service():
    """So it is quick."""
    result = run_without("fastapi,httptools,sqlalchemy,pydantic,starlette", "serve", "--help")
    assert (0, "") == (result.returncode, result.stderr)
    assert "--context-features" in result.stdout


def test_any_other_missing_module_is_a_fault(monkeypatch: pytest.MonkeyPatch):
    """It must not be taken for a missing extra."""
    monkeypatch.setitem(sys.modules, "heksher.cli.root", None)
    with pytest.raises(ModuleNotFoundError):
        heksher.cli.main()
