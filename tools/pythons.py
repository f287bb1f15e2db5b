"""Run the client's tests on each Python version that heksher supports.

Interpreters are looked for on PATH, below ``~/.pyenv/versions``, and beside the one that runs this; nothing is
downloaded. A version without one is named, and makes the result a failure: what was not tested is not known to work.
Each version has an environment of its own in ``.pythons``, built from uv.lock. The client's tests are all but those of
the service and its command line, and those that make test-browser and make test-hostile run.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from bootstrap import ROOT, install_with_uv, prepare_uv, python_of

VERSIONS = ("3.11", "3.12", "3.13")
ENVIRONMENTS = ROOT / ".pythons"
NOT_THE_CLIENT = (
    "tests/alerts",
    "tests/browser",
    "tests/hostile",
    "tests/unit/server",
    "tests/unit/cli",
    "tests/conformance/test_storage*",
    "tests/property/test_storage*",
)


def main() -> int:
    """Test all versions; return the exit status."""
    if not prepare_uv():
        print("test-pythons: without uv there is nothing to build the environments with", file=sys.stderr)
        return 1
    results = {version: test_version(version) for version in VERSIONS}
    print("\nThe client's tests:")
    for version, result in results.items():
        print(f"  Python {version}: {result}")
    return 0 if all(result.endswith("passed") for result in results.values()) else 1


def test_version(version: str) -> str:
    """Run the tests on one version; say what came of it."""
    python = next(find_interpreters(version), None)
    if python is None:
        return f"missing: {describe_missing(version)}"
    print(f"\nPython {version}: {python}", flush=True)
    environment = ENVIRONMENTS / version
    if not install_with_uv("test", environment, python):
        return "no environment could be built"
    command = [str(python_of(environment)), "-m", "pytest", "-n", "auto", "-q", *sys.argv[1:]]
    command += [f"--ignore-glob={path}" for path in NOT_THE_CLIENT]
    return "passed" if subprocess.run(command, cwd=ROOT, check=False).returncode == 0 else "failed"


def describe_missing(version: str) -> str:
    """Say that there is no interpreter of a version, and where one was looked for."""
    return f"no python{version} that runs on PATH, below ~/.pyenv/versions or beside {sys.base_prefix}"


def find_interpreters(version: str) -> Iterator[str]:
    """Find the interpreters of a version that can be started, the preferred one first."""
    candidates = [shutil.which(f"python{version}", path=directory) for directory in os.get_exec_path()]
    # A version manager keeps one beside the other, also where this process has another home directory.
    places = dict.fromkeys([Path.home() / ".pyenv" / "versions", Path(sys.base_prefix).parent])
    found = [home for place in places for home in place.glob(f"{version}.*")]
    homes = sorted(found, key=patch_number, reverse=True)
    candidates += [str(home / "bin" / "python") for home in homes]
    for candidate in candidates:
        # A version manager's shim may exist and yet only print that no such version is chosen.
        if candidate and is_version(candidate, version):
            yield candidate


def is_version(python: str, version: str) -> bool:
    """Return whether an interpreter can be started and is of a version."""
    program = "import sys; print('%d.%d' % sys.version_info[:2])"
    try:
        result = subprocess.run([python, "-c", program], capture_output=True, text=True, check=False)
    except OSError:
        return False
    return result.stdout.strip() == version


def patch_number(home: Path) -> int:
    """Return the third number of a version in a directory's name."""
    match = re.search(r"\.(\d+)$", home.name)
    return int(match[1]) if match else -1


if __name__ == "__main__":
    sys.exit(main())
