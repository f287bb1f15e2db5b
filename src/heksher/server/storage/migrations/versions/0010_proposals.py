"""Keep proposals, which are writes that wait, and the policies that demand them."""

from typing import Final

import sqlalchemy as sa
from alembic import op

revision: Final = "0010"
down_revision: Final = "0009"

_BIG_KEY: Final = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_TEXTS: Final = ("state", "author", "author_kind", "reason", "created_at", "approvals", "operations", "objects")


def upgrade() -> None:
    """Create the tables: nothing is proposed yet, and nothing has to be."""
    op.create_table(
        "proposal",
        sa.Column("id", _BIG_KEY, nullable=False, autoincrement=False),
        *(sa.Column(name, sa.Text, nullable=False) for name in _TEXTS),
        *(sa.Column(name, sa.Text, nullable=True) for name in ("at", "ended_at", "ending")),
        sa.Column("after_id", _BIG_KEY, nullable=True),
        *(sa.Column(name, sa.Boolean, nullable=False) for name in ("needs_approval", "is_ready")),
        sa.Column("size", sa.Integer, nullable=False),
        sa.Column("seen_revision", _BIG_KEY, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_proposal"),
    )
    op.create_index("ix_proposal_state_id", "proposal", ["state", "id"])
    op.create_index("ix_proposal_after_id", "proposal", ["after_id"])
    op.create_table(
        "proposal_subject",
        sa.Column("proposal_id", _BIG_KEY, nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("proposal_id", "digest", name="pk_proposal_subject"),
        sa.ForeignKeyConstraint(
            ["proposal_id"], ["proposal.id"], name="fk_proposal_subject_proposal", ondelete="CASCADE"
        ),
    )
    op.create_index("ix_proposal_subject_digest", "proposal_subject", ["digest"])
    op.create_table(
        "policy",
        *(sa.Column(name, sa.Text, nullable=False) for name in ("prefix", "creator", "created_at")),
        sa.Column("revision", _BIG_KEY, nullable=False),
        sa.PrimaryKeyConstraint("prefix", name="pk_policy"),
    )
