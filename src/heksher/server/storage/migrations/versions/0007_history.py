"""Let the log be read by who made changes, and by what kind of objects they are about, in pages."""

from typing import Final

from alembic import op

revision: Final = "0007"
down_revision: Final = "0006"


def upgrade() -> None:
    """Create the indices."""
    op.create_index("ix_log_entry_actor_revision", "log_entry", ["actor", "revision"])
    op.create_index("ix_log_part_kind_revision", "log_part", ["kind", "revision"])
