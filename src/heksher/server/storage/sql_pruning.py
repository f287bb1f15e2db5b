"""Removes the oldest entries of the change log in an SQL database.

Entries are removed in small transactions, so that writers never wait long, from the oldest one on: at any time, also
when this is interrupted, the log has all entries from some revision to the newest. What says who made the last change
of an object is moved to ``kept_change`` in the transaction that removes its entry, and which objects were deleted to
``forgotten_object``.
"""

from collections.abc import Collection, Iterator
from datetime import datetime
from typing import Final

from sqlalchemy import BindParameter, and_, bindparam, delete, exists, func, insert, or_, select, tuple_

from heksher.server.storage.records import RULE as RULE_KIND
from heksher.server.storage.records import SETTING as SETTING_KIND
from heksher.server.storage.sql_statements import Statements
from heksher.server.storage.sql_times import read_time
from heksher.server.storage.tables import (
    FORGOTTEN_OBJECT,
    KEPT_CHANGE,
    LOG_ENTRY,
    LOG_PART,
    LOG_VALUE,
    PERSON,
    POLICY,
    RULE,
    SETTING,
    TOKEN,
    WEBHOOK,
    WRITE_STATE,
)

# Removing this many entries with one change each takes some hundredths of a second.
BATCH_ENTRIES: Final = 500
_PAGE_ENTRIES: Final = 1000

_FIRST_KEPT: Final[BindParameter[int]] = bindparam("first_kept")
_NEWEST: Final = select(func.coalesce(func.max(LOG_ENTRY.c.revision), 0).label("revision"))
_TIMES: Final = (
    select(LOG_ENTRY.c.revision, LOG_ENTRY.c.at)
    .where(LOG_ENTRY.c.revision > bindparam("after_revision"))
    .order_by(LOG_ENTRY.c.revision)
    .limit(_PAGE_ENTRIES)
)
_REVISIONS: Final = (
    SETTING.c.revision,
    RULE.c.revision,
    TOKEN.c.revision,
    PERSON.c.revision,
    WEBHOOK.c.revision,
    POLICY.c.revision,
    WRITE_STATE.c.features_revision,
)
_REVISIONS_IN_USE: Final = [
    select(column.label("revision")).where(column < _FIRST_KEPT).distinct() for column in _REVISIONS
]
_OLDEST: Final = (
    select(LOG_ENTRY.c.revision)
    .where(LOG_ENTRY.c.revision < _FIRST_KEPT)
    .order_by(LOG_ENTRY.c.revision)
    .limit(BATCH_ENTRIES)
)
_KEPT_COLUMNS: Final = (
    LOG_ENTRY.c.revision,
    LOG_ENTRY.c.at,
    LOG_ENTRY.c.actor,
    LOG_ENTRY.c.is_proved,
    LOG_ENTRY.c.actor_kind,
    LOG_ENTRY.c.stamp,
    LOG_PART.c.action,
)
_KEEP: Final = insert(KEPT_CHANGE).from_select(
    [column.name for column in _KEPT_COLUMNS],
    select(*_KEPT_COLUMNS)
    .join(LOG_PART, and_(LOG_PART.c.revision == LOG_ENTRY.c.revision, LOG_PART.c.number == 0))
    .where(LOG_ENTRY.c.revision.in_(bindparam("kept", expanding=True))),
)
_REMOVE: Final = delete(LOG_ENTRY).where(LOG_ENTRY.c.revision <= bindparam("last_removed"))
_IS_REMOVED: Final = LOG_PART.c.revision <= bindparam("last_removed")
_IS_OF_OBJECT: Final = LOG_PART.c.kind.in_([SETTING_KIND, RULE_KIND])
_LATER: Final = LOG_PART.alias("later")
_HAS_LATER: Final = exists().where(
    _LATER.c.kind == LOG_PART.c.kind,
    _LATER.c.key == LOG_PART.c.key,
    _LATER.c.revision <= bindparam("last_removed"),
    or_(
        _LATER.c.revision > LOG_PART.c.revision,
        and_(_LATER.c.revision == LOG_PART.c.revision, _LATER.c.number > LOG_PART.c.number),
    ),
)
# What was forgotten before, and has a newer change among those that are removed now.
_REMEMBER: Final = delete(FORGOTTEN_OBJECT).where(
    tuple_(FORGOTTEN_OBJECT.c.kind, FORGOTTEN_OBJECT.c.key).in_(
        select(LOG_PART.c.kind, LOG_PART.c.key).where(_IS_REMOVED, _IS_OF_OBJECT)
    )
)
_FORGET: Final = insert(FORGOTTEN_OBJECT).from_select(
    ["kind", "key", "setting_id", "action"],
    select(LOG_PART.c.kind, LOG_PART.c.key, LOG_PART.c.setting_id, LOG_PART.c.action).where(
        _IS_REMOVED, _IS_OF_OBJECT, LOG_PART.c.before.is_not(None), LOG_PART.c.after.is_(None), ~_HAS_LATER
    ),
)
_REMOVE_VALUES: Final = delete(LOG_VALUE).where(LOG_VALUE.c.last_revision < _FIRST_KEPT)
_REMOVE_UNUSED: Final = delete(KEPT_CHANGE).where(
    *(KEPT_CHANGE.c.revision.not_in(select(column)) for column in _REVISIONS)
)


def find_first_kept(statements: Statements, before: datetime) -> int:
    """Return the revision of the first entry to keep: made at ``before`` or later, or the newest one."""
    newest = int(statements.fetch(_NEWEST)[0].revision)
    for revision, at in _list_times(statements):
        if revision == newest or read_time(at) >= before:
            return revision
    return newest


def list_revisions_in_use(statements: Statements, first_kept: int) -> frozenset[int]:
    """Return the revisions below one that objects have as those of their last change.

    Later writes take some away, but add none: they give objects newer ones.
    """
    below = {"first_kept": first_kept}
    return frozenset(int(row.revision) for query in _REVISIONS_IN_USE for row in statements.fetch(query, below))


def remove_oldest(statements: Statements, first_kept: int, in_use: Collection[int]) -> int:
    """Remove some of the oldest entries below a revision, in a transaction that has the lock for writing.

    Args:
        statements: of the transaction.
        first_kept: the revision.
        in_use: what ``list_revisions_in_use`` returned.

    Returns:
        The number of removed entries; 0 if none are left to remove.
    """
    doing = "removing entries of the change log"
    oldest = [row.revision for row in statements.fetch(_OLDEST, {"first_kept": first_kept})]
    if not oldest:
        statements.run(_REMOVE_VALUES, {"first_kept": first_kept}, doing)
        statements.run(_REMOVE_UNUSED, {}, doing)
        return 0
    if kept := [revision for revision in oldest if revision in in_use]:
        statements.run(_KEEP, {"kept": kept}, doing)
    for statement in (_REMEMBER, _FORGET, _REMOVE):
        statements.run(statement, {"last_removed": oldest[-1]}, doing)
    return len(oldest)


def _list_times(statements: Statements) -> Iterator[tuple[int, str]]:
    after = 0
    while rows := statements.fetch(_TIMES, {"after_revision": after}):
        for row in rows:
            yield row.revision, row.at
        after = rows[-1].revision
