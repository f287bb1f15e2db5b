"""What nearly every unit of writing work needs of an SQL database, read with one statement, which comes first."""

from typing import Final, NamedTuple

from sqlalchemy import func, select, true

from heksher.revision_id import RevisionId
from heksher.server.storage.schema import require_version
from heksher.server.storage.sql_statements import Statements
from heksher.server.storage.storage_errors import StorageCorruptError
from heksher.server.storage.tables import CONTEXT_FEATURE, HEKSHER_VERSION, LOG_ENTRY, POLICY, WRITE_STATE

_COUNTERS: Final = ("last_rule_id", "last_setting_id", "features_revision")
_NEWEST: Final = (
    select(LOG_ENTRY.c.revision, LOG_ENTRY.c.stamp).order_by(LOG_ENTRY.c.revision.desc()).limit(1).subquery("newest")
)
# Both have one row each. The limit says so to PostgreSQL, which takes tables that nobody has analyzed for large ones,
# and would compile the statement then, for longer than a hundred times its run.
_COUNTERS_ROW: Final = select(WRITE_STATE).limit(2).subquery("counters")
_VERSION_ROW: Final = select(HEKSHER_VERSION).limit(2).subquery("version")
# A row for each context feature, or one if there are none.
_STATE: Final = (
    select(
        _COUNTERS_ROW.c.id,
        *(_COUNTERS_ROW.c[name] for name in _COUNTERS),
        _NEWEST.c.revision.label("newest_revision"),
        _NEWEST.c.stamp,
        _VERSION_ROW.c.version_num,
        CONTEXT_FEATURE.c.name.label("feature"),
        select(func.count()).select_from(POLICY).scalar_subquery().label("policies"),
    )
    .select_from(_COUNTERS_ROW.join(_VERSION_ROW, true()).outerjoin(_NEWEST, true()).outerjoin(CONTEXT_FEATURE, true()))
    .order_by(CONTEXT_FEATURE.c.position)
)


class WriteState(NamedTuple):
    """The state that a unit of work begins with.

    Attributes:
        counters: the contents of the only row of write_state.
        newest: the newest revision.
        features: the context features in their order.
        has_policies: whether there are any. Nearly always there are none, and then nobody has to ask which.
    """

    counters: dict[str, int]
    newest: RevisionId
    features: tuple[str, ...]
    has_policies: bool


def read_write_state(statements: Statements) -> WriteState:
    """Read the state, after others were kept from writing.

    Raises:
        SchemaChangedError: the schema is not the one that this process works with any more.
        StorageCorruptError: the tables cannot be those of a service.
    """
    rows = statements.fetch(_STATE)
    if (count := len({(row.id, row.version_num) for row in rows})) != 1:
        raise StorageCorruptError(
            f"the tables write_state and heksher_version of {statements.place} have {count} rows together, not one each"
        )
    first = rows[0]
    require_version([first.version_num], statements.place)
    return WriteState(
        {name: getattr(first, name) for name in _COUNTERS},
        RevisionId(first.newest_revision or 0, first.stamp or ""),
        tuple(row.feature for row in rows if row.feature is not None),
        bool(first.policies),
    )
