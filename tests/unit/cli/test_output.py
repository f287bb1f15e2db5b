"""What commands do where what they have to say cannot be written."""

import errno
import json
import os

import click
import pytest
from click.testing import CliRunner, Result

from heksher.cli.output import tell
from heksher.cli.root import heksher as command


def run(monkeypatch: pytest.MonkeyPatch, error: Exception) -> Result:
    """Show the grants to an output that fails with an error."""
    echo = click.echo

    def fail(message: object = None, *, err: bool = False, **options: object) -> None:
        if not err and "file" not in options:
            raise error
        echo(message, err=err, **options)

    monkeypatch.setattr(click, "echo", fail)
    return CliRunner().invoke(command, ["access", "grants"])


def test_an_output_that_cannot_be_written_to_is_an_error_of_one_line(monkeypatch: pytest.MonkeyPatch):
    """Whatever the command is."""
    result = run(monkeypatch, OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))
    assert (1, "Error: the standard output cannot be written to: No space left on device\n") == (
        result.exit_code,
        result.stderr,
    )


def test_a_reader_that_has_seen_enough_is_no_error_to_tell_of(monkeypatch: pytest.MonkeyPatch):
    """As in ``heksher access grants | head -1``."""
    result = run(monkeypatch, OSError(errno.EPIPE, os.strerror(errno.EPIPE)))
    assert (1, "") == (result.exit_code, result.stderr)


def test_what_an_encoding_has_no_characters_for_is_escaped(monkeypatch: pytest.MonkeyPatch):
    """As in JSON, which stays what it is."""
    told: list[str] = []
    monkeypatch.setattr(click, "echo", lambda message: told.append(message.encode("ascii").decode()))
    tell('{"Gr\xf6\xdfe": "\U0001f600"}')
    assert [{"Gr\xf6\xdfe": "\U0001f600"}] == list(map(json.loads, told))
