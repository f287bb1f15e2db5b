"""Keep who may do what: tokens, people, and the key that their cookies are signed with."""

from typing import Final

import sqlalchemy as sa
from alembic import op

revision: Final = "0005"
down_revision: Final = "0004"

_BIG_KEY: Final = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Create the tables: nobody may do anything yet, where that is asked."""
    op.create_table(
        "token",
        *(sa.Column(name, sa.Text, nullable=False) for name in ("name", "digest", "grants", "creator", "created_at")),
        sa.Column("expires_at", sa.Text, nullable=True),
        sa.Column("last_used_at", sa.Text, nullable=True),
        sa.Column("revision", _BIG_KEY, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_token"),
        sa.UniqueConstraint("digest", name="uq_token_digest"),
    )
    op.create_table(
        "person",
        *(sa.Column(name, sa.Text, nullable=False) for name in ("name", "grants")),
        *(sa.Column(name, sa.Text, nullable=True) for name in ("password_hash", "issuer", "subject")),
        *(sa.Column(name, _BIG_KEY, nullable=False) for name in ("epoch", "revision")),
        sa.PrimaryKeyConstraint("name", name="pk_person"),
        sa.UniqueConstraint("issuer", "subject", name="uq_person_issuer_subject"),
    )
    op.create_table(
        "signing_key",
        sa.Column("id", sa.Integer, nullable=False, autoincrement=False),
        sa.Column("key", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_signing_key"),
    )
