"""What was changed, and what differs."""

import json
import re

import pytest

from tests.support.api import Api
from tests.support.commands import Commands, Ran

DIFFERENCE = """\
WHAT                 CONDITIONS                CHANGE
setting cache_ttl    -                         metadata {} -> {"owner": "web"}
rule 1 of cache_ttl  environment=dev           deleted: 20
rule 2 of cache_ttl  environment=dev user=ada  value 10 -> 5
setting later        -                         added: 60
"""


@pytest.fixture
def changed(api: Api, commands: Commands) -> Commands:
    commands.run("set", "cache_ttl", "5", "environment=dev", "user=ada", "--reason", "incident 4711")
    commands.run("unset", "cache_ttl", "environment=dev")
    return commands


def list_revisions(commands: Commands, *arguments: str) -> list[int]:
    answer = json.loads(commands.run("changes", *arguments, "--json").stdout)
    return [change["revision"] for change in answer["changes"]]


def test_changes_are_told_newest_first(changed: Commands):
    """With who, when, why and what."""
    lines = changed.run("changes", "--rule", "2").stdout.splitlines()
    assert ["REVISION", "8", "7"] == [line.split()[0] for line in lines]
    row = r"8 +\d{4}-\d\d-\d\d \d\d:\d\d:\d\d +ada l\. \(not proved\) +rule 2 of cache_ttl +environment=dev user=ada +"
    assert re.fullmatch(row + "value 10 -> 5 +incident 4711", lines[1])
    assert re.fullmatch(r"7 .* unknown +rule 2 of cache_ttl +environment=dev user=ada +added: 10 +-", lines[2])


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ([], [9, 8, 7, 6, 5, 4, 3, 2, 1]),
        (["--setting", "cache_ttl"], [9, 8, 7, 6, 4]),
        (["--rule", "1"], [9, 6]),
        (["--kind", "context_features"], [3, 2, 1]),
        (["--actor", "ada l."], [9, 8]),
        (["--after", "7", "--before", "9"], [8]),
        (["--after", "1h", "--limit", "2"], [9, 8]),
        (["--before", "1h"], []),
    ],
    ids=lambda value: " ".join(map(str, value)),
)
def test_changes_can_be_chosen(changed: Commands, filters: list[str], expected: list[int]):
    """As the API chooses them."""
    assert expected == list_revisions(changed, *filters)


def test_a_part_of_a_list_says_so(changed: Commands):
    """On the standard error."""
    assert (
        "note: there are older ones, too; --limit shows more than 2\n" == changed.run("changes", "--limit", "2").stderr
    )
    assert "" == changed.run("changes", "--limit", "9").stderr


def test_no_changes_are_no_table(changed: Commands):
    """But a word."""
    assert Ran(0, "", "no such changes\n") == changed.run("changes", "--actor", "nobody")


def test_one_change_is_told_with_all_that_it_has_changed(api: Api, commands: Commands):
    """A list has ten of its parts, and says how many more there are."""
    operations = [
        {
            "method": "POST",
            "path": "/api/v1/rules",
            "body": {"setting": "cache_ttl", "feature_values": {"user": f"u{n}"}, "value": n},
        }
        for n in range(12)
    ]
    api.post("/api/v1/bulk", json={"operations": operations})
    listed = commands.run("changes", "--limit", "1").stdout.splitlines()
    assert 12 == len(listed)
    assert "... and 2 more" in listed[-1]
    assert 13 == len(commands.run("changes", "8").stdout.splitlines())
    assert 12 == len(json.loads(commands.run("changes", "8", "--json").stdout)["parts"])


def test_one_change_is_not_chosen_from(commands: Commands):
    """That would be two questions."""
    assert 2 == commands.run("changes", "3", "--setting", "cache_ttl").status


def test_an_unknown_revision_is_an_error(commands: Commands):
    """That says which one is the newest."""
    assert Ran(1, "", "Error: there is no revision 99; the newest one is 7\n") == commands.run("changes", "99")


def test_what_differs_is_told(api: Api, changed: Commands):
    """By the exit status, too."""
    api.put("/api/v1/settings/cache_ttl/metadata/owner", json={"value": "web", "version": "1.1"})
    api.declare("later")
    ran = changed.run("diff", "7")
    assert 3 == ran.status
    assert DIFFERENCE == re.sub(r'; version "1\.0" -> "1\.1"', "", ran.stdout)


def test_what_was_there_is_told_the_other_way_round(changed: Commands):
    """Where the later revision comes first."""
    ran = changed.run("diff", "9", "8", "--setting", "cache_ttl")
    assert (3, True) == (ran.status, ran.stdout.splitlines()[1].endswith("added: 20"))


def test_context_features_differ_too(api: Api, commands: Commands):
    """In their order."""
    api.patch("/api/v1/context_features/theme/index", json={"to_before": "environment"})
    assert (
        'order ["environment", "user", "theme"] -> ["theme", "environment", "user"]' in commands.run("diff", "7").stdout
    )


def test_nothing_that_differs_is_no_finding(commands: Commands):
    """So the exit status is 0, also as JSON."""
    assert Ran(0, "", "nothing differs between revisions 7 and 7\n") == commands.run("diff", "7")
    assert 0 == commands.run("diff", "7", "--json").status


def test_a_difference_can_be_had_as_json(changed: Commands):
    """With the same exit status."""
    ran = changed.run("diff", "7", "--json")
    assert (3, ["cache_ttl"]) == (ran.status, [each["setting"] for each in json.loads(ran.stdout)["settings"]])
