"""What there is to tidy up."""

import json

from tests.support.api import Api
from tests.support.commands import Commands, Ran

IDLE = """\
SETTING    RULE  WHAT                 WHY
cache_ttl  3     rule without effect  wherever it decides, the value would be the same without it
"""
UNUSED = """\
SETTING  RULE  WHAT            WHY
unused   -     unused setting  nobody has asked for it by name in 30 days
"""


def test_nothing_to_tidy_up_is_no_finding(commands: Commands):
    """What cannot be known yet is said."""
    note = "note: nothing can be called unused yet: the service does not count uses, or has not begun to\n"
    assert Ran(0, "", f"{note}0 findings in 2 settings and 2 rules\n") == commands.run("lint")


def test_findings_are_told(api: Api, commands: Commands):
    """By the exit status, too."""
    api.add_rule("cache_ttl", {"environment": "dev", "user": "bob"}, 20)
    expected = Ran(3, IDLE, "1 finding in 1 setting and 3 rules\n")
    assert expected == commands.run("lint", "cache_ttl", "--unused-for-days", "0")
    assert Ran(0, "", "0 findings in 1 setting and 0 rules\n") == commands.run(
        "lint", "banner", "--unused-for-days", "0"
    )


def test_unused_settings_are_findings(aged: Commands):
    """Since when one is unused can be said."""
    assert Ran(3, UNUSED, "1 finding in 2 settings and 0 rules\n") == aged.run("lint", "--unused-for-days", "30")


def test_only_what_is_asked_for_is_looked_at(aged: Commands):
    """Also where uses are concerned."""
    assert Ran(0, "", "0 findings in 1 setting and 0 rules\n") == aged.run("lint", "used")


def test_what_was_not_counted_for_so_long_is_not_known(aged: Commands):
    """Which is said."""
    ran = aged.run("lint", "--unused-for-days", "3650")
    assert ran.stderr.startswith(
        "note: nothing can be called unused yet: uses are counted since 2025-10-28 09:30:00 UTC\n"
    )


def test_findings_can_be_had_as_json(aged: Commands):
    """All in one form."""
    ran = aged.run("lint", "--unused-for-days", "30", "--json")
    answer = json.loads(ran.stdout)
    message = "nobody has asked for it by name in 30 days"
    expected = [{"kind": "unused setting", "setting": "unused", "rule_id": None, "message": message}]
    assert (3, expected) == (ran.status, answer["findings"])
