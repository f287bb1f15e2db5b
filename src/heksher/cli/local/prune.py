"""``heksher prune``: remove the oldest entries of the change log, which ``serve`` can do daily."""

from datetime import UTC, datetime

import click

from heksher.cli.local.database import load_config, telling_errors
from heksher.cli.local.service_option import database_option
from heksher.cli.output import tell
from heksher.cli.whole_number import WholeNumber


@click.command()
@click.option(
    "--keep-days",
    type=WholeNumber(0),
    required=True,
    metavar="N",
    help="Entries that were made in the last N days stay; with 0, only the newest one.",
)
@database_option
def prune(keep_days: int, database: str | None) -> None:
    """Remove the oldest entries of the change log, while services may run on the database.

    The newest entry stays, and so does what each object says of its last change.
    """
    with telling_errors():
        config = load_config(database)
        from heksher.server.history_pruner import read_deadline  # noqa: PLC0415 - see cli.local.serve
        from heksher.server.run import describe_database  # noqa: PLC0415
        from heksher.server.storage.maintenance import prune_database  # noqa: PLC0415

        removed = prune_database(config.database, read_deadline(keep_days, datetime.now(UTC)))
    tell(f"removed {removed} entries older than {keep_days} days from {describe_database(config.database)}")
