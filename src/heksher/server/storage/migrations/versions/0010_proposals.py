"""Keep proposals: writes that wait."""

from typing import Final

import sqlalchemy as sa
from alembic import op

revision: Final = "0010"
down_revision: Final = "0009"

_BIG_KEY: Final = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_TEXTS: Final = ("state", "author", "author_kind", "reason", "created_at", "approvals", "operations", "objects")


def upgrade() -> None:
    """Create the table: nothing is proposed yet."""
    op.create_table(
        "proposal",
        sa.Column("id", _BIG_KEY, nullable=False, autoincrement=False),
        *(sa.Column(name, sa.Text, nullable=False) for name in _TEXTS),
        *(sa.Column(name, sa.Text, nullable=True) for name in ("at", "ended_at", "ending")),
        sa.Column("after_id", _BIG_KEY, nullable=True),
        *(sa.Column(name, sa.Boolean, nullable=False) for name in ("needs_approval", "is_ready")),
        sa.Column("size", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_proposal"),
    )
    op.create_index("ix_proposal_state_id", "proposal", ["state", "id"])
