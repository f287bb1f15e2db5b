"""Keep what each actor is: a token, a person, or nobody who is known."""

from typing import Final

import sqlalchemy as sa
from alembic import op

revision: Final = "0006"
down_revision: Final = "0005"


def upgrade() -> None:
    """Add the column, without a value: of the entries that there are it is not known."""
    for table in ("log_entry", "kept_change"):
        op.add_column(table, sa.Column("actor_kind", sa.Text, nullable=True))
