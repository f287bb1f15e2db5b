"""Which settings are asked for, and by which clients."""

import json
import re

from tests.support.commands import Commands, Ran

SINCE = "note: uses are counted since 2025-10-28 09:30:00 UTC\n"


def test_nothing_is_known_before_anything_is_counted(commands: Commands):
    """Which is said."""
    note = "note: the service does not count uses, or has not begun to\n"
    table = "SETTING    LAST USED (UTC)  BY\nbanner     never            -\ncache_ttl  never            -\n"
    assert Ran(0, table, note) == commands.run("usage")
    assert Ran(0, "", f"no such clients\n{note}") == commands.run("clients")
    assert Ran(0, "", f"no such settings\n{note}") == commands.run("usage", "--unused-for-days", "3")


def test_settings_are_told_with_their_last_use(aged: Commands):
    """And who that was."""
    ran = aged.run("usage")
    assert (0, SINCE) == (ran.status, ran.stderr)
    assert re.search(r"^unused +never +-\nused +\d{4}-\d\d-\d\d \d\d:00:00 +checkout/2\.3\n", ran.stdout, re.MULTILINE)


def test_unused_settings_can_be_asked_for(aged: Commands):
    """Others are left out."""
    table = "SETTING  LAST USED (UTC)  BY\nunused   never            -\n"
    assert Ran(0, table, SINCE) == aged.run("usage", "--unused-for-days", "30")


def test_clients_are_told(aged: Commands):
    """With the revision that they have."""
    ran = aged.run("clients", "--name", "checkout")
    assert (0, SINCE) == (ran.status, ran.stderr)
    assert re.search(r"^checkout +2\.3 +- +\d{4}-\S+ \S+ +4 +checkout/2\.3\n", ran.stdout, re.MULTILINE)


def test_answers_can_be_had_as_they_are(aged: Commands):
    """As JSON."""
    usage = json.loads(aged.run("usage", "--json").stdout)
    clients = json.loads(aged.run("clients", "--json").stdout)
    assert ["unused", "used"] == [setting["name"] for setting in usage["settings"]]
    assert ["checkout"] == [client["name"] for client in clients["clients"]]
