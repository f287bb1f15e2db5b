"""Several writes together."""

import json
from pathlib import Path

import pytest

from tests.support.api import Api
from tests.support.commands import Commands, Ran

OPERATIONS = [
    {"method": "PUT", "path": "/api/v1/rules/1/value", "body": {"value": 5}},
    {"method": "DELETE", "path": "/api/v1/rules/2"},
]


@pytest.mark.parametrize("content", [OPERATIONS, {"operations": OPERATIONS}], ids=["list", "object"])
def test_writes_of_a_file_are_made(api: Api, commands: Commands, tmp_path: Path, content: object):
    """All of them."""
    (tmp_path / "writes.json").write_text(json.dumps(content))
    assert Ran(0, "2 operations done (revision 8)\n") == commands.run("bulk", str(tmp_path / "writes.json"))
    assert [(1, 5)] == [(rule["rule_id"], rule["value"]) for rule in api.query()["cache_ttl"]["rules"]]


def test_writes_can_come_from_the_standard_input(api: Api, commands: Commands):
    """And be tried only."""
    ran = commands.run("bulk", "-", "--dry-run", stdin=json.dumps(OPERATIONS))
    assert ran.stdout.startswith("would change 2 objects (tried on revision 7):\n")
    assert 7 == api.revision()


def test_changes_without_effect_say_so(api: Api, commands: Commands):
    """Which is good to know before."""
    operations = [{"method": "PUT", "path": "/api/v1/rules/1/metadata/team", "body": {"value": "web"}}]
    ran = commands.run("bulk", "-", "--dry-run", stdin=json.dumps(operations))
    assert ran.stdout.endswith("\nno setting would have another value in any context\n")


def test_many_effects_are_shown_in_part(api: Api, commands: Commands):
    """Who wants all asks for JSON."""
    operations = [
        {
            "method": "POST",
            "path": "/api/v1/rules",
            "body": {"setting": "cache_ttl", "feature_values": {"user": f"u{n}"}, "value": n},
        }
        for n in range(60)
    ]
    ran = commands.run("bulk", "-", "--dry-run", stdin=json.dumps(operations))
    assert "note: these are the first 50; --json tells more\n" == ran.stderr
    assert "... and 10 more" in ran.stdout


def test_which_one_is_refused_is_said(api: Api, commands: Commands):
    """And nothing was changed."""
    operations = [*OPERATIONS, {"method": "DELETE", "path": "/api/v1/rules/99"}]
    expected = Ran(1, "", "Error: operation 2: there is no rule with this id\n")
    assert expected == commands.run("bulk", "-", stdin=json.dumps(operations))
    assert 7 == api.revision()


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("{", "has no JSON: "),
        ("3", "has to have a list of operations"),
        ("[" * 100_000, "has no JSON: "),
        ("[]", "has to have a list of operations"),
    ],
    ids=["no JSON", "no list", "deep", "nothing"],
)
def test_a_file_with_something_else_is_an_error_of_use(commands: Commands, text: str, error: str):
    """That says what is wanted."""
    ran = commands.run("bulk", "-", stdin=text)
    assert 2 == ran.status
    assert error in ran.stderr


@pytest.mark.parametrize("content", [None, b"\xff\xfe\xff"], ids=["missing", "no UTF-8"])
def test_a_file_that_cannot_be_read_is_an_error_of_use(commands: Commands, tmp_path: Path, content: bytes | None):
    """With its name."""
    path = tmp_path / "writes.json"
    if content is not None:
        path.write_bytes(content)
    ran = commands.run("bulk", str(path))
    assert (2, True) == (ran.status, "writes.json' cannot be read: " in ran.stderr)


def test_what_is_no_operation_is_refused(commands: Commands):
    """By the service, which says where it is."""
    ran = commands.run("bulk", "-", stdin="[3]")
    assert (1, True) == (ran.status, ran.stderr.startswith("Error: operations.0: "))
