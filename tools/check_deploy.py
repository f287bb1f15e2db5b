"""Check what is in ``deploy/`` with the tools of those who run it: ``make check-deploy``.

The manifests are checked against the schemas of Kubernetes (a ``ServiceMonitor`` is none of its own: there the tests
are all), the Dockerfile by hadolint. Both are installed into an environment of their own. What needs neither is in
``tests/integration``.
"""

import subprocess
import sys
from pathlib import Path

from benchmarks.environments import ROOT, UnavailableError, build_from

_DEPLOY = ROOT / "deploy"
_FOREIGN = {"service-monitor.yaml"}


def list_commands(programs: Path) -> list[list[str]]:
    """Return the commands that check, by programs in this directory."""
    manifests = sorted(str(path) for path in (_DEPLOY / "kubernetes").glob("*.yaml") if path.name not in _FOREIGN)
    return [
        [str(programs / "kubernetes-validate"), "--strict", *manifests],
        [str(programs / "hadolint"), str(_DEPLOY / "Dockerfile")],
    ]


def main() -> int:
    """Check everything; return the exit status."""
    try:
        python = build_from(ROOT / "tools" / "deployment.txt", ROOT / "build" / "check-deploy", sys.executable)
    except UnavailableError as error:
        print(f"check-deploy: {error}", file=sys.stderr)
        return 1
    return max(subprocess.run(command, check=False).returncode for command in list_commands(python.parent))


if __name__ == "__main__":
    sys.exit(main())
