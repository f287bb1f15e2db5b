"""``heksher backup`` and ``heksher restore``: copy a database into a file, and back into an empty database."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from heksher.cli.local.argument import file_argument
from heksher.cli.local.database import load_config, telling_errors
from heksher.cli.local.service_option import database_option
from heksher.cli.output import tell

if TYPE_CHECKING:
    from heksher.server.storage.access_records import TokenRecord
    from heksher.server.storage.database_copy import Copied


@click.command()
@file_argument
@database_option
@click.option("--force", "is_replacing", is_flag=True, help="Replace the file if it is there already.")
def backup(file: Path, database: str | None, is_replacing: bool) -> None:
    """Copy the database into FILE, while services may run on it.

    FILE is an SQLite database with everything, the change log included: one that a service can be run on, too.
    """
    with telling_errors():
        config = load_config(database)
        from heksher.server.storage.database_copy import back_up  # noqa: PLC0415 - see cli.local.serve

        copied = back_up(config.database, file, is_replacing=is_replacing)
    tell(f"backed up {_describe(copied)} to {file}")


@click.command()
@file_argument
@database_option
def restore(file: Path, database: str | None) -> None:
    """Copy FILE into the database, which must be empty.

    FILE is a backup, or the SQLite file of a service; the database may be of another kind than the one that was copied.
    Who was signed in has to sign in anew. The tokens that are valid then are listed: revoke those that should not be.
    The webhooks that are on are listed, too.
    """
    with telling_errors():
        config = load_config(database)
        from heksher.server.run import describe_database, make_default_directory  # noqa: PLC0415 - see cli.local.serve
        from heksher.server.storage.database_copy import restore as restore_backup  # noqa: PLC0415

        make_default_directory(config)
        copied = restore_backup(file, config.database)
    tell(f"restored {_describe(copied)} to {describe_database(config.database)}")
    if copied.valid_tokens:
        tell("these tokens are valid, also those that were revoked since the backup was made:")
        width = max(len(token.name) for token in copied.valid_tokens)
        for token in copied.valid_tokens:
            tell(f"  {token.name:{width}}  {_describe_token(token)}")
    if copied.told_webhooks:
        tell("these webhooks are on, and services on this database tell them of what follows:")
        for name in copied.told_webhooks:
            tell(f"  {name}")


def _describe(copied: "Copied") -> str:
    return f"{copied.settings} settings and {copied.rules} rules at revision {copied.revision}"


def _describe_token(token: "TokenRecord") -> str:
    expiry = "never expires" if token.expires_at is None else f"expires {token.expires_at:%Y-%m-%d %H:%M} UTC"
    return f"{' '.join(token.grants) or 'no grants'}, {expiry}"
