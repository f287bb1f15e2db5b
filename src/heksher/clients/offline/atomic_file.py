"""Files that are replaced as a whole: a reader gets all of one write, whatever happens to the writer.

A file that can be seen is never changed. A write fills a file of its own name in the same directory, has it brought to
the disk, and renames it. A process that is killed may leave the file that it was filling; a later write of the same
path removes it when it is an hour old.

Any number of threads and processes may write and read one path at the same time.

Source: POSIX, *rename*: the new name refers to one of the two files at every moment.
"""

import os
import re
import stat
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, Final

# No write takes so long: a temporary file of that age was left by a process that has ended.
LEFTOVER_AGE_S: Final = 3600

# Only the owner may read and write the file.
_MODE: Final = 0o600


@contextmanager
def open_regular(path: Path) -> Iterator[BinaryIO]:
    """Open a file to read it.

    Raises:
        OSError: it cannot be opened.
        ValueError: it is not a regular file: a pipe or a device might have no end.
    """
    with open(path, "rb", opener=_open_at_once) as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise ValueError("it is no regular file")
        yield file


def replace_file(path: Path, chunks: Iterable[bytes]) -> None:
    """Replace a file, or create it, durably; a failure leaves what was there.

    The file can be read and written by its owner alone, whatever was there before. A symbolic link is replaced itself:
    what it leads to might be anything.

    Raises:
        OSError: it cannot be written.
        ValueError: there is something that is neither a file nor a link.
    """
    _require_replaceable(path)
    _remove_leftovers(path)
    # The number of the process is for people. It does not make the name unique: each container counts from 1.
    temporary = path.with_name(f"{_prefix(path)}{os.getpid()}-{os.urandom(8).hex()}.tmp")
    try:
        with open(temporary, "xb", opener=_open_private) as file:
            file.writelines(chunks)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    # Also on an interrupt: otherwise the file would stay for an hour.
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise
    _sync_directory(path.parent)


def _open_at_once(path: str, flags: int) -> int:
    # Without this, opening a pipe would wait for a writer.
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def _open_private(path: str, flags: int) -> int:
    return os.open(path, flags, _MODE)


def _prefix(path: Path) -> str:
    return f".{path.name}."


def _require_replaceable(path: Path) -> None:
    # Renaming would replace a device or a pipe, too. /dev/null has to survive being given as a path.
    with suppress(FileNotFoundError):
        mode = path.lstat().st_mode
        if not (stat.S_ISREG(mode) or stat.S_ISLNK(mode)):
            raise ValueError("it is no regular file")


def _remove_leftovers(path: Path) -> None:
    pattern = re.compile(re.escape(_prefix(path)) + r"\d+-[0-9a-f]{16}\.tmp")
    newest_s = time.time() - LEFTOVER_AGE_S
    # A directory that may not be listed, or another process that is faster, is no reason not to write.
    with suppress(OSError), os.scandir(path.parent) as entries:
        for entry in entries:
            if pattern.fullmatch(entry.name) and entry.stat(follow_symlinks=False).st_mtime < newest_s:
                Path(entry.path).unlink(missing_ok=True)


def _sync_directory(directory: Path) -> None:
    # Brings the renaming to the disk. Some systems, and some file systems, cannot do that for a directory.
    with suppress(OSError):
        descriptor = os.open(directory, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
