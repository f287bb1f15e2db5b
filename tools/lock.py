"""Keep uv.lock, and the requirements that pip reads in its place, in step with pyproject.toml.

``lock.py write`` brings them up to date; ``lock.py check`` changes nothing and fails when that is due.
Every address in them is PyPI's: the configuration of the machine that locks is left out.
"""

import sys
from pathlib import Path

from bootstrap import PROFILES, REQUIREMENTS, ROOT, UV, UV_PIN, run, works

# What is exported: each profile of the environment, and what the image in deploy/ has.
EXPORTS = {**PROFILES, "service": ("--no-default-groups", "--extra=server", "--extra=postgres")}

Command = list[str | Path]

EXPORT = ("export", "--frozen", "--no-config", "--quiet", "--no-header", "--no-emit-project")
COMPILE = ("pip", "compile", "--no-config", "--quiet", "--no-header", "--universal", "--generate-hashes")
CHECK_LOCK = ("lock", "--check", "--no-config", "--quiet")


def main(arguments: list[str]) -> int:
    """Do what the command line asks for; return the exit status."""
    if arguments not in (["write"], ["check"]):
        print("usage: lock.py write|check", file=sys.stderr)
        return 2
    if not works(UV):
        # A contributor whose platform has no uv cannot mend it, and CI, which has uv, does check.
        print("lock: uv cannot be had here, so uv.lock and requirements/ are not checked", file=sys.stderr)
        return 0 if arguments == ["check"] else 1
    return write_all() if arguments == ["write"] else check_all()


def write_all() -> int:
    """Lock, then export; return the exit status of the first command that fails, else 0."""
    pin: Command = [UV, *COMPILE, "--python-version=3.11", "--only-binary=:all:", UV_PIN.with_suffix(".in")]
    commands: list[Command] = [[UV, "lock", "--no-config"], [*pin, f"--output-file={UV_PIN}"]]
    commands += [export(name, REQUIREMENTS / f"{name}.txt") for name in EXPORTS]
    return next((status for status in map(run, commands) if status != 0), 0)


def check_all() -> int:
    """Tell what is out of step; 0 when nothing is."""
    outdated = [] if run([UV, *CHECK_LOCK]) == 0 else [ROOT / "uv.lock"]
    for name in EXPORTS:
        exported = ROOT / "build" / f"requirements-{name}.txt"
        exported.parent.mkdir(exist_ok=True)
        kept = REQUIREMENTS / f"{name}.txt"
        if run(export(name, exported)) != 0 or exported.read_text() != kept.read_text():
            outdated.append(kept)
    for path in outdated:
        print(f"lock: {path.relative_to(ROOT)} is not what pyproject.toml asks for; run: make lock", file=sys.stderr)
    return 1 if outdated else 0


def export(name: str, output: Path) -> Command:
    """Return the command that writes requirements for pip."""
    return [UV, *EXPORT, *EXPORTS[name], f"--output-file={output}"]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
