"""What Alembic runs to make migrations, on a connection whose transaction somebody else commits."""

from alembic import context
from alembic.runtime.migration import MigrationInfo

from heksher.server.storage.tables import HEKSHER_VERSION, METADATA


def _run() -> None:
    attributes = context.config.attributes

    def note(ctx: object, step: MigrationInfo, heads: object, run_args: object) -> None:
        # Alembic gives all of these, by their names.
        del ctx, heads, run_args
        attributes["note"](step.up_revision_id)

    context.configure(
        connection=attributes["connection"],
        target_metadata=METADATA,
        version_table=HEKSHER_VERSION.name,
        # SQLite cannot change a table in place, so a changed one is made anew and filled.
        render_as_batch=True,
        on_version_apply=note,
    )
    context.run_migrations()


_run()
