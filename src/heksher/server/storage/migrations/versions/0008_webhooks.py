"""Keep who is told of changes: webhooks, how far each was told, and which process does that."""

from typing import Final

import sqlalchemy as sa
from alembic import op

revision: Final = "0008"
down_revision: Final = "0007"

_BIG_KEY: Final = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Create the tables: nobody is told yet."""
    texts = ("name", "url", "secret", "prefixes", "format", "creator", "created_at")
    op.create_table(
        "webhook",
        *(sa.Column(name, sa.Text, nullable=False) for name in texts),
        sa.Column("off_reason", sa.Text, nullable=True),
        sa.Column("revision", _BIG_KEY, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_webhook"),
    )
    op.create_table(
        "webhook_delivery",
        sa.Column("webhook", sa.Text, nullable=False),
        sa.Column("revision", _BIG_KEY, nullable=False),
        sa.Column("stamp", sa.String(12), nullable=False),
        sa.Column("failures", sa.Integer, nullable=False),
        *(sa.Column(name, sa.Text, nullable=True) for name in ("failing_since", "next_attempt_at", "attempted_at")),
        sa.Column("problem", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("webhook", name="pk_webhook_delivery"),
        sa.ForeignKeyConstraint(["webhook"], ["webhook.name"], name="fk_webhook_delivery_webhook", ondelete="CASCADE"),
    )
    op.create_table(
        "lease",
        *(sa.Column(name, sa.Text, nullable=False) for name in ("task", "holder")),
        sa.Column("turn", _BIG_KEY, nullable=False),
        sa.PrimaryKeyConstraint("task", name="pk_lease"),
    )
