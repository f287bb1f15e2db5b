"""Build the environment in ``.venv`` that a ``make`` target needs, unless it is there already.

Two environments, so that neither can break the other::

    .tools   uv in the one version that requirements/uv.txt pins, and nothing else
    .venv    what uv.lock says, for one of the profiles below, and this project itself (editable)

The profiles grow: ``demo`` < ``test`` < ``all``. An environment that holds a larger profile serves a smaller one, and
is never shrunk to it. What was built is written to a stamp inside the environment; when the lock, the project's
configuration, the interpreter or the place differ from the stamp, the environment is brought up to date.

Where uv cannot be had (no wheel for the platform) or cannot do its work (the way to PyPI is a mirror that only pip is
configured for), pip installs the same versions from requirements/*.txt, which are exported from uv.lock with hashes.
``HEKSHER_INSTALLER=pip`` asks for that at once.

Runs on the standard library alone, with any Python >= 3.11.
"""

import fcntl
import hashlib
import json
import os
import shutil
import ssl
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TOOLS = ROOT / ".tools"
VENV = ROOT / ".venv"
REQUIREMENTS = ROOT / "requirements"
UV_PIN = REQUIREMENTS / "uv.txt"
UV = TOOLS / "bin" / "uv"

# What of pyproject.toml's extras and groups each profile holds, from the smallest to the largest.
PROFILES: Mapping[str, Sequence[str]] = {
    "demo": ("--no-default-groups", "--extra=server", "--group=bench"),
    # The type checkers too: what users see of the types is tested by running them.
    "test": ("--no-default-groups", "--all-extras", "--group=test", "--group=check"),
    "all": ("--no-default-groups", "--all-extras", "--group=dev"),
}
LARGEST_PROFILE = list(PROFILES)[-1]

PIP_INSTALL = ("-m", "pip", "install", "--quiet", "--no-input", "--disable-pip-version-check")


class BootstrapError(Exception):
    """The environment cannot be built; the message says what is missing."""


def main(arguments: Sequence[str]) -> int:
    """Build the environment for the profile that the command line names; return the exit status."""
    if len(arguments) != 1 or arguments[0] not in PROFILES:
        print(f"usage: bootstrap.py {'|'.join(PROFILES)}", file=sys.stderr)
        return 2
    try:
        with exclusively():
            build_environment(arguments[0], os.environ.get("HEKSHER_INSTALLER", "uv"))
    except BootstrapError as error:
        print(f"bootstrap: {error}", file=sys.stderr)
        return 1
    return 0


