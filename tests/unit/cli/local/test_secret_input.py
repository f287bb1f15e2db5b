"""How passwords are read."""

import os
import pty
import subprocess
import sys
from contextlib import suppress

import click
import pytest
from click.testing import CliRunner, Result

from heksher.cli.local import secret_input
from heksher.cli.local.secret_input import password_option, read_password

PASSWORD = "correct horse"  # noqa: S105 - of nobody


@click.command()
@password_option
def tell(is_from_stdin: bool) -> None:
    """Read a password, and say what was read."""
    click.echo(f"read {read_password(is_from_stdin=is_from_stdin)!r}")


def invoke(*arguments: str, given: str | bytes = "") -> Result:
    return CliRunner().invoke(tell, arguments, input=given)


@pytest.mark.parametrize("end", ["", "\n", "\r\n"])
def test_the_standard_input_has_the_password(end: str):
    """With or without the end of a line; white space is a part of it."""
    assert "read ' ä password '\n" == invoke("--password-stdin", given=" ä password " + end).output


@pytest.mark.parametrize("given", ["a\nb", "a\n\n", "\n\n", "a\rb\n"])
def test_the_standard_input_has_nothing_else(given: str):
    """Or nobody would know which line counts."""
    result = invoke("--password-stdin", given=given)
    assert (1, "Error: the standard input has more than one line, and has to have the password alone\n") == (
        result.exit_code,
        result.output,
    )


def test_an_endless_input_is_not_read_to_its_end():
    """What is longer than any password is refused by whoever takes passwords."""
    assert len(invoke("--password-stdin", given="a" * 100_000).output) < 1100


def test_without_a_terminal_nobody_is_asked():
    """The error says what to do."""
    result = invoke(given=f"{PASSWORD}\n{PASSWORD}\n")
    assert (1, True) == (result.exit_code, "--password-stdin" in result.output)


def test_whoever_is_asked_says_it_twice(monkeypatch: pytest.MonkeyPatch):
    """Until both are the same; the questions are on the standard error."""
    monkeypatch.setattr(secret_input, "has_terminal", lambda: True)
    result = invoke(given=f"{PASSWORD}\nanother\n{PASSWORD}\n{PASSWORD}\n")
    assert (0, f"read {PASSWORD!r}\n") == (result.exit_code, result.stdout)
    assert 2 == result.stderr.count("The same again")


def test_what_is_typed_is_not_shown():
    """In a real terminal."""
    code = "from heksher.cli.local.secret_input import read_password; print(len(read_password(is_from_stdin=False)))"
    terminal, other_side = pty.openpty()
    asking = subprocess.Popen(
        [sys.executable, "-c", code], stdin=other_side, stdout=other_side, stderr=other_side, start_new_session=True
    )
    os.close(other_side)
    shown = b""
    with os.fdopen(terminal, "r+b", buffering=0) as screen, suppress(OSError):  # an error once the other side is gone
        for _ in range(2):
            while not shown.endswith(b": "):
                shown += screen.read(1024)
            screen.write(f"{PASSWORD}\n".encode())
            shown += b"|"
        while piece := screen.read(1024):
            shown += piece
    assert (0, True) == (asking.wait(), b"13" in shown)
    assert PASSWORD.encode() not in shown
