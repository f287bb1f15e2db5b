"""Keep what programs use: when each setting was last asked for, and which clients ask."""

from typing import Final

import sqlalchemy as sa
from alembic import op

revision: Final = "0009"
down_revision: Final = "0008"

_BIG_KEY: Final = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Create the tables: nobody counts yet."""
    op.create_table(
        "setting_use",
        sa.Column("setting_id", _BIG_KEY, nullable=False),
        *(sa.Column(name, sa.Text, nullable=False) for name in ("used_at", "client")),
        sa.PrimaryKeyConstraint("setting_id", name="pk_setting_use"),
        sa.ForeignKeyConstraint(["setting_id"], ["setting.id"], name="fk_setting_use_setting_id", ondelete="CASCADE"),
    )
    op.create_table(
        "client",
        sa.Column("digest", sa.String(64), nullable=False),
        *(sa.Column(name, sa.Text, nullable=False) for name in ("identity", "seen_at")),
        sa.Column("revision", _BIG_KEY, nullable=False),
        sa.PrimaryKeyConstraint("digest", name="pk_client"),
    )
    op.create_table(
        "usage_state",
        sa.Column("id", sa.Integer, nullable=False, autoincrement=False),
        sa.Column("counted_since", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_usage_state"),
    )
