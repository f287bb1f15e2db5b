"""``heksher migrate``: update the schema of a database, which the service otherwise does when it starts."""

import click

from heksher.cli.local.database import load_config, telling_errors
from heksher.cli.local.service_option import database_option
from heksher.cli.output import tell


@click.command()
@database_option
@click.option("--check", "is_checking", is_flag=True, help="Change nothing; exit with 1 if there is something to do.")
def migrate(database: str | None, is_checking: bool) -> None:
    """Bring the schema of the database up to date."""
    with telling_errors():
        config = load_config(database)
        from heksher.server.logs import configure_logging  # noqa: PLC0415 - see cli.local.serve
        from heksher.server.run import describe_database, make_default_directory  # noqa: PLC0415
        from heksher.server.storage.maintenance import check_database, migrate_database  # noqa: PLC0415

        place = describe_database(config.database)
        if is_checking:
            migrations, done = check_database(config.database), "due"
        else:
            # A large database takes its time, and the log says how far it is.
            configure_logging(config.log_format)
            make_default_directory(config)
            migrations, done = migrate_database(config.database), "done"
    for migration in migrations:
        tell(f"{done}: {migration.version} {migration.title}")
    if not migrations:
        tell(f"up to date: {place}")
    elif is_checking:
        raise SystemExit(1)
