"""The first schema."""

from typing import Final

import sqlalchemy as sa
from alembic import op

revision: Final = "0001"
down_revision: Final = None

_BIG_KEY: Final = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Create the tables."""
    _make_write_state()
    op.create_table(
        "context_feature",
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("position", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_context_feature"),
        sa.UniqueConstraint("position", name="uq_context_feature_position"),
    )
    _make_setting()
    _make_rule()
    _make_change_log()


def _make_write_state() -> None:
    write_state = op.create_table(
        "write_state",
        sa.Column("id", sa.Integer, nullable=False, autoincrement=False),
        sa.Column("last_rule_id", _BIG_KEY, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_write_state"),
    )
    op.bulk_insert(write_state, [{"id": 1, "last_rule_id": 0}])


def _make_setting() -> None:
    op.create_table(
        "setting",
        sa.Column("id", _BIG_KEY, nullable=False),
        *(
            sa.Column(name, sa.Text, nullable=False)
            for name in ("name", "type", "default_value", "version", "metadata")
        ),
        sa.PrimaryKeyConstraint("id", name="pk_setting"),
        sa.UniqueConstraint("name", name="uq_setting_name"),
    )
    op.create_table(
        "setting_name",
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("setting_id", _BIG_KEY, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_setting_name"),
        _refer_to_setting("fk_setting_name_setting_id"),
    )
    op.create_index("ix_setting_name_setting_id", "setting_name", ["setting_id"])
    op.create_table(
        "setting_feature",
        sa.Column("setting_id", _BIG_KEY, nullable=False, autoincrement=False),
        sa.Column("feature", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("setting_id", "feature", name="pk_setting_feature"),
        _refer_to_setting("fk_setting_feature_setting_id"),
        sa.ForeignKeyConstraint(["feature"], ["context_feature.name"], name="fk_setting_feature_feature"),
    )
    op.create_index("ix_setting_feature_feature", "setting_feature", ["feature"])


def _make_rule() -> None:
    op.create_table(
        "rule",
        sa.Column("id", _BIG_KEY, nullable=False, autoincrement=False),
        sa.Column("setting_id", _BIG_KEY, nullable=False),
        sa.Column("conditions_digest", sa.String(64), nullable=False),
        *(sa.Column(name, sa.Text, nullable=False) for name in ("conditions", "value", "metadata")),
        sa.PrimaryKeyConstraint("id", name="pk_rule"),
        sa.UniqueConstraint("setting_id", "conditions_digest", name="uq_rule_setting_id_conditions_digest"),
        _refer_to_setting("fk_rule_setting_id"),
    )


def _make_change_log() -> None:
    op.create_table(
        "change_log",
        sa.Column("revision", _BIG_KEY, nullable=False, autoincrement=False),
        *(
            sa.Column(name, sa.Text, nullable=False)
            for name in ("at", "actor", "reason", "action", "kind", "key", "before", "after")
        ),
        sa.PrimaryKeyConstraint("revision", name="pk_change_log"),
    )


def _refer_to_setting(name: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(["setting_id"], ["setting.id"], name=name, ondelete="CASCADE")
