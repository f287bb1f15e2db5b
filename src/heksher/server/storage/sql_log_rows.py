"""The rows of the change log, and what they are read as."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, cast

from sqlalchemy import bindparam, func, select

from heksher.server.storage.json_text import decode_json
from heksher.server.storage.log_text import list_digests, read_fields
from heksher.server.storage.records import ActorKind, LogEntry, LoggedChange, Origin
from heksher.server.storage.sql_statements import AnyRow, Query, Statements, in_batches
from heksher.server.storage.sql_times import read_time
from heksher.server.storage.tables import LOG_PART, LOG_VALUE

PART: Final = (
    LOG_PART.c.number,
    LOG_PART.c.action,
    LOG_PART.c.kind,
    LOG_PART.c.key,
    LOG_PART.c.setting,
    LOG_PART.c.setting_id,
    LOG_PART.c.before,
    LOG_PART.c.after,
)

_HAS_DIGEST: Final = LOG_VALUE.c.digest.in_(bindparam("digests", expanding=True))
_VALUES: Final = select(LOG_VALUE.c.digest, LOG_VALUE.c.value).where(_HAS_DIGEST)
_SIZES: Final = select(LOG_VALUE.c.digest, func.length(LOG_VALUE.c.value).label("value")).where(_HAS_DIGEST)


class LogRows:
    """Reads rows of the log, with the long values that they refer to."""

    def __init__(self, statements: Statements) -> None:
        self._statements = statements

    def read_changes(self, rows: Sequence[AnyRow]) -> list[LoggedChange]:
        """Return the changes that rows with the columns ``PART`` stand for."""
        long_values = {digest: str(value) for digest, value in self._fetch(_VALUES, rows).items()}
        return [_read_change(row, long_values) for row in rows]

    def measure(self, rows: Sequence[AnyRow]) -> list[dict[str, int]]:
        """Return for each row the sizes of its long values in bytes, by their digests."""
        sizes = self._fetch(_SIZES, rows)
        return [{digest: int(str(sizes.get(digest, 0))) for digest in list_digests(_sides(row))} for row in rows]

    def _fetch(self, query: Query, rows: Sequence[AnyRow]) -> dict[str, object]:
        digests = list_digests(text for row in rows for text in _sides(row))
        found = (self._statements.fetch(query, {"digests": some}) for some in in_batches(digests))
        return {row.digest: row.value for some in found for row in some}


def read_entry(row: AnyRow, changes: Iterable[LoggedChange]) -> LogEntry:
    """Return the entry that a row of its table stands for, with some of its changes."""
    origin = Origin(str(decode_json(row.actor)), str(decode_json(row.reason)), read_kind(row))
    return LogEntry(row.revision, read_time(row.at), origin, row.stamp, row.size, tuple(changes))


def read_kind(row: AnyRow) -> ActorKind:
    """Return what the actor of an entry is; ``somebody`` of one that an earlier version knew, and did not say."""
    if row.actor_kind is None:
        return "somebody" if row.is_proved else "nobody"
    return cast("ActorKind", row.actor_kind)


def _sides(row: AnyRow) -> tuple[str | None, str | None]:
    return row.before, row.after


def _read_change(row: AnyRow, long_values: Mapping[str, str]) -> LoggedChange:
    return LoggedChange(
        action=row.action,
        kind=row.kind,
        key=row.key,
        before=read_fields(row.before, long_values),
        after=read_fields(row.after, long_values),
        setting=row.setting,
        subject=row.setting_id,
    )
