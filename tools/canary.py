"""Run the tests with the newest releases of all dependencies, whatever uv.lock and the upper bounds say.

What fails here will fail for users one day: after an upper bound is raised, or at once where there is none. The
environment, ``.canary``, is built anew each time. Arguments are pytest's.
"""

import json
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

from bootstrap import ROOT, UV, has_system_certificates, prepare_uv, python_of, run

CANARY = ROOT / ".canary"
GROUPS = ("test", "check")
EXTRAS = ("server", "postgres")

Command = list[str | Path]


def main(arguments: list[str]) -> int:
    """Build the environment and test in it; return the exit status."""
    if not prepare_uv():
        print("canary: without uv there is nothing to build the environment with", file=sys.stderr)
        return 1
    if not build():
        print("canary: the newest releases cannot be installed together (uv's reason stands above)", file=sys.stderr)
        return 1
    for name, locked, newest in find_newer():
        print(f"canary: {name} {newest} in place of {locked}", flush=True)
    # What is in a browser does not come from these dependencies.
    command: Command = [
        python_of(CANARY),
        "-m",
        "pytest",
        "--ignore=tests/browser",
        "--ignore=tests/hostile",
        *arguments,
    ]
    return subprocess.run(command, cwd=ROOT, check=False).returncode


def build() -> bool:
    """Install the newest releases; return whether that was possible."""
    shutil.rmtree(CANARY, ignore_errors=True)
    environment = {"UV_LINK_MODE": "copy", "UV_PYTHON_DOWNLOADS": "never"}
    if has_system_certificates():
        environment["UV_SYSTEM_CERTS"] = "true"
    if run([UV, "venv", "--quiet", "--python", sys.executable, CANARY], environment) != 0:
        return False
    overrides = CANARY / "overrides.txt"
    overrides.write_text("".join(f"{requirement}\n" for requirement in list_requirements()))
    command: Command = [UV, "pip", "install", "--quiet", "--refresh", f"--overrides={overrides}"]
    wanted = [*(f"--group={name}" for name in GROUPS), "--editable", f".[{','.join(EXTRAS)}]"]
    return run([*command, "--python", python_of(CANARY), *wanted], environment) == 0


def list_requirements() -> Iterator[str]:
    """List what the project itself requires, without upper bounds."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    for requirement in [*project["dependencies"], *(each for name in EXTRAS for each in extras[name])]:
        yield re.sub(r",\s*<[^;,\s]+", "", requirement)


def find_newer() -> Iterator[tuple[str, str, str]]:
    """Find what is installed in another version than the lock has: name, version of the lock, version installed."""
    packages = tomllib.loads((ROOT / "uv.lock").read_text(encoding="utf-8"))["package"]
    locked = {package["name"]: package.get("version") for package in packages}
    command: Command = [UV, "pip", "list", "--quiet", "--format=json", "--python", python_of(CANARY)]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for package in json.loads(listed):
        name, version = package["name"], package["version"]
        if locked.get(name) not in {None, version}:
            yield name, locked[name], version


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
