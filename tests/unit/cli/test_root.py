"""The command that all others belong to."""

import re

import pytest
from click.testing import CliRunner

import heksher
from heksher.cli.root import heksher as command


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
