"""Install what ``make dist`` has built as its users do, into empty environments, and use it.

For each version of Python that heksher supports: the client alone, then the commands over HTTP, then the service with
it; all by pip. At last the service without installing it, by ``uvx``. A version without an interpreter is named, and
makes the result a failure.
"""

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from urllib.request import urlopen

from bootstrap import ROOT, UV, certificate_environment, prepare_uv, python_of
from pythons import VERSIONS, describe_missing, find_interpreters

TIMEOUT_S = 300
CLIENT = """\
import heksher
from importlib.util import find_spec
assert heksher.__file__.startswith({prefix!r}), heksher.__file__
assert find_spec("fastapi") is None
size = heksher.Setting("size", int, ["user"], 3)
with heksher.ThreadHeksherClient("http://127.0.0.1:9", 60, ["user"], on_start_failure="continue"):
    assert size.get(user="me") == 3
print(heksher.__version__)
"""
# Without the service, a command gets as far as to the address that it has to be told.
COMMANDS = """\
import os, subprocess, sys
from importlib.util import find_spec
assert find_spec("fastapi") is None
os.environ.pop("HEKSHER_URL", None)
asked = subprocess.run([sys.executable, "-m", "heksher", "get", "size"], capture_output=True, text=True)
assert asked.returncode == 2 and "HEKSHER_URL is not set" in asked.stderr, asked.stderr
"""
ADDRESS = re.compile(r"listens on (http://\S+)")
PAGES = ("/api/health", "/docs", "/docs/assets/swagger-ui-5.35.0.bundle.js", "/openapi.json")


class TrialError(Exception):
    """Something did not work; the message says what."""


def main() -> int:
    """Try all versions; return the exit status."""
    [wheel] = (ROOT / "dist").glob("*.whl")
    results = {f"Python {version}": try_version(version, wheel) for version in VERSIONS}
    results["uvx"] = attempt(lambda place: try_without_installing(place, wheel))
    print(f"\n{wheel.name}:")
    for what, result in results.items():
        print(f"  {what}: {result}")
    return 0 if set(results.values()) == {"works"} else 1


def try_version(version: str, wheel: Path) -> str:
    """Install with one version of Python; say what came of it."""
    python = next(find_interpreters(version), None)
    if python is None:
        return f"missing: {describe_missing(version)}"
    return attempt(lambda place: try_python(place, python, wheel))


def attempt(trial: Callable[[Path], None]) -> str:
    """Make a trial in an empty directory; say what came of it."""
    with tempfile.TemporaryDirectory() as directory:
        try:
            trial(Path(directory).resolve())
        except (TrialError, OSError) as error:
            return str(error)
    return "works"


def try_python(place: Path, python: str, wheel: Path) -> None:
    """Install the client, use it, install the commands over HTTP, use one, install the service, use that."""
    run([python, "-m", "venv", place / "venv"], place)
    own = python_of(place / "venv")
    run([own, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", wheel], place)
    run([own, "-c", CLIENT.format(prefix=str(place))], place)
    run([own, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", f"{wheel}[cli]"], place)
    run([own, "-c", COMMANDS], place)
    run([own, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", f"{wheel}[server]"], place)
    serve([own.with_name("heksher")], place)


def try_without_installing(place: Path, wheel: Path) -> None:
    """Run the service as ``uvx`` does."""
    if not prepare_uv():
        raise TrialError("there is no uv for this machine")
    serve([UV, "tool", "run", "--quiet", "--python", sys.executable, "--from", f"{wheel}[server]", "heksher"], place)


def serve(heksher: Sequence[str | Path], place: Path) -> None:
    """Start the service, look at its pages, and end it."""
    command = [*heksher, "serve", "--port", "0", "--db", place / "heksher.db"]
    with subprocess.Popen(command, cwd=place, env=clean_environment(), stdout=subprocess.PIPE, text=True) as service:
        try:
            found = ADDRESS.search(next(iter(service.stdout or ()), ""))
            if found is None:
                raise TrialError("heksher serve does not say where it listens")
            for page in PAGES:
                with urlopen(found[1] + page, timeout=TIMEOUT_S) as answer:  # noqa: S310 - on this machine
                    answer.read()
        finally:
            service.terminate()


def run(command: Sequence[str | Path], place: Path) -> None:
    """Run a command in a directory.

    Raises:
        TrialError: it failed.
    """
    result = subprocess.run(
        command, cwd=place, env=clean_environment(), capture_output=True, text=True, timeout=TIMEOUT_S, check=False
    )
    if result.returncode != 0:
        raise TrialError(f"{' '.join(map(str, command[:4]))}: {result.stderr[-1000:]}")


def clean_environment() -> dict[str, str]:
    """Return the environment without what would lead to the sources."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV"))}
    return kept | certificate_environment()


if __name__ == "__main__":
    sys.exit(main())
