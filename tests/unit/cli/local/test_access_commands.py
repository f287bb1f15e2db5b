"""``heksher access``: the roles, and the key of cookies."""

import json
from pathlib import Path

from click.testing import CliRunner, Result

from heksher.cli.root import heksher as command
from heksher.server.access.grants import Role, parse_grant
from tests.support.operations import read_last
from tests.support.storages import opened


def invoke(*arguments: str) -> Result:
    return CliRunner(env={"HEKSHER_DB_CONNECTION_STRING": None}).invoke(command, ["access", *arguments])


def test_the_roles_are_shown_with_what_each_allows():
    """A line for each, with how it is limited, and what it includes."""
    lines = invoke("grants").output.splitlines()
    assert ["ROLE", *Role] == [line.split()[0] for line in lines]
    assert lines[4].startswith(
        "edit      edit:PREFIX.      evaluate, read                 add, change and delete rules"
    )


def test_programs_get_the_roles_as_json():
    """What it says of prefixes and inclusion is what holds when a grant is given."""
    roles = json.loads(invoke("grants", "--json").output)["roles"]
    assert {
        "evaluate": (True, []),
        "read": (False, ["evaluate"]),
        "declare": (True, ["evaluate", "read"]),
        "edit": (True, ["evaluate", "read"]),
        "admin": (False, ["evaluate", "read", "declare", "edit"]),
    } == {role["role"]: (role["has_prefix"], role["includes"]) for role in roles}
    assert all(role["allows"] for role in roles)
    assert [parse_grant(f"{role['role']}:in.") for role in roles if role["has_prefix"]]


def test_the_key_of_cookies_is_replaced(tmp_path: Path):
    """It is not said which one it is, nor kept in the log."""
    database = str(tmp_path / "heksher.db")
    with opened(database) as storage:
        before = storage.read(lambda reader: reader.access().signing_key)
    result = invoke("rotate-key", "--db", database)
    assert (0, "there is a new key: everybody has to sign in again\n") == (result.exit_code, result.output)
    with opened(database) as storage:
        key, entry = storage.read(lambda reader: reader.access().signing_key), read_last(storage)
    assert (True, "rotate", False) == (key != before, entry.change.action, key in repr(entry))


def test_a_group_without_a_command_shows_its_help():
    """With what it has."""
    for arguments in ([], ["token"], ["person"]):
        result = invoke(*arguments)
        assert (2, True, False) == (result.exit_code, "Commands:" in result.output, "Error:" in result.output)
