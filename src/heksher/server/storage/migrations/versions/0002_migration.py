"""Note which migrations were run, when, and by which version."""

from typing import Final

import sqlalchemy as sa
from alembic import op

revision: Final = "0002"
down_revision: Final = "0001"


def upgrade() -> None:
    """Create the table of migrations. Those that were run before it existed are not recorded."""
    op.create_table(
        "migration",
        *(sa.Column(name, sa.Text, nullable=False) for name in ("version", "applied_at", "heksher_version")),
        sa.PrimaryKeyConstraint("version", name="pk_migration"),
    )
