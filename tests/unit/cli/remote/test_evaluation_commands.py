"""Which value settings have in a context, and why."""

import json

import pytest

from tests.support.api import Api
from tests.support.commands import Commands, Ran, ask_as
from tests.support.processes import ROOT

WINNING = """\
cache_ttl = 10   with environment=dev user=ada
rule 2 wins: environment=dev user=ada
LOSES   VALUE  CONDITIONS       WHY
rule 1  20     environment=dev  rule 2 has a condition on user, and this one has none
"""

OPEN = """\
cache_ttl = 20   with environment=dev
rule 1 wins: environment=dev
the context leaves something open, so these values are possible:
VALUE  SOURCE  WHERE       EXCEPT WHERE
10     rule 2  user=ada    -
20     rule 1  everywhere  user=ada
"""

VALUES = """\
SETTING    VALUE      SOURCE   CONDITIONS  ALSO POSSIBLE
banner     "Welcome"  default  -           -
cache_ttl  60         default  -           10, 20
"""

COMPARED = """\
SETTING    VALUE  SOURCE  CONDITIONS                OTHER VALUE  OTHER SOURCE
cache_ttl  10     rule 2  environment=dev user=ada  20           rule 1
"""


def test_a_value_is_written_alone(commands: Commands):
    """As JSON."""
    assert Ran(0, "10\n") == commands.run("get", "cache_ttl", "environment=dev", "user=ada")


def test_a_text_is_written_in_quotes_or_without(commands: Commands):
    """As it is wanted."""
    context = ["environment=", "user="]
    assert ('"Welcome"\n', "Welcome\n") == (
        commands.run("get", "banner", *context).stdout,
        commands.run("get", "banner", *context, "--raw").stdout,
    )


def test_a_value_of_an_open_context_comes_with_a_note(commands: Commands):
    """On the standard error, so that whoever reads the value is not disturbed."""
    ran = commands.run("get", "cache_ttl")
    assert (0, "60\n") == (ran.status, ran.stdout)
    assert (
        "note: other values are possible, as the context leaves something open: see heksher why cache_ttl\n"
        == ran.stderr
    )
    asked_again = "heksher why cache_ttl environment=dev theme='a b'\n"
    assert commands.run("get", "cache_ttl", "environment=dev", "theme=a b").stderr.endswith(f": see {asked_again}")


def test_a_feature_without_a_value_is_not_open(commands: Commands):
    """No rule on it matches."""
    assert Ran(0, "20\n") == commands.run("get", "cache_ttl", "environment=dev", "user=")


def test_the_answer_can_be_had_as_it_is(commands: Commands):
    """As JSON, in one line."""
    got = json.loads(commands.run("get", "cache_ttl", "environment=dev", "user=ada", "--json").stdout)
    assert got == json.loads(commands.run("why", "cache_ttl", "environment=dev", "user=ada", "--json").stdout)
    assert (10, 2) == (got["settings"]["cache_ttl"]["value"], got["settings"]["cache_ttl"]["rule"]["rule_id"])


def test_winning_and_losing_rules_are_told(commands: Commands):
    """With the reason."""
    assert Ran(0, WINNING) == commands.run("why", "cache_ttl", "environment=dev", "user=ada")


def test_the_reference_shows_what_is_told():
    """Of the same rules."""
    page = (ROOT / "docs" / "reference" / "command-line.md").read_text(encoding="utf-8")
    assert f"$ heksher why cache_ttl environment=dev user=ada\n{WINNING}```" in page


def test_a_default_is_told(commands: Commands):
    """By what it is there for."""
    expected = "cache_ttl = 60   with environment=prod\nthe default: no rule matches\n"
    assert Ran(0, expected) == commands.run("why", "cache_ttl", "environment=prod")


def test_all_possible_values_of_an_open_context_are_told(commands: Commands):
    """Each with where it holds."""
    assert Ran(0, OPEN) == commands.run("why", "cache_ttl", "environment=dev")


def test_all_settings_are_told_if_none_is_named(commands: Commands):
    """A line for each, with what else is possible."""
    assert Ran(0, VALUES) == commands.run("why")


def test_settings_that_differ_are_told(commands: Commands):
    """By the exit status, too; the other context is the same but for what is said of it."""
    expected = Ran(3, COMPARED, "1 of 2 settings with another value\n")
    assert expected == commands.run("why", "environment=dev", "user=ada", "--compare-with", "user=bob")


def test_nothing_that_differs_is_no_finding(commands: Commands):
    """So the exit status is 0."""
    expected = Ran(0, "", "no settings\n0 of 2 settings with another value\n")
    assert expected == commands.run("why", "environment=dev", "user=eve", "--compare-with", "user=bob")


def test_both_contexts_are_explained(commands: Commands):
    """Where a setting is named."""
    ran = commands.run("why", "cache_ttl", "environment=dev", "user=ada", "--compare-with", "user=bob")
    other = "cache_ttl = 20   with environment=dev user=bob\nrule 1 wins: environment=dev\n"
    assert Ran(3, f"{WINNING}\n{other}") == ran


def test_who_may_not_read_is_told_values(api: Api, monkeypatch: pytest.MonkeyPatch):
    """And that a rule is behind one, but not which."""
    guarded = ask_as(api, monkeypatch, "evaluate")
    expected = "cache_ttl = 20   with environment=dev\na rule wins, which this token may not read\n"
    assert Ran(0, expected) == guarded.run("why", "cache_ttl", "environment=dev")
    assert Ran(0, "20\n") == guarded.run("get", "cache_ttl", "environment=dev")


def test_an_unknown_setting_is_an_error(commands: Commands):
    """In one line."""
    expected = Ran(1, "", "Error: the following are not setting names: ['cache']\n")
    assert expected == commands.run("get", "cache") == commands.run("why", "cache", "user=ada")


def test_an_unknown_feature_is_an_error(commands: Commands):
    """In one line."""
    expected = Ran(1, "", "Error: the service has no context features ['usr']\n")
    assert expected == commands.run("get", "cache_ttl", "usr=ada")


def test_more_than_can_be_told_is_said(api: Api, commands: Commands):
    """So that nobody takes the first hundred values for all."""
    for number in range(101):
        api.add_rule("cache_ttl", {"user": f"u{number}"}, number)
    assert commands.run("why", "cache_ttl").stdout.endswith("\n... and more: say more of the context\n")
    others = commands.run("why").stdout.splitlines()[2]
    assert others.endswith(", ...")
