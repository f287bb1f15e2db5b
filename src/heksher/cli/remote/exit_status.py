"""What the exit status of a command says, and the errors that have one."""

from enum import IntEnum
from typing import Final

import click


class ExitStatus(IntEnum):
    """How a command has ended. Constant: scripts rely on it."""

    DONE = 0
    FAILED = 1
    # As click has it: options and arguments that make no sense.
    USAGE = 2
    # There are differences, or findings: what was asked for was done.
    FOUND = 3
    CONFLICT = 4
    NOT_PERMITTED = 5
    NOT_REACHED = 6


class CommandError(click.ClickException):
    """A command cannot do what it was asked for.

    Args:
        message: what was wrong, and what to do, in one line.
        status: what the command ends with.
    """

    def __init__(self, message: str, status: ExitStatus) -> None:
        super().__init__(" ".join(message.split()))
        self.status = status
        self.exit_code: int = status  # type: ignore[misc]  # click reads it of the error


EPILOG: Final = """\b
Exit status:
  0  done
  1  failed
  2  options or arguments that make no sense
  3  done, and there are differences or findings
  4  a conflict: something is not as it was expected to be
  5  not permitted, or the token is missing or not accepted
  6  the service was not reached, or cannot answer now
"""


def write_epilog(*examples: str, heading: str = "Examples") -> str:
    """Return what stands below the help of a command: lines with examples, and what the exit status says."""
    return "\n".join(["\b", f"{heading}:", *(f"  {example}" for example in examples), "", EPILOG])
