"""``heksher access``: who may do what, on the database, with or without a running service."""

import json
from typing import Final

import click

from heksher.cli.local.database import make_origin, open_database
from heksher.cli.local.person_commands import person
from heksher.cli.local.service_option import database_option
from heksher.cli.local.token_commands import token
from heksher.cli.output import tell
from heksher.cli.shared_option import json_option
from heksher.cli.text_table import draw_table
from heksher.server.access.grants import Grant, Role, can_be_limited

_ALLOWS: Final = {
    Role.EVALUATE: "ask for values, without the rules that they come from: what a browser may hold",
    Role.READ: "read everything: settings, rules, queries, streams and explanations",
    Role.DECLARE: "declare settings, and change type, name, features and metadata of settings: what code says",
    Role.EDIT: "add, change and delete rules, and their metadata",
    Role.ADMIN: "everything: also context features, the deletion of settings, tokens and people",
}


@click.group()
def access() -> None:
    """Say who may do what: tokens are for programs, and people sign in.

    It holds for a service that is started with --access. A running one notices within a second.
    """


@access.command()
@json_option
def grants(is_json: bool) -> None:
    """Show the roles that can be granted, and what each allows.

    A role with a prefix, such as edit:frontend., is for the settings whose names begin so.
    """
    roles = [
        {"role": role, "includes": _list_included(role), "has_prefix": can_be_limited(role), "allows": _ALLOWS[role]}
        for role in Role
    ]
    if is_json:
        tell(json.dumps({"roles": roles}))
        return
    headings = ("ROLE", "PREFIX", "INCLUDES", "ALLOWS TO")
    rows = [
        (role, f"{role}:PREFIX." if can_be_limited(role) else "", ", ".join(_list_included(role)), _ALLOWS[role])
        for role in Role
    ]
    tell(draw_table(headings, rows))


@access.command("rotate-key")
@database_option
def rotate_key(database: str | None) -> None:
    """Replace the key that cookies are signed with: everybody has to sign in again."""
    with open_database(database) as storage:
        from heksher.server.operations import people  # noqa: PLC0415 - see cli.local.serve

        people.rotate_key(storage, make_origin())
    tell("there is a new key: everybody has to sign in again")


def _list_included(role: Role) -> list[Role]:
    return [other for other in Role if other is not role and Grant(role).allows(other, "")]


access.add_command(token)
access.add_command(person)
