"""The paths of files that a program gives to its client."""

from os import PathLike, fspath
from typing import TYPE_CHECKING, TypeAlias

from heksher.exceptions import ArgumentTypeError, InvalidOptionError
from heksher.wording import describe_value

if TYPE_CHECKING:
    from pathlib import Path

FilePath: TypeAlias = str | PathLike[str]


def read_path(option: str, path: object) -> "Path":
    """Return the path that an option gives; one that begins with ``~`` is below a home directory.

    Raises:
        InvalidOptionError: it is empty, or there is no such home directory.
        ArgumentTypeError: (a ``TypeError``) it is no path.
    """
    # Not before it is needed: it takes a tenth of what everything else here takes to import.
    from pathlib import Path  # noqa: PLC0415 - see above

    text = fspath(path) if isinstance(path, str | PathLike) else None
    if not isinstance(text, str):
        raise ArgumentTypeError(f"{option} must be the path of a file, not {describe_value(path)}")
    if not text:
        # To pathlib, it would be the current directory.
        raise InvalidOptionError(f"{option} must be the path of a file, not an empty text; leave it out for none")
    try:
        return Path(text).expanduser()
    except RuntimeError as error:
        raise InvalidOptionError(f"{option}={text!r} cannot be used: {error}") from error
