"""The script that Alembic runs for migrations, on a connection whose transaction the caller commits."""

from alembic import context
from alembic.runtime.migration import MigrationInfo

from heksher.server.storage.tables import HEKSHER_VERSION, METADATA


def _run() -> None:
    attributes = context.config.attributes

    def note(ctx: object, step: MigrationInfo, heads: object, run_args: object) -> None:
        # Alembic passes all of these by keyword.
        del ctx, heads, run_args
        attributes["note"](step.up_revision_id)

    context.configure(
        connection=attributes["connection"],
        target_metadata=METADATA,
        version_table=HEKSHER_VERSION.name,
        # SQLite cannot alter a table in place, so Alembic creates a new table and copies the rows.
        render_as_batch=True,
        on_version_apply=note,
    )
    context.run_migrations()


_run()
