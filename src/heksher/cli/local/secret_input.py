"""Reads passwords: never from arguments, which everybody on the machine can see in the list of processes."""

import sys
from typing import Final

import click

from heksher.server.limits import MAX_PASSWORD_CHARACTERS

password_option: Final = click.option(
    "--password-stdin",
    "is_from_stdin",
    is_flag=True,
    help="Read the password from the standard input, one line; without it, it is asked for.",
)


def read_password(*, is_from_stdin: bool) -> str:
    """Return the password that somebody types, twice and unseen, or that the standard input has.

    Raises:
        ClickException: there is nobody to ask, or the input is more than a password.
    """
    if is_from_stdin:
        return _read_line()
    if not has_terminal():
        raise click.ClickException("there is no terminal to ask for the password: send it to --password-stdin")
    password: str = click.prompt("Password", hide_input=True, confirmation_prompt="The same again", err=True)
    return password


def has_terminal() -> bool:
    """Return whether there is somebody to ask."""
    return sys.stdin.isatty()


def _read_line() -> str:
    # Whatever is longer is no password, so there is no need to know by how much.
    text = sys.stdin.read(MAX_PASSWORD_CHARACTERS + len("\r\n") + 1)
    line = text.removesuffix("\n").removesuffix("\r")
    if "\n" in line or "\r" in line:
        raise click.ClickException("the standard input has more than one line, and has to have the password alone")
    return line
