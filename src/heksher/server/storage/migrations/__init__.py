"""The migrations: what makes the schema of a database, step by step, and brings an older one up to date.

Each is a module in ``versions`` and never changes once it was released; the next one changes what it made. They are
run by Alembic, which keeps the version of the schema in the table ``heksher_version``. This module loads Alembic, so it
is imported only where there is something to migrate.
"""

import logging
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from heksher.server.storage.migration import Migration
from heksher.server.storage.tables import HEKSHER_VERSION


def list_migrations() -> list[Migration]:
    """List all migrations in their order."""
    scripts = ScriptDirectory.from_config(_configure()).walk_revisions()
    return [Migration(script.revision, script.doc) for script in reversed(list(scripts))]


def run_migrations(connection: Connection, target: str = "head") -> list[Migration]:
    """Bring the schema up to date within the connection's transaction; return the migrations that were run.

    Args:
        connection: to the database.
        target: the version to stop at.
    """
    # Alembic would make the table, too, but with another name for its key than in databases of the first version.
    HEKSHER_VERSION.create(connection, checkfirst=True)
    # Its news are that it begins, and that it assumes what is so; what was done is told by whoever asked for it.
    logging.getLogger("alembic").setLevel(logging.WARNING)
    config = _configure()
    done: list[str] = []
    config.attributes["connection"] = connection
    config.attributes["note"] = done.append
    command.upgrade(config, target)
    return [migration for migration in list_migrations() if migration.version in done]


def _configure() -> Config:
    config = Config()
    # To a configuration file, a percent sign is the beginning of a variable.
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    return config
