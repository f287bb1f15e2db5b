"""What a run of the tests has started ends with it, however it ends: also when pytest is killed, or PostgreSQL frozen.

A process beside pytest waits until that has ended. What it finds then of the run gets some seconds to end by itself,
and is killed: every process that has inherited the name of the run in its environment, and every PostgreSQL whose
directory bears it (the processes of a server overwrite their environment). ``pytest_configure`` starts it, as
a file of its own, so it imports nothing of the project. Where there is no ``/proc``, only the servers are found.
"""

import os
import select
import shutil
import signal
import sys
import tempfile
import time
import uuid
from contextlib import suppress
from pathlib import Path

# Not HEKSHER_...: such variables are kept from the services that tests start.
RUN_VARIABLE = "PYTEST_HEKSHER_RUN"
# How long what ends by itself may take to do so, such as the workers of pytest-xdist.
GRACE_S = 3.0
# A server that is told to stop at once takes much less.
SHUTDOWN_S = 1.0
POLL_S = 0.1
_PROCESSES = Path("/proc")


def start_guardian() -> None:
    """Name this run, and start its guardian, which ends some time after this process."""
    run = os.environ[RUN_VARIABLE] = uuid.uuid4().hex
    # The other end is closed with this process. Those that it forks have it, too, so the guardian does not rely on it.
    reading, _writing = os.pipe()
    command = [sys.executable, "-I", __file__, run]
    # Not Popen, which would complain that it is still running in the end. Nobody waits for the end of its output.
    actions = [
        (os.POSIX_SPAWN_DUP2, reading, 0),
        (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0),
        (os.POSIX_SPAWN_DUP2, 1, 2),
    ]
    # A group of its own: Ctrl-C is not for it.
    os.posix_spawn(sys.executable, command, os.environ, file_actions=actions, setpgroup=0)
    os.close(reading)


def make_directory(purpose: str) -> Path:
    """Make a temporary directory that the guardian finds, and deletes if nobody has."""
    return Path(tempfile.mkdtemp(prefix=f"{_prefix(os.environ.get(RUN_VARIABLE, 'none'))}{purpose}-"))


def find_processes(run: str) -> set[int]:
    """Find the processes that have inherited the name of a run, or whose directory bears it."""
    return {
        process_id for process_id in _list_processes() if _is_marked(process_id, run) or _is_inside(process_id, run)
    }


def end_all(run: str) -> None:
    """End what there is of a run, after the time that it may take to do so by itself."""
    _wait_for_end(run, GRACE_S)
    for process_id in find_processes(run):
        _signal(process_id, signal.SIGCONT)
    directories = list(Path(tempfile.gettempdir()).glob(f"{_prefix(run)}*"))
    for directory in directories:
        _shut_down_postgres(directory)
    _wait_for_end(run, SHUTDOWN_S if directories else 0)
    while remaining := find_processes(run):
        for process_id in remaining:
            _signal(process_id, signal.SIGKILL)
        time.sleep(POLL_S)
    for directory in directories:
        shutil.rmtree(directory, ignore_errors=True)


def main(run: str) -> None:
    """Wait for the end of the process that has started this one, and of its run."""
    parent = os.getppid()
    while os.getppid() == parent and not select.select([0], [], [], POLL_S)[0]:
        pass
    end_all(run)


def _prefix(run: str) -> str:
    return f"heksher-{run}-"


def _list_processes() -> list[int]:
    # Without /proc, there are none.
    return [int(path.name) for path in _PROCESSES.glob("[0-9]*") if int(path.name) != os.getpid()]


def _is_marked(process_id: int, run: str) -> bool:
    # It may have ended meanwhile, or belong to another user.
    with suppress(OSError):
        return f"{RUN_VARIABLE}={run}".encode() in (_PROCESSES / str(process_id) / "environ").read_bytes().split(b"\0")
    return False


def _is_inside(process_id: int, run: str) -> bool:
    with suppress(OSError):
        return _prefix(run) in str((_PROCESSES / str(process_id) / "cwd").readlink())
    return False


def _shut_down_postgres(directory: Path) -> None:
    # At once, but so that it takes its shared memory with it, which it cannot when it is killed.
    with suppress(OSError, ValueError):
        _signal(int((directory / "data" / "postmaster.pid").read_text().splitlines()[0]), signal.SIGQUIT)


def _signal(process_id: int, number: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.kill(process_id, number)


def _wait_for_end(run: str, timeout_s: float) -> None:
    deadline_s = time.monotonic() + timeout_s
    while find_processes(run) and time.monotonic() < deadline_s:
        time.sleep(POLL_S)


if __name__ == "__main__":
    main(sys.argv[1])
