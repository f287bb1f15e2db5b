"""The migrations, which create the schema of a database step by step and bring an older one up to date.

Each is a module in ``versions`` and never changes after its release; later changes need a new migration. Alembic runs
them, and keeps the version of the schema in the table ``heksher_version``. This module loads Alembic, so it is imported
only if there is something to migrate.
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
    """Return all migrations in their order."""
    scripts = ScriptDirectory.from_config(_configure()).walk_revisions()
    return [Migration(script.revision, script.doc) for script in reversed(list(scripts))]


def run_migrations(connection: Connection, target: str = "head") -> list[Migration]:
    """Bring the schema up to date in the connection's transaction; return the migrations that were run.

    Args:
        connection: the connection to the database.
        target: the version to stop at.
    """
    # Alembic would create the table too, but with another name for its key than databases of the first version have.
    HEKSHER_VERSION.create(connection, checkfirst=True)
    # Alembic logs only that it starts and what it assumes; the caller logs the migrations that were run.
    logging.getLogger("alembic").setLevel(logging.WARNING)
    config = _configure()
    done: list[str] = []
    config.attributes["connection"] = connection
    config.attributes["note"] = done.append
    command.upgrade(config, target)
    return [migration for migration in list_migrations() if migration.version in done]


def _configure() -> Config:
    config = Config()
    # In Alembic's configuration, a percent sign starts a variable.
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    return config
