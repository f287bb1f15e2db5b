"""The rules on a context feature."""

import json

from tests.support.commands import Commands, Ran

TABLE = """\
SETTING    RULE  CONDITIONS                VALUE
cache_ttl  2     environment=dev user=ada  10
"""


def test_rules_on_a_feature_or_a_value_are_told(commands: Commands):
    """Of any settings."""
    assert Ran(0, TABLE) == commands.run("rules", "user") == commands.run("rules", "user=ada")


def test_no_rules_are_no_table(commands: Commands):
    """But a word."""
    assert Ran(0, "", "no such rules\n") == commands.run("rules", "user=bob")


def test_the_answer_can_be_had_as_it_is(commands: Commands):
    """As JSON."""
    assert [1, 2] == [
        rule["rule_id"] for rule in json.loads(commands.run("rules", "environment", "--json").stdout)["rules"]
    ]


def test_an_unknown_feature_is_an_error(commands: Commands):
    """In one line."""
    assert Ran(1, "", "Error: the service has no context feature 'usr'\n") == commands.run("rules", "usr")
