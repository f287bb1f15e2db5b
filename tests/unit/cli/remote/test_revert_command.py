"""Taking changes back."""

import json

import pytest

from tests.support.api import Api
from tests.support.commands import Commands, Ran


def test_a_change_is_taken_back(api: Api, commands: Commands):
    """By another one."""
    assert Ran(0, "change 7 is taken back: 1 object changed (revision 8)\n") == commands.run(
        "revert", "7", "--reason", "4711"
    )
    assert [20] == [rule["value"] for rule in api.query()["cache_ttl"]["rules"]]
    assert "4711" == api.get("/api/v1/changes").json()["changes"][0]["reason"]


def test_what_is_taken_back_already_is_left(commands: Commands):
    """And that is no error."""
    commands.run("revert", "7")
    expected = Ran(0, "change 7 is taken back already: nothing had to be changed (revision 8)\n")
    assert expected == commands.run("revert", "7")


def test_a_setting_becomes_what_it_was(api: Api, commands: Commands):
    """With its rules."""
    expected = Ran(0, "cache_ttl is what it was at revision 4: 2 objects changed (revision 8)\n")
    assert expected == commands.run("revert", "--setting", "cache_ttl", "--to", "4")
    assert [] == api.query()["cache_ttl"]["rules"]


def test_what_came_between_is_a_conflict(commands: Commands):
    """Which is said, and nothing is changed."""
    commands.run("set", "cache_ttl", "5", "environment=dev", "user=ada")
    ran = commands.run("revert", "7")
    assert (4, "") == (ran.status, ran.stdout)
    assert ran.stderr.endswith(": rule 2 was changed since\n")


def test_settings_are_deleted_by_force_only(api: Api, commands: Commands):
    """As it cannot be meant by a slip."""
    assert 4 == commands.run("revert", "5").status
    assert 0 == commands.run("revert", "5", "--force").status
    assert ["cache_ttl"] == list(api.query())


def test_a_dry_run_changes_nothing(api: Api, commands: Commands):
    """It tells what would be."""
    ran = commands.run("revert", "6", "--dry-run")
    assert ran.stdout.startswith("would change 1 object (tried on revision 7):\n")
    assert "rule 1 of cache_ttl  environment=dev  deleted: 20" in ran.stdout
    assert 7 == api.revision()
    assert 1 == json.loads(commands.run("revert", "6", "--dry-run", "--json").stdout)["size"]


def test_a_dry_run_of_nothing_says_so(commands: Commands):
    """On the standard error."""
    commands.run("revert", "7")
    assert Ran(0, "", "nothing would be changed\n") == commands.run("revert", "7", "--dry-run")


@pytest.mark.parametrize(
    "arguments",
    [[], ["--setting", "cache_ttl"], ["--to", "4"], ["7", "--to", "4"], ["7", "--setting", "cache_ttl"]],
    ids=" ".join,
)
def test_one_thing_is_taken_back(commands: Commands, arguments: list[str]):
    """Anything else is an error of use."""
    ran = commands.run("revert", *arguments)
    assert 2 == ran.status
    assert "say what is to be taken back: REVISION, or --setting NAME --to REVISION" in ran.stderr