@contextmanager
def exclusively() -> Iterator[None]:
    """Let only one process build at a time: ``make -j`` may ask for two profiles at once."""
    with (ROOT / ".bootstrap.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def build_environment(profile: str, installer: str) -> None:
    """Bring ``.venv`` to the given profile, or a larger one that it holds already.

    Raises:
        BootstrapError: something cannot be had.
    """
    stamp = VENV / "bootstrap.json"
    wanted = {
        "profile": larger_profile(profile, read_stamp(stamp).get("profile")),
        "built from": fingerprint(installer),
    }
    if read_stamp(stamp) == wanted and (VENV / "bin" / "python").exists():
        return
    stamp.unlink(missing_ok=True)
    say(f"building .venv for {wanted['profile']!r} with Python {sys.version.split()[0]}")
    if installer == "pip" or not (prepare_uv() and install_with_uv(wanted["profile"], VENV, base_python())):
        install_with_pip(wanted["profile"])
    stamp.write_text(json.dumps(wanted))


def larger_profile(first: str, second: str | None) -> str:
    """Return the larger one of two profiles; ``None``, or an unknown one, is smaller than any."""
    order = list(PROFILES)
    return second if second in order and order.index(second) > order.index(first) else first


def read_stamp(stamp: Path) -> dict[str, str]:
    """Read what an environment was built from; empty if nothing is there, or nothing readable."""
    try:
        content = json.loads(stamp.read_text())
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def fingerprint(installer: str) -> str:
    """Return a text that changes when an environment built now would be another one."""
    digest = hashlib.sha256()
    for path in (ROOT / "uv.lock", ROOT / "pyproject.toml", UV_PIN, Path(__file__)):
        digest.update(path.read_bytes())
    # Scripts in an environment hold absolute paths: one that was moved must be built again.
    digest.update(f"{installer} {ROOT} {sys.base_prefix} {sys.version}".encode())
    return digest.hexdigest()


def prepare_uv() -> bool:
    """Put the pinned uv into ``.tools``; return whether it could be had."""
    stamp = TOOLS / "bootstrap.json"
    wanted = {"built from": hashlib.sha256(UV_PIN.read_bytes()).hexdigest()}
    if read_stamp(stamp) == wanted and works(UV):
        return True
    say("installing uv into .tools")
    make_venv(TOOLS)
    result = run([python_of(TOOLS), *PIP_INSTALL, "--only-binary=:all:", "--require-hashes", "-r", UV_PIN])
    if result != 0 or not works(UV):
        say("uv cannot be had here (pip's reason stands above)")
        return False
    stamp.write_text(json.dumps(wanted))
    return True


def works(program: Path) -> bool:
    """Return whether a program can be started."""
    try:
        return subprocess.run([program, "--version"], capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def install_with_uv(profile: str, venv: Path, python: str) -> bool:
    """Bring an environment to exactly what the lock says for a profile; return whether uv could do it."""
    command: list[str | Path] = [UV, "sync", "--frozen", "--quiet", "--python", python, *PROFILES[profile]]
    if profile != LARGEST_PROFILE:
        # What is there beyond the profile may be what somebody has installed by hand, or a larger one without a stamp.
        command.append("--inexact")
    environment = {
        "UV_PROJECT_ENVIRONMENT": str(venv),
        "UV_PYTHON_DOWNLOADS": "never",  # the interpreter is the user's choice, and no download can surprise
        "UV_LINK_MODE": "copy",  # the cache is often on another file system, where linking fails with a warning
    }
    if run(command, environment | certificate_environment()) == 0:
        return True
    say("uv could not install what uv.lock names (its reason stands above)")
    return False


def certificate_environment() -> dict[str, str]:
    """Return what has uv trust the authorities that the machine trusts, if it has a store of them.

    Else uv trusts only those that it was built with, and fails behind a company's proxy.
    """
    return {"UV_SYSTEM_CERTS": "true"} if has_system_certificates() else {}


def has_system_certificates() -> bool:
    """Return whether the machine has a store of certificate authorities."""
    paths = ssl.get_default_verify_paths()
    return bool(paths.cafile) or (bool(paths.capath) and any(Path(paths.capath).iterdir()))


def install_with_pip(profile: str) -> None:
    """Build ``.venv`` anew from the exported lock.

    Raises:
        BootstrapError: pip failed.
    """
    say(f"installing requirements/{profile}.txt with pip")
    make_venv(VENV)
    locked = run([python_of(VENV), *PIP_INSTALL, "--require-hashes", "-r", REQUIREMENTS / f"{profile}.txt"])
    if locked != 0 or run([python_of(VENV), *PIP_INSTALL, "--no-deps", "--editable", ROOT]) != 0:
        raise BootstrapError(
            f"pip could not install requirements/{profile}.txt and this project (its reason stands above). It needs"
            " access to pypi.org and files.pythonhosted.org, or an index of your own in PIP_INDEX_URL."
        )


def make_venv(place: Path) -> None:
    """Make an empty virtual environment.

    Raises:
        BootstrapError: Python cannot make one here.
    """
    shutil.rmtree(place, ignore_errors=True)
    if run([base_python(), "-m", "venv", place]) != 0:
        raise BootstrapError(
            f"Python's venv failed to make {place}: is the disk full, or the module ensurepip missing?"
        )


def base_python() -> str:
    """Return the interpreter behind the running one, which may stand in the very environment that is to be built."""
    return getattr(sys, "_base_executable", None) or sys.executable


def python_of(venv: Path) -> Path:
    """Return an environment's interpreter."""
    return venv / "bin" / "python"


def run(command: Sequence[str | Path], environment: Mapping[str, str] | None = None) -> int:
    """Run a command with its output visible; return its exit status."""
    # An activated environment must neither be changed nor be warned about.
    inherited = {name: value for name, value in os.environ.items() if name not in {"VIRTUAL_ENV", "PYTHONPATH"}}
    # What pip and uv print is for people; the caller's output may be read by a program.
    result = subprocess.run(
        list(map(str, command)), cwd=ROOT, env=inherited | dict(environment or {}), stdout=sys.stderr, check=False
    )
    return result.returncode


def say(message: str) -> None:
    """Tell the user what takes time."""
    print(f"bootstrap: {message}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
