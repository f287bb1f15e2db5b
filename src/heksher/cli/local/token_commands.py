"""``heksher access token``: make, list and revoke the tokens of programs."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

import click

from heksher.cli.local.argument import Lifetime, grant_option
from heksher.cli.local.database import make_origin, open_database
from heksher.cli.local.service_option import database_option
from heksher.cli.output import UntoldError, tell, tell_once
from heksher.cli.shared_option import json_option
from heksher.cli.text_table import draw_table
from heksher.exceptions import HeksherError
from heksher.server.access.grants import Grants

if TYPE_CHECKING:
    from heksher.server.storage.access_records import TokenRecord
    from heksher.server.storage.base import Storage

_EPILOG: Final = """\b
Only the token is written to the standard output:
  TOKEN=$(heksher access token create checkout --grant declare)
"""


@click.group()
def token() -> None:
    """Make, list and revoke tokens, by which programs are known."""


@token.command(epilog=_EPILOG)
@click.argument("name")
@grant_option(is_required=True)
@click.option(
    "--expires",
    type=Lifetime(),
    metavar="DAYS|never",
    help="After how many days the token ends, or never.  [default: 365]",
)
@json_option
@database_option
def create(name: str, grants: Grants, expires: timedelta | None, is_json: bool, database: str | None) -> None:
    """Make a token called NAME, and write it to the standard output, this once.

    The database keeps a digest only, so nobody can find out later what the token is. A database that is not there yet
    is made.
    """
    with open_database(database, is_making=True) as storage:
        from heksher.server.operations import tokens  # noqa: PLC0415 - see cli.local.serve

        lifetime = tokens.LIFETIME if expires is None else expires
        expires_at = None if lifetime == timedelta.max else datetime.now(UTC) + lifetime
        secret = tokens.create(storage, name, grants, expires_at, make_origin()).result
        with _revoking_what_is_untold(storage, name):
            tell_once(json.dumps({"name": name, "token": secret}) if is_json else secret)
    end = "" if expires_at is None else f" until {expires_at:%Y-%m-%d}"
    what = f"token {name!r} allows {', '.join(grants.texts())}{end}"
    click.echo(f"{what}. It is shown this once: keep it where secrets are kept", err=True)


@token.command("list")
@json_option
@database_option
def list_tokens(is_json: bool, database: str | None) -> None:
    """List the tokens, without what they are: that is not stored."""
    with open_database(database) as storage:
        from heksher.server.operations import tokens  # noqa: PLC0415 - see cli.local.serve
        from heksher.server.operations.access_form import token_to_json  # noqa: PLC0415

        found = tokens.list_all(storage)
    if is_json:
        tell(json.dumps({"tokens": list(map(token_to_json, found))}))
    elif found:
        tell(draw_table(("NAME", "GRANTS", "CREATOR", "CREATED", "ENDS", "LAST USE"), map(_make_row, found)))
    else:
        click.echo("there are no tokens", err=True)


@token.command()
@click.argument("name")
@database_option
def revoke(name: str, database: str | None) -> None:
    """Remove the token called NAME, which no service takes any more."""
    with open_database(database) as storage:
        from heksher.server.operations import tokens  # noqa: PLC0415 - see cli.local.serve

        tokens.revoke(storage, name, make_origin(), ways_in=None)
    tell(f"revoked token {name!r}")


@contextmanager
def _revoking_what_is_untold(storage: "Storage", name: str) -> Iterator[None]:
    """Revoke a token that nobody was told: it would be valid, and nobody could use it, or know that it is there."""
    try:
        yield
    except BaseException as error:  # also where somebody has waited for it to be written for too long
        outcome = _take_back(storage, name)
        if isinstance(error, UntoldError):
            raise UntoldError(f"{error.message}: token {name!r} was not told, {outcome}") from None
        raise


def _take_back(storage: "Storage", name: str) -> str:
    """Revoke a token, and say what has become of it."""
    from heksher.server.operations import tokens  # noqa: PLC0415 - see cli.local.serve

    try:
        tokens.revoke(storage, name, make_origin(), ways_in=None)
    except HeksherError as error:
        return f"and could not be revoked again, so it is still valid: {error}"
    return "and was revoked again"


def _make_row(token: "TokenRecord") -> tuple[str, ...]:
    end, now = token.expires_at, datetime.now(UTC)
    return (
        token.name,
        ", ".join(token.grants),
        token.creator,
        f"{token.created_at:%Y-%m-%d}",
        "never" if end is None else f"{end:%Y-%m-%d}{'' if end > now else ' (past)'}",
        "never" if token.last_used_at is None else f"{token.last_used_at:%Y-%m-%d %H:00}",
    )
