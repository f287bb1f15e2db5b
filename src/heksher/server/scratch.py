"""Directories for the time of one task, which are removed even if the process was killed: at the next start.

Each is locked by its process, and by those forked from it. The lock ends with them, so a directory of this program that
nobody has locked is one that was left behind.
"""

import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

with suppress(ImportError):
    import fcntl
# Windows has no such locks: what is left behind stays there.
_HAS_LOCKS: bool = "fcntl" in globals()

# A name says that its directory is locked: earlier builds made others without a lock, which may be in use.
# Copies of whole databases, where their restore was killed.
RESTORE: Final = "heksher-restore-locked-"
# The numbers of several workers.
METRICS: Final = "heksher-metrics-locked-"
# Backups that were not finished, beside the finished ones.
BACKUP: Final = ".heksher-backup-"


@contextmanager
def scratch_directory(prefix: str, parent: Path | None = None) -> Iterator[Path]:
    """Yield a new directory that only this user can read, after removing those that were left behind.

    Args:
        prefix: what its name, and that of those to remove, begins with.
        parent: where it is to be; ``None`` for the system's place for temporary files.

    Raises:
        OSError: it cannot be created.
    """
    if not _HAS_LOCKS:
        with tempfile.TemporaryDirectory(prefix=prefix, dir=parent) as unlocked:
            yield Path(unlocked)
        return
    place = parent or Path(tempfile.gettempdir())
    remove_leftovers(prefix, place)
    directory, lock = _create(prefix, place)
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)
        os.close(lock)


def remove_leftovers(prefix: str, parent: Path | None = None) -> None:
    """Remove the directories whose process was killed. What cannot be removed stays."""
    if not _HAS_LOCKS:
        return
    place = parent or Path(tempfile.gettempdir())
    with suppress(OSError):
        for path in list(place.glob(f"{prefix}*")):
            with suppress(OSError):
                _remove_unlocked(path)


def _create(prefix: str, place: Path) -> tuple[Path, int]:
    while True:
        directory = Path(tempfile.mkdtemp(prefix=prefix, dir=place))
        lock = _lock(directory)
        # Between the two steps, another process may have taken it for one that was left behind.
        if lock is not None:
            if directory.exists():
                return directory, lock
            os.close(lock)


def _remove_unlocked(path: Path) -> None:
    # In a directory that others can write to, anybody can make a link of such a name.
    found = path.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
        return
    lock = _lock(path)
    if lock is not None:
        try:
            shutil.rmtree(path, ignore_errors=True)
        finally:
            os.close(lock)


def _lock(directory: Path) -> int | None:
    """Return an open descriptor of a directory that holds its lock; ``None`` if another process has it."""
    try:
        descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        return None
    return descriptor
