"""Writes what commands have to say to the standard output, and says so in one line where that cannot be done."""

import json
import sys
from contextlib import suppress

import click


class UntoldError(click.ClickException):
    """What a command has to say cannot be written; the message says why."""


def tell(message: str) -> None:
    """Write a line to the standard output.

    Raises:
        UntoldError: it cannot be written.
        BrokenPipeError: nobody reads it any more, which ends a command without a word.
    """
    try:
        click.echo(message)
    except BrokenPipeError:
        raise
    except UnicodeEncodeError:
        # What was done is done, so it is said in the characters that each encoding has; JSON stays what it is.
        click.echo("".join(each if each.isascii() else json.dumps(each)[1:-1] for each in message))
    except OSError as error:
        # What is left of it in memory would be tried once more at the end of the process.
        with suppress(OSError):
            sys.stdout.close()
        raise UntoldError(f"the standard output cannot be written to: {error.strerror}") from None


def note(message: str) -> None:
    """Write a line to the standard error: what is good to know, and no part of what was asked for."""
    click.echo(message, err=True)


def tell_once(secret: str) -> None:
    """Write a line that nobody can be told again.

    Raises:
        UntoldError: it cannot be written, or there is nobody to read it.
    """
    if sys.stdout is None:
        raise UntoldError("there is no standard output")
    try:
        tell(secret)
    except BrokenPipeError:
        with suppress(OSError):
            sys.stdout.close()
        raise UntoldError("nobody reads the standard output any more") from None
