"""The command that all others belong to."""

import re
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

import heksher
from heksher.cli.root import heksher as command
from tests.support.processes import run_python

URL = "postgresql://user:pa55@host/db#pa55"


def test_the_version_is_told():
    """That of the distribution."""
    result = CliRunner().invoke(command, ["--version"])
    assert (0, f"heksher {heksher.__version__}\n") == (result.exit_code, result.output)


@pytest.mark.parametrize("option", ["--help", "-h"])
def test_help_lists_the_commands(option: str):
    """With a line for each."""
    result = CliRunner().invoke(command, [option])
    assert 0 == result.exit_code
    for name, help_line in {
        "serve": "Run the Heksher",
        "health": "Ask",
        "migrate": "Bring",
        "backup": "Copy",
        "restore": "Copy",
        "import-from": "Take",
    }.items():
        assert re.search(rf"{name} +{help_line}", result.output)


def test_an_unknown_command_is_an_error():
    """Of use, hence 2."""
    assert 2 == CliRunner().invoke(command, ["nonsense"]).exit_code


def test_what_asks_a_service_imports_nothing_of_one():
    """So heksher[cli] is enough for it, and it starts quickly; rich is for tables at a terminal."""
    program = (
        "import sys; from heksher.cli import main; sys.argv = ['heksher', 'get', '--help']\n"
        "try: main()\n"
        "except SystemExit: print(*sys.modules)"
    )
    loaded = run_python(["-c", program])[-1].split()
    assert [] == [
        name for name in loaded if name.startswith(("heksher.server", "heksher.cli.local", "rich", "fastapi"))
    ]
    assert "heksher.cli.remote.evaluation_commands" in loaded


@pytest.mark.parametrize(
    "arguments",
    [
        [URL],
        ["migrate", URL],
        ["backup", "a.db", URL],
        ["backup", "host=h password=pa55"],
        ["backup", "a.db", "host=h password=pa55"],
        ["backup", URL],
        ["restore", URL],
        ["restore", "a.db", "--db", URL],
        ["migrate", "--db", "postgresql://user:pa55%00@127.0.0.1:1/db"],
        ["import-from", URL],
        ["import-from", "http://h", "--header", f"@{URL}"],
        ["prune", "--keep-days", URL],
        ["access", "grants", URL],
        ["access", "token", "list", URL],
        ["access", "token", "create", "a", "--grant", URL],
        ["access", "person", "add", "a", "--no-password", "--db", "postgresql://user:pa55%00@127.0.0.1:1/db"],
        ["health", "--host", URL],
        ["health", "--port", URL],
        ["serve", "--host", URL],
        ["serve", "--log-format", URL],
        ["serve", "--cors-origins", URL],
        ["serve", "--context-features", URL],
    ],
    ids=lambda arguments: " ".join(arguments[:-1]),
)
def test_an_error_shows_no_password(arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Wherever somebody has written the URL of the database; nothing is made of that name."""
    monkeypatch.chdir(tmp_path)
    result = CliRunner(env={"HEKSHER_DB_CONNECTION_STRING": None}).invoke(command, arguments)
    assert result.exit_code in {1, 2}
    assert isinstance(result.exception, SystemExit)
    assert "Error: " in result.output
    assert "pa55" not in result.output
    assert [] == list(tmp_path.iterdir())


def test_help_tells_the_two_kinds_of_commands_apart():
    """Those that ask a service come first."""
    text = CliRunner().invoke(command, ["--help"]).output
    places = [text.index(part) for part in ("HEKSHER_URL:", "  get ", "on the machine of a service:", "  serve ")]
    assert sorted(places) == places


@pytest.mark.parametrize("name", ["get", "set", "bulk"])
def test_commands_over_http_say_what_their_exit_status_means(name: str):
    """Each of them."""
    text = CliRunner().invoke(command, [name, "--help"]).output
    assert "  6  the service was not reached, or cannot answer now\n" in text


@pytest.mark.parametrize("name", command.list_commands(click.Context(command)))
def test_help_offers_what_is_taken(name: str):
    """A database in memory ends with its process, so a service alone can have one; and only that one listens."""
    text = " ".join(CliRunner().invoke(command, [name, "--help"], terminal_width=10_000).output.split())
    assert (name == "serve") == ("memory:" in text)
    assert (name == "serve") == ("to listen on" in text)
    assert (name == "health") == ("service listens on" in text)
