"""Contexts as arguments."""

import pytest

from tests.support.commands import Commands


@pytest.mark.parametrize("argument", ["user", "=ada", "a b=c"])
def test_what_is_no_context_is_an_error_of_use(commands: Commands, argument: str):
    """With the form that is wanted."""
    ran = commands.run("get", "cache_ttl", argument)
    assert (2, "") == (ran.status, ran.stdout)
    assert f"{argument!r} is no context feature with its value: write it as user=ada" in ran.stderr


@pytest.mark.parametrize("command", ["get", "why"])
def test_a_feature_has_one_value(commands: Commands, command: str):
    """The same twice is the same."""
    assert 0 == commands.run(command, "cache_ttl", "user=ada", "user=ada").status
    ran = commands.run(command, "cache_ttl", "user=ada", "user=bob")
    assert 2 == ran.status
    assert "user has two values; give it one" in ran.stderr


def test_a_value_may_have_any_character(commands: Commands):
    """Equals signs, too: the first one counts."""
    assert 0 == commands.run("set", "cache_ttl", "5", "user=a=b c").status
    assert "rule 3 wins: user='a=b c'\n" in commands.run("why", "cache_ttl", "user=a=b c", "environment=").stdout
