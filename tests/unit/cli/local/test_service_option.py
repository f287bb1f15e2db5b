"""Options of commands that are options of the service."""

import click
import pytest
from click.testing import CliRunner

from heksher.cli.local.serve import serve
from heksher.cli.local.service_option import add_options
from heksher.server.option_kind import Choice, Number, Text, Truth
from heksher.server.options import OPTIONS, Option

FLAGGED = [option for option in OPTIONS if option.flag is not None]


def test_serve_has_every_option_that_has_a_flag():
    """In the order of the table, and no other."""
    parameters = serve.params
    assert [option.flag for option in FLAGGED] == [parameter.opts[0] for parameter in parameters]


@pytest.mark.parametrize("option", FLAGGED, ids=lambda option: option.name)
def test_help_says_what_the_table_says(option: Option):
    """The meaning, the variable and the default."""
    text = " ".join(CliRunner().invoke(serve, ["--help"], terminal_width=10_000).output.split())
    assert f"{option.help[1:]}.".replace("\n", " ") in text
    assert f"default: {option.describe_default()}" in text
    assert option.variable is None or f"env: {option.variable};" in text


def run(*arguments: str) -> tuple[int, dict]:
    """Run a command that has an option of each kind; return its exit code, and what it was called with."""
    given: dict = {}
    options = [
        Option(name="host", kind=Text("NAME"), flag="--text", help="a"),
        Option(name="port", kind=Number("number", least=1, most=5), flag="--number", help="b"),
        Option(name="doc_only", kind=Truth(), flag="--truth", help="c"),
        Option(name="log_format", kind=Choice(("a", "b")), flag="--choice", help="d"),
        Option(name="workers", kind=Number("number"), variable="HEKSHER_X", help="e"),
    ]
    command = click.command()(add_options(options)(lambda **values: given.update(values)))
    return CliRunner(env={"HEKSHER_X": "1"}).invoke(command, arguments).exit_code, given


def test_what_is_not_given_is_none():
    """So the variable counts, and then the default; what has no flag is not asked for."""
    assert (0, {"host": None, "port": None, "doc_only": None, "log_format": None}) == run()


def test_what_is_given_is_of_its_kind():
    """A truth can be denied."""
    given = ("--text", "x", "--number", "5", "--truth", "--choice", "b")
    assert (0, {"host": "x", "port": 5, "doc_only": True, "log_format": "b"}) == run(*given)
    assert run("--no-truth")[1]["doc_only"] is False


@pytest.mark.parametrize("given", [("--number", "0"), ("--number", "6"), ("--number", "x"), ("--choice", "c")])
def test_what_makes_no_sense_is_an_error_of_use(given: tuple[str, str]):
    """Hence exit code 2."""
    assert (2, {}) == run(*given)
