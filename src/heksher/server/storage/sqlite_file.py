"""The files of SQLite databases: who may read them, whose they are, and which must never be written over.

SQLite gives the files that it keeps beside a database the owner and the mode of the database.
"""

import os
import stat
from contextlib import suppress
from pathlib import Path
from typing import Final

from heksher.server.storage.storage_errors import StorageError

_PRIVATE_MODE: Final = 0o600
# What others may do with a database is never taken over from its backup.
_MAX_MODE: Final = 0o660
# What SQLite keeps beside a database: changes that are not in it yet, or not finished.
_COMPANIONS: Final = ("-wal", "-shm", "-journal")


def create_private(file: Path, original: Path | None = None) -> None:
    """Create an empty file that only its owner can read, if there is none. Does nothing where that is not possible.

    Args:
        file: the file to create.
        original: the file whose owner and mode it gets, as far as this process may give them; ``None`` for its own.
    """
    # SQLite says what is wrong, with the remedy, when it opens the file.
    with suppress(OSError):
        os.close(os.open(file, os.O_RDWR | os.O_CREAT | os.O_EXCL, _PRIVATE_MODE))
        if original is not None:
            copy_owner(file, original)
            file.chmod(_PRIVATE_MODE | (stat.S_IMODE(original.stat().st_mode) & _MAX_MODE))


def is_open_to_all(file: Path) -> bool:
    """Return whether users besides the owner and the group of a file can read or write it."""
    return bool(file.stat().st_mode & (stat.S_IROTH | stat.S_IWOTH))


def copy_owner(file: Path, original: Path) -> None:
    """Give a file the owner of another one, as far as this process may, and where files have owners."""
    known = original.stat()
    if hasattr(os, "chown"):
        with suppress(PermissionError):
            os.chown(file, known.st_uid, known.st_gid)


def list_companions(file: Path) -> list[Path]:
    """Return the files that SQLite keeps beside a database, whether they exist or not."""
    return [file.with_name(file.name + ending) for ending in _COMPANIONS]


def require_apart(backup: Path, database: Path | None) -> None:
    """Check that writing a backup harms no database.

    Args:
        backup: where it is to be; links were followed.
        database: the SQLite file that is backed up; ``None`` for a database of another kind.

    Raises:
        StorageError: it would replace the database, or a part of it, or files of a database are beside it.
    """
    parts = [] if database is None else [database, *list_companions(database)]
    if any(backup == part.resolve() or _is_same_file(backup, part) for part in parts):
        raise StorageError(f"{backup} is a file of the database itself: choose another name for its backup")
    for companion in list_companions(backup):
        if companion.exists():
            raise StorageError(
                f"there is {companion}, so {backup.name} is a database in use, or was one: SQLite would take that file"
                " for a part of the backup; choose another name, or remove it while no service runs"
            )


def _is_same_file(file: Path, other: Path) -> bool:
    # Under another name, by a hard link.
    try:
        return file.samefile(other)
    except OSError:
        return False
