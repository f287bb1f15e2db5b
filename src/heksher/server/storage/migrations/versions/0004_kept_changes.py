"""Keep what is needed of entries that are removed from the log: who made last changes, and what was deleted."""

from typing import Final

import sqlalchemy as sa
from alembic import op

revision: Final = "0004"
down_revision: Final = "0003"

_BIG_KEY: Final = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Create the tables for what is kept, and for what the log has forgotten: nothing, so far."""
    op.create_table(
        "kept_change",
        sa.Column("revision", _BIG_KEY, nullable=False, autoincrement=False),
        sa.Column("at", sa.Text, nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("is_proved", sa.Boolean, nullable=False),
        sa.Column("stamp", sa.String(12), nullable=False),
        sa.Column("action", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("revision", name="pk_kept_change"),
    )
    op.create_table(
        "forgotten_object",
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("setting_id", _BIG_KEY, nullable=True),
        sa.Column("action", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("kind", "key", name="pk_forgotten_object"),
    )
