"""Settings with their rules, as they are and as they were."""

import json

import pytest

from tests.support.api import Api
from tests.support.commands import Commands, Ran

PRESENT = """\
cache_ttl        at revision 9
type             int
default value    60
version          1.1
configurable by  environment, user
aliases          -
metadata         {"owner": "web"}

RULE  CONDITIONS                VALUE  METADATA
1     environment=dev           5      -
2     environment=dev user=ada  10     -
"""


def test_a_setting_is_told_with_its_rules(api: Api, commands: Commands):
    """As it is now."""
    api.put("/api/v1/rules/1/value", json={"value": 5})
    api.put("/api/v1/settings/cache_ttl/metadata/owner", json={"value": "web", "version": "1.1"})
    assert Ran(0, PRESENT) == commands.run("show", "cache_ttl")


def test_a_setting_is_told_as_it_was(commands: Commands):
    """After a change."""
    ran = commands.run("show", "cache_ttl", "--at", "4")
    assert (0, "no rules\n") == (ran.status, ran.stderr)
    assert ran.stdout.startswith("cache_ttl        at revision 4\n")
    rules = json.loads(commands.run("show", "cache_ttl", "--at", "6", "--json").stdout)["rules"]
    assert [(1, 20)] == [(rule["rule_id"], rule["value"]) for rule in rules]


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["nothing"], "there was no setting named 'nothing' at revision 7"),
        (["a/b"], "'a/b' cannot be the name of a setting"),
        (["cache_ttl", "--at", "99"], "there is no revision 99; the newest one is 7"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_is_not_there_is_an_error(commands: Commands, arguments: list[str], error: str):
    """In one line."""
    ran = commands.run("show", *arguments)
    assert (1, "") == (ran.status, ran.stdout)
    assert ran.stderr.startswith(f"Error: {error}")


def test_a_service_without_changes_has_no_settings(monkeypatch: pytest.MonkeyPatch):
    """Which is said as usual."""
    ran = Commands(Api(), monkeypatch).run("show", "cache_ttl")
    assert (1, True) == (ran.status, ran.stderr.startswith("Error: there was no setting named 'cache_ttl'"))
