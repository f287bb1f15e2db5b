"""Values where conditions hold: set, changed and removed."""

import json

import pytest

from heksher.cli.remote import rule_commands
from tests.support.api import Api
from tests.support.commands import Commands, Ran

TRIED = """\
would change 1 object (tried on revision 7):
WHAT               CONDITIONS                 CHANGE
rule of cache_ttl  environment=prod user=bob  added: 5
and these values, in all contexts where the conditions hold:
SETTING    WHERE                      EXCEPT WHERE  VALUE NOW     VALUE THEN
cache_ttl  environment=prod user=bob  -             60 (default)  5 (rule)
"""


def query(api: Api) -> list[tuple[int, object]]:
    return [(rule["rule_id"], rule["value"]) for rule in api.query()["cache_ttl"]["rules"]]


def test_a_new_rule_is_added(api: Api, commands: Commands):
    """Where none has exactly these conditions."""
    expected = Ran(0, "cache_ttl is 5 where user=ada: a new rule (revision 8)\n")
    assert expected == commands.run("set", "cache_ttl", "5", "user=ada")
    assert [(1, 20), (2, 10), (3, 5)] == query(api)


def test_the_rule_that_there_is_gets_the_value(api: Api, commands: Commands):
    """In whatever order its conditions are given."""
    expected = Ran(0, "rule 2 of cache_ttl where user=ada environment=dev: 10 -> 5 (revision 8)\n")
    assert expected == commands.run("set", "cache_ttl", "5", "user=ada", "environment=dev")
    assert [(1, 20), (2, 5)] == query(api)


def test_a_value_that_is_there_is_no_change(api: Api, commands: Commands):
    """And no new revision."""
    expected = Ran(0, "rule 1 of cache_ttl where environment=dev: it is 20 already (revision 7)\n")
    assert expected == commands.run("set", "cache_ttl", "20", "environment=dev")


def test_an_alias_is_a_name(api: Api, commands: Commands):
    """What is said has the present one."""
    api.put("/api/v1/settings/cache_ttl/name", json={"name": "ttl", "version": "1.1"})
    assert commands.run("set", "cache_ttl", "5", "user=ada").stdout.startswith("ttl is 5 where user=ada")


def test_a_dry_run_changes_nothing(api: Api, commands: Commands):
    """It tells what would be changed, and where."""
    arguments = ["set", "cache_ttl", "5", "user=bob", "environment=prod", "--dry-run"]
    assert Ran(0, TRIED) == commands.run(*arguments)
    assert 7 == api.revision()


def test_the_answer_can_be_had_as_it_is(commands: Commands):
    """That of the API to several writes."""
    answer = json.loads(commands.run("set", "cache_ttl", "5", "user=bob", "--json").stdout)
    assert (8, 201, {"rule_id": 3}) == (
        answer["revision"],
        answer["results"][0]["status"],
        answer["results"][0]["body"],
    )


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["set", "cache", "5", "user=a"], "there is no setting named 'cache'"),
        (["set", "a/b", "5", "user=a"], "'a/b' cannot be the name of a setting"),
        (["set", "cache_ttl", "5", "theme=a"], "setting 'cache_ttl' is not configurable by ['theme'], only by"),
        (
            ["unset", "cache_ttl", "user=eve"],
            "cache_ttl has no rule with exactly these conditions: user=eve; heksher show cache_ttl tells",
        ),
        (["unset", "cache", "user=eve"], "there is no setting named 'cache'"),
    ],
)
def test_what_cannot_be_is_an_error_of_one_line(commands: Commands, arguments: list[str], error: str):
    """Which names what is wrong."""
    ran = commands.run(*arguments)
    assert (1, "", 1) == (ran.status, ran.stdout, ran.stderr.count("\n"))
    assert ran.stderr.startswith(f"Error: {error}")


@pytest.mark.parametrize("arguments", ["-5 user=a", "-5 user=a --reason x", "--reason x -5 user=a", "-- -5 user=a"])
def test_a_negative_number_is_a_value(api: Api, commands: Commands, arguments: str):
    """And no option."""
    expected = Ran(0, "cache_ttl is -5 where user=a: a new rule (revision 8)\n")
    assert expected == commands.run("set", "cache_ttl", *arguments.split())


def test_what_is_no_option_is_still_none(commands: Commands):
    """As a slip of the fingers."""
    ran = commands.run("set", "cache_ttl", "5", "user=a", "--resaon", "x")
    assert (2, True) == (ran.status, "No such option '--resaon'" in ran.stderr)


@pytest.mark.parametrize("command", [["set", "cache_ttl", "5"], ["unset", "cache_ttl"]])
def test_a_condition_has_a_value(commands: Commands, command: list[str]):
    """There are no rules for whoever has none."""
    ran = commands.run(*command, "user=")
    assert (2, 0) == (ran.status, len(commands.sent))
    assert "user= has no value, and a rule has none for whoever has no user: give one, or leave it out" in ran.stderr


@pytest.mark.parametrize("command", [["set", "cache_ttl", "5"], ["unset", "cache_ttl"]])
def test_a_rule_has_a_condition(commands: Commands, command: list[str]):
    """Whoever wants another value for everybody is told where that is."""
    ran = commands.run(*command)
    assert (2, 0) == (ran.status, len(commands.sent))
    assert "the value for everybody is the default, declared in code" in ran.stderr


def test_a_rule_is_removed(api: Api, commands: Commands):
    """The one that has exactly these conditions."""
    expected = Ran(0, "rule 1 of cache_ttl is deleted, which was 20 where environment=dev (revision 8)\n")
    assert expected == commands.run("unset", "cache_ttl", "environment=dev")
    assert [(2, 10)] == query(api)


def test_what_somebody_else_has_changed_meanwhile_is_a_conflict(api: Api, commands: Commands, monkeypatch):
    """So it is true what is said to have been changed."""
    find = rule_commands._find_rule

    def find_and_wait(*arguments):
        found = find(*arguments)
        api.put("/api/v1/rules/1/value", json={"value": 99})
        return found

    monkeypatch.setattr(rule_commands, "_find_rule", find_and_wait)
    ran = commands.run("set", "cache_ttl", "5", "environment=dev")
    assert (4, "") == (ran.status, ran.stdout)
    assert ran.stderr.startswith(
        "Error: rule '1' is not what it was expected to be: somebody unknown made the last change"
    )
    assert (1, 99) in query(api)


def test_what_is_refused_is_not_counted(api: Api, commands: Commands):
    """There is one write only."""
    api.declare("limited", metadata={"value-schema": {"maximum": 100}})
    ran = commands.run("set", "limited", "101", "user=a")
    assert (
        Ran(
            1, "", "Error: 101 is outside the limits of setting 'limited' (value-schema): 101 breaks \"maximum\": 100\n"
        )
        == ran
    )
