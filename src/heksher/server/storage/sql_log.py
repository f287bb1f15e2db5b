"""The change log in an SQL database: reading it forwards, finding what it says of objects, and appending to it."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from itertools import groupby
from typing import Any, Final

from sqlalchemy import BindParameter, and_, bindparam, func, insert, literal, select, update

from heksher.revision_id import RevisionId
from heksher.server.storage.json_text import decode_json, encode_json, is_storable
from heksher.server.storage.log_text import read_fields, write_fields
from heksher.server.storage.records import (
    MAX_HANDED_CHANGES,
    SETTING,
    ForgottenObject,
    LastChange,
    LogEntry,
    LoggedChange,
    Origin,
)
from heksher.server.storage.sql_log_rows import PART, LogRows, read_entry, read_kind
from heksher.server.storage.sql_statements import MAX_INTEGER, Statements, clip, in_batches
from heksher.server.storage.sql_times import read_time
from heksher.server.storage.tables import FORGOTTEN_OBJECT, KEPT_CHANGE, LOG_ENTRY, LOG_PART, LOG_VALUE

_LIMIT: Final[BindParameter[int]] = bindparam("max_entries")
_IS_OF_OBJECT: Final = and_(LOG_PART.c.kind == bindparam("kind"), LOG_PART.c.key == bindparam("object_key"))
_AFTER: Final[BindParameter[int]] = bindparam("after_revision")

_NEWEST: Final = select(LOG_ENTRY.c.revision, LOG_ENTRY.c.stamp).order_by(LOG_ENTRY.c.revision.desc()).limit(1)
_PAGE: Final = (
    select(LOG_ENTRY).where(LOG_ENTRY.c.revision > _AFTER).order_by(LOG_ENTRY.c.revision).limit(_LIMIT).subquery("page")
)
# Repeated for the parts, because some databases would otherwise scan the parts from the first one on.
_IS_SHOWN: Final = and_(
    LOG_PART.c.revision == _PAGE.c.revision,
    LOG_PART.c.revision > _AFTER,
    LOG_PART.c.number < bindparam("max_changes"),
)
_LOG: Final = select(_PAGE, *PART).outerjoin(LOG_PART, _IS_SHOWN).order_by(_PAGE.c.revision, LOG_PART.c.number)
_LAST_CHANGE: Final = (
    select(LOG_ENTRY, LOG_PART.c.action)
    .join(LOG_PART, and_(LOG_PART.c.revision == LOG_ENTRY.c.revision, LOG_PART.c.number == 0))
    .where(LOG_ENTRY.c.revision == bindparam("of_revision"))
)
_KEPT_CHANGE: Final = select(KEPT_CHANGE).where(KEPT_CHANGE.c.revision == bindparam("of_revision"))
_HAS_FORGOTTEN: Final = select(literal(1)).select_from(FORGOTTEN_OBJECT).limit(1)
_FORGOTTEN: Final = select(FORGOTTEN_OBJECT.c.setting_id, FORGOTTEN_OBJECT.c.action).where(
    FORGOTTEN_OBJECT.c.kind == bindparam("kind"), FORGOTTEN_OBJECT.c.key == bindparam("object_key")
)
_LAST_OF_OBJECT: Final = (
    select(*PART).where(_IS_OF_OBJECT).order_by(LOG_PART.c.revision.desc(), LOG_PART.c.number.desc()).limit(1)
)
_NEWEST_OF_OBJECTS: Final = (
    select(LOG_PART.c.key, func.max(LOG_PART.c.revision).label("revision"))
    .where(LOG_PART.c.kind == bindparam("kind"), LOG_PART.c.key.in_(bindparam("keys", expanding=True)))
    .group_by(LOG_PART.c.key)
    .subquery("newest")
)
_LAST_OF_OBJECTS: Final = (
    select(*PART)
    .join(
        _NEWEST_OF_OBJECTS,
        and_(
            LOG_PART.c.kind == bindparam("kind"),
            LOG_PART.c.key == _NEWEST_OF_OBJECTS.c.key,
            LOG_PART.c.revision == _NEWEST_OF_OBJECTS.c.revision,
        ),
    )
    .order_by(LOG_PART.c.number)
)
_KEYS: Final = (
    select(LOG_PART.c.key)
    .where(LOG_PART.c.kind == bindparam("kind"), LOG_PART.c.key.in_(bindparam("keys", expanding=True)))
    .distinct()
)
_KNOWN_DIGESTS: Final = select(LOG_VALUE.c.digest).where(LOG_VALUE.c.digest.in_(bindparam("digests", expanding=True)))

_ADD_ENTRY: Final = insert(LOG_ENTRY)
_GROW_ENTRY: Final = update(LOG_ENTRY).where(LOG_ENTRY.c.revision == bindparam("of_revision"))
_ADD_PART: Final = insert(LOG_PART)
_ADD_VALUE: Final = insert(LOG_VALUE)
_USE_VALUE: Final = update(LOG_VALUE).where(LOG_VALUE.c.digest == bindparam("used"))


class SqlLog:
    """The change log as one transaction sees it."""

    def __init__(self, statements: Statements) -> None:
        self._statements = statements
        self._rows = LogRows(statements)
        # Whether any object is forgotten: one answer for hundreds of new settings; None until it is needed.
        self._has_forgotten: bool | None = None

    def revision_id(self) -> RevisionId:
        """Return the number and the stamp of the newest entry; 0 without a stamp if there is none."""
        for row in self._statements.fetch(_NEWEST):
            return RevisionId(row.revision, row.stamp)
        return RevisionId(0)

    def list_forwards(self, after_revision: int, limit: int, max_changes: int) -> list[LogEntry]:
        """Return entries, ascending."""
        page = {"after_revision": clip(after_revision), "max_entries": clip(limit)}
        rows = self._statements.fetch(_LOG, {**page, "max_changes": clip(max(max_changes, 1), MAX_INTEGER)})
        changes = iter(self._rows.read_changes([row for row in rows if row.number is not None]))
        entries = (list(group) for _, group in groupby(rows, key=lambda row: row.revision))
        return [
            read_entry(of_entry[0], [next(changes) for row in of_entry if row.number is not None])
            for of_entry in entries
        ]

    def find_last(self, kind: str, key: str) -> tuple[LoggedChange, int | None] | None:
        """Return the newest change of an object, and the number of the setting that it is about."""
        if not is_storable(key):
            return None
        rows = self._statements.fetch(_LAST_OF_OBJECT, {"kind": kind, "object_key": key})
        return (self._rows.read_changes(rows)[0], rows[0].setting_id) if rows else None

    def find_last_of_each(self, kind: str, keys: Collection[str]) -> dict[str, tuple[LoggedChange, int | None]]:
        """Return of objects with storable keys what ``find_last`` does, by key."""
        rows = self._statements.fetch(_LAST_OF_OBJECTS, {"kind": kind, "keys": list(keys)})
        changes = self._rows.read_changes(rows)
        # Of several changes in one entry, the last one stays.
        return {row.key: (change, row.setting_id) for row, change in zip(rows, changes, strict=True)}

    def find_last_change(self, revision: int) -> LastChange | None:
        """Return what is known of the change with a revision, also if its entry was removed."""
        key = {"of_revision": clip(revision)}
        for row in self._statements.fetch(_LAST_CHANGE, key) or self._statements.fetch(_KEPT_CHANGE, key):
            actor = str(decode_json(row.actor))
            return LastChange(row.revision, read_time(row.at), actor, read_kind(row), row.stamp, row.action)
        return None

    def find_keys(self, kind: str, keys: Collection[str]) -> frozenset[str]:
        """Return those of some objects that have a change in the log."""
        storable = [key for key in keys if is_storable(key)]
        return frozenset(row.key for row in self._statements.fetch(_KEYS, {"kind": kind, "keys": storable}))

    def find_last_id(self, name: str) -> int | None:
        """Return the number of the setting that last had this canonical name according to the log."""
        if last := self.find_last(SETTING, name):
            return last[1]
        forgotten = self.find_forgotten(SETTING, name)
        return None if forgotten is None else forgotten.setting_id

    def find_forgotten(self, kind: str, key: str) -> ForgottenObject | None:
        """Return the deletion of an object that a removed entry had, unless that had a newer change of it, too."""
        if not is_storable(key):
            return None
        if self._has_forgotten is None:
            self._has_forgotten = bool(self._statements.fetch(_HAS_FORGOTTEN))
        if self._has_forgotten:
            for row in self._statements.fetch(_FORGOTTEN, {"kind": kind, "object_key": key}):
                return ForgottenObject(row.setting_id, row.action)
        return None


class SqlLogAppender:
    """Appends one entry to the log, for one unit of work.

    Args:
        statements: sends the statements of the transaction.
        origin: who requested the changes, and why.
        now: returns the time.
        make_stamp: returns a stamp.

    Attributes:
        size: the number of changes in the entry so far.
        stamp: of the entry; empty before that exists.
    """

    def __init__(
        self, statements: Statements, origin: Origin, now: Callable[[], datetime], make_stamp: Callable[[], str]
    ) -> None:
        self._statements = statements
        self._origin = origin
        self._now = now
        self._make_stamp = make_stamp
        # The entry does not exist while this is 0.
        self.size: int = 0
        # The entry without its changes, and its first changes; None while it does not exist.
        self._entry: LogEntry | None = None
        self._changes: list[LoggedChange] = []

    @property
    def stamp(self) -> str:
        """That of the entry; empty if there is none."""
        return "" if self._entry is None else self._entry.stamp

    @property
    def entry(self) -> LogEntry | None:
        """The entry as a reader would find it; ``None`` if there is none, or if it is too large to be handed on."""
        if self._entry is None or self.size > len(self._changes):
            return None
        return replace(self._entry, size=self.size, changes=tuple(self._changes))

    def append(self, revision: int, changes: Iterable[tuple[LoggedChange, int | None]]) -> bool:
        """Append changes, each with the number of its setting; return whether there were any."""
        known_size = self.size
        for some in in_batches(changes):
            if self.size == 0:
                known_size = len(some)
                self._add_entry(revision, known_size)
            self._add_parts(revision, some)
        if known_size != self.size:
            parameters = {"of_revision": revision, "size": self.size}
            self._statements.run_later(_GROW_ENTRY, parameters, "recording how many changes there are")
        return self.size > 0

    def _add_entry(self, revision: int, size: int) -> None:
        entry = LogEntry(revision, self._now().astimezone(UTC), self._origin, self._make_stamp(), size, ())
        self._entry = entry
        row = {
            "revision": revision,
            "at": entry.at.isoformat(),
            "actor": encode_json(self._origin.actor),
            "actor_kind": self._origin.actor_kind,
            "is_proved": self._origin.actor_kind != "nobody",
            "reason": encode_json(self._origin.reason),
            "stamp": entry.stamp,
            "size": size,
        }
        self._statements.run_later(_ADD_ENTRY, row, "recording a change")

    def _add_parts(self, revision: int, changes: Sequence[tuple[LoggedChange, int | None]]) -> None:
        long_values: dict[str, str] = {}
        rows = [
            {
                "revision": revision,
                "number": number,
                "action": change.action,
                "kind": change.kind,
                "key": change.key,
                "setting_id": setting_id,
                "setting": change.setting,
                "before": write_fields(change.before, long_values),
                "after": write_fields(change.after, long_values),
            }
            for number, (change, setting_id) in enumerate(changes, self.size)
        ]
        self.size += len(rows)
        if self.size <= MAX_HANDED_CHANGES:
            # As they are read, which need not be how they were given.
            self._changes += [
                _read_back(change, row, long_values) for (change, _), row in zip(changes, rows, strict=True)
            ]
        self._statements.run_later(
            _ADD_PART, rows if len(rows) > 1 else rows[0], f"recording the change {changes[0][0].action!r}"
        )
        if long_values:
            self._keep_values(revision, long_values)

    def _keep_values(self, revision: int, long_values: dict[str, str]) -> None:
        doing = "recording a long value"
        # Checked first, so that stored values are not sent again.
        known = {row.digest for row in self._statements.fetch(_KNOWN_DIGESTS, {"digests": list(long_values)})}
        used = ({"used": digest, "last_revision": revision} for digest in known)
        self._statements.run_each(_USE_VALUE, used, doing)
        added: Iterator[dict[str, object]] = (
            {"digest": digest, "last_revision": revision, "value": text}
            for digest, text in long_values.items()
            if digest not in known
        )
        self._statements.run_each(_ADD_VALUE, added, doing)


def _read_back(change: LoggedChange, row: Mapping[str, Any], long_values: Mapping[str, str]) -> LoggedChange:
    """Return a change as it will be read: with values that nobody else can change."""
    before, after = (read_fields(row[side], long_values) for side in ("before", "after"))
    return replace(change, before=before, after=after, subject=row["setting_id"])
