"""An environment for each library, in ``.benchmarks``: what its requirements file pins, and nothing else.

They are built by the project's own uv and are built again only when the requirements or the interpreter change. This
library is not installed: its environment has what it depends on, and its source is put on the path.
"""

import hashlib
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PLACE = ROOT / ".benchmarks"
REQUIREMENTS = ROOT / "benchmarks" / "requirements"
BUILD_TIMEOUT_S = 300

sys.path.append(str(ROOT / "tools"))
from bootstrap import UV, has_system_certificates, prepare_uv  # noqa: E402 - tools are programs, not a package
from pythons import find_interpreters  # noqa: E402 - as above


class UnavailableError(Exception):
    """A library cannot be measured here; the message says why."""


def build_environment(adapter: str, python: str) -> Path:
    """Build the environment of an adapter, unless it is there already; return its interpreter.

    Args:
        adapter: the name of the module in ``benchmarks/peers``.
        python: a version, such as ``3.13``, or the path of an interpreter.

    Raises:
        UnavailableError: it cannot be built.
    """
    return build_from(REQUIREMENTS / f"{adapter}.txt", PLACE / f"{adapter}-{Path(python).name}", python)


def build_from(requirements: Path, place: Path, python: str) -> Path:
    """Build an environment of what a file of requirements pins, unless it is there already; return its interpreter.

    Raises:
        UnavailableError: it cannot be built.
    """
    stamp = place / "built-from"
    wanted = hashlib.sha256(f"{python}\n{requirements.read_text()}".encode()).hexdigest()
    interpreter = place / "bin" / "python"
    if not (interpreter.exists() and stamp.exists() and stamp.read_text() == wanted):
        print(f"building {place.name} with Python {python}", file=sys.stderr, flush=True)
        if not prepare_uv():
            raise UnavailableError("there is no uv to build an environment with")
        _run_uv("venv", "--clear", "--python", find_python(python), str(place))
        _run_uv("pip", "install", "--python", str(interpreter), "-r", str(requirements))
        stamp.write_text(wanted)
    return interpreter


def find_python(python: str) -> str:
    """Find the interpreter of a version; a path is given back as it is.

    Raises:
        UnavailableError: there is none.
    """
    if not re.fullmatch(r"\d+\.\d+", python):
        return python
    found = next(find_interpreters(python), None)
    if found is None:
        raise UnavailableError(f"no python{python} on PATH or below ~/.pyenv/versions that runs")
    return found


def environment_variables(adapter: str) -> Mapping[str, str]:
    """Return the environment variables that an adapter's process runs with."""
    ignored = {"PYTHONPATH", "VIRTUAL_ENV", "PYTHONHASHSEED", "PYTHONDONTWRITEBYTECODE"}
    inherited = {name: value for name, value in os.environ.items() if name not in ignored}
    # Only this library's process may find this library's source: another one has the published package.
    return inherited | ({"PYTHONPATH": str(ROOT / "src")} if adapter == "this" else {})


def _run_uv(*arguments: str) -> None:
    environment = {**os.environ, "UV_PYTHON_DOWNLOADS": "never", "UV_LINK_MODE": "copy"}
    if has_system_certificates():
        environment["UV_SYSTEM_CERTS"] = "true"
    try:
        result = subprocess.run(
            [UV, "--quiet", *arguments],
            env=environment,
            capture_output=True,
            text=True,
            timeout=BUILD_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise UnavailableError(f"uv {arguments[0]} took longer than {BUILD_TIMEOUT_S} s") from None
    if result.returncode != 0:
        # Results are published: they are not to tell where on which machine they were made.
        reason = result.stderr.replace(str(ROOT), ".").replace(str(Path.home()), "~").strip()
        raise UnavailableError(f"uv {arguments[0]} failed: {reason[-300:]}")
