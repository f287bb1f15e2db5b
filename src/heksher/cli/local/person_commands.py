"""``heksher access person``: add, list and remove people, and give them passwords."""

import json
from typing import TYPE_CHECKING

import click

from heksher.cli.local.argument import grant_option
from heksher.cli.local.database import make_origin, open_database
from heksher.cli.local.secret_input import password_option, read_password
from heksher.cli.local.service_option import database_option
from heksher.cli.output import tell
from heksher.cli.shared_option import json_option
from heksher.cli.text_table import draw_table
from heksher.server.access.grants import Grants

if TYPE_CHECKING:
    from heksher.server.storage.access_records import PersonRecord


@click.group()
def person() -> None:
    """Add, list and remove people, who sign in, and give them passwords."""


@person.command()
@click.argument("name")
@grant_option(is_required=False)
@password_option
@click.option("--no-password", "is_elsewhere", is_flag=True, help="The person signs in elsewhere, without a password.")
@database_option
def add(name: str, grants: Grants, is_from_stdin: bool, is_elsewhere: bool, database: str | None) -> None:
    """Add a person called NAME, whose password is asked for.

    A database that is not there yet is made.
    """
    if is_from_stdin and is_elsewhere:
        raise click.UsageError("--password-stdin and --no-password contradict each other: take one")
    password = None if is_elsewhere else read_password(is_from_stdin=is_from_stdin)
    with open_database(database, is_making=True) as storage:
        from heksher.server.operations import people  # noqa: PLC0415 - see cli.local.serve

        people.add(storage, name, grants, password, make_origin())
    tell(f"added {name!r}, who may do {', '.join(grants.texts()) or 'nothing'}")


@person.command("list")
@json_option
@database_option
def list_people(is_json: bool, database: str | None) -> None:
    """List the people."""
    with open_database(database) as storage:
        from heksher.server.operations import people  # noqa: PLC0415 - see cli.local.serve
        from heksher.server.operations.access_form import person_to_json  # noqa: PLC0415

        found = people.list_all(storage)
    if is_json:
        tell(json.dumps({"people": list(map(person_to_json, found))}))
    elif found:
        tell(draw_table(("NAME", "GRANTS", "SIGNS IN WITH"), map(_make_row, found)))
    else:
        click.echo("there are no people", err=True)


@person.command()
@click.argument("name")
@database_option
def remove(name: str, database: str | None) -> None:
    """Remove the person called NAME, who is signed out everywhere."""
    with open_database(database) as storage:
        from heksher.server.operations import people  # noqa: PLC0415 - see cli.local.serve

        people.remove(storage, name, make_origin(), ways_in=None)
    tell(f"removed {name!r}")


@person.command()
@click.argument("name")
@password_option
@database_option
def password(name: str, is_from_stdin: bool, database: str | None) -> None:
    """Give the person called NAME another password, which is asked for, and sign the person out everywhere."""
    chosen = read_password(is_from_stdin=is_from_stdin)
    with open_database(database) as storage:
        from heksher.server.operations import people  # noqa: PLC0415 - see cli.local.serve

        people.set_password(storage, name, chosen, make_origin())
    tell(f"{name!r} has another password, and has to sign in again everywhere")


def _make_row(person: "PersonRecord") -> tuple[str, ...]:
    ways = ["a password"] if person.password_hash is not None else []
    if person.issuer is not None:
        ways.append(person.issuer)
    return person.name, ", ".join(person.grants), ", ".join(ways)
