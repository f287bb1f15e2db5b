"""Run the tests of compatibility on the published client, 0.2.2: what they say of existing programs is to be true.

The package is installed into an environment of its own, ``.published``, with nothing of this project in it. There the
tests see neither this library nor the fixtures of the other tests.
"""

import subprocess
import sys

from benchmarks.environments import ROOT, UnavailableError, build_from, environment_variables

TESTS = ROOT / "tests" / "compatibility"


def main() -> int:
    """Run them; return the exit status of pytest."""
    try:
        python = build_from(TESTS / "published.txt", ROOT / ".published", sys.executable)
    except UnavailableError as error:
        print(f"test-published: {error}", file=sys.stderr)
        return 1
    command = [str(python), "-m", "pytest", "-q", "-c", str(TESTS / "published.ini"), f"--confcutdir={TESTS}"]
    environment = environment_variables("published")
    return subprocess.run([*command, str(TESTS), *sys.argv[1:]], cwd=ROOT, env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
