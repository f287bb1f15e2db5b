"""``python -m heksher``."""

import subprocess
import sys

from heksher.version import __version__

# Hides what the extra "server" installs.
WITHOUT_EXTRA = """
import runpy, sys
sys.modules["click"] = None
runpy.run_module("heksher", run_name="__main__")
"""


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, check=False)


def test_the_package_is_the_command():
    """It does what the command ``heksher`` does."""
    finished = run("-m", "heksher", "--version")
    assert (0, f"heksher {__version__}\n") == (finished.returncode, finished.stdout)


def test_without_the_extra():
    """What is missing is said in one line."""
    finished = run("-c", WITHOUT_EXTRA)
    assert (1, "") == (finished.returncode, finished.stdout)
    assert finished.stderr.startswith(
        "this command needs click, which is not installed: install heksher with its extra cli,"
    )
    assert 1 == finished.stderr.count("\n")
