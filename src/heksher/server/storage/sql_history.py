"""The change log in an SQL database, read backwards, in pages, by what its changes are about.

Each page is found by an index that ends with the revision, so its cost does not depend on the length of the log. An
entry may have any number of parts. So the entries of a page are found first, then their parts, and those of a large
entry by themselves: whoever wants ten of a hundred thousand does not wait for all of them.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from functools import cache
from typing import Final, NamedTuple, cast

from sqlalchemy import BindParameter, ColumnElement, and_, bindparam, exists, func, select

from heksher.server.storage.dialect import MAX_BIG_KEY
from heksher.server.storage.json_text import encode_json, is_storable
from heksher.server.storage.log_text import cut
from heksher.server.storage.records import MAX_SUBJECTS, RULE, Conditions, LogEntry, LoggedChange, Selection
from heksher.server.storage.sql_log_rows import PART, LogRows, read_entry
from heksher.server.storage.sql_statements import (
    MAX_BATCH,
    MAX_INTEGER,
    AnyRow,
    Query,
    Statements,
    clip,
    in_batches,
)
from heksher.server.storage.tables import LOG_ENTRY, LOG_PART

# Of an entry with more parts, those that a page shows are read by themselves.
_MAX_SMALL: Final = MAX_BATCH
# The settings that changed since a recent revision are found among its parts, not in the index of all settings.
_MAX_NEAR: Final = 5000

_LIMIT: Final[BindParameter[int]] = bindparam("max_entries")
_AFTER: Final[BindParameter[int]] = bindparam("after_revision")
_BEFORE: Final[BindParameter[int]] = bindparam("before_revision")
_OF_REVISION: Final = LOG_PART.c.revision == bindparam("of_revision")
_IS_ONE_OF: Final = LOG_PART.c.revision.in_(bindparam("revisions", expanding=True))
_CHANGES: Final = (
    select(*PART).where(_OF_REVISION, LOG_PART.c.number >= bindparam("first")).order_by(LOG_PART.c.number).limit(_LIMIT)
)
_DELETIONS: Final = (
    select(*PART)
    .where(
        LOG_PART.c.kind == RULE,
        LOG_PART.c.key.in_(bindparam("keys", expanding=True)),
        LOG_PART.c.before.is_not(None),
        LOG_PART.c.after.is_(None),
    )
    .order_by(LOG_PART.c.revision, LOG_PART.c.number)
)


def _count_changes(number: ColumnElement[int]) -> Query:
    is_between = and_(LOG_PART.c.revision > _AFTER, LOG_PART.c.revision < _BEFORE)
    is_next = number > bindparam("after_subject")
    counted = select(LOG_PART.c.setting_id, func.count().label("changes")).where(is_next, is_between)
    return counted.group_by(LOG_PART.c.setting_id).order_by(LOG_PART.c.setting_id).limit(MAX_SUBJECTS)


# With the sum no database uses the index of settings, but that of revisions.
_CHANGED_NEAR: Final = _count_changes(LOG_PART.c.setting_id + 0)
_CHANGED_FAR: Final = _count_changes(LOG_PART.c.setting_id)


class _Shape(NamedTuple):
    """What a selection has conditions on: each shape is one statement, which is built once."""

    has_subjects: bool
    has_rule: bool
    has_actor: bool
    has_kinds: bool

    @property
    def is_about(self) -> ColumnElement[bool]:
        """The condition on parts."""
        conditions: list[ColumnElement[bool]] = []
        if self.has_subjects:
            conditions.append(LOG_PART.c.setting_id.in_(bindparam("subjects", expanding=True)))
        if self.has_rule:
            conditions += [LOG_PART.c.kind == RULE, LOG_PART.c.key == bindparam("rule_key")]
        if self.has_kinds:
            conditions.append(LOG_PART.c.kind.in_(bindparam("kinds", expanding=True)))
        return and_(True, *conditions)

    @property
    def is_narrow(self) -> bool:
        """Whether it is about some settings or a rule, by whomever: of entries that are there for that alone."""
        return (self.has_subjects or self.has_rule) and not self.has_actor

    @property
    def is_by(self) -> ColumnElement[bool]:
        """The condition on entries."""
        return and_(True, LOG_ENTRY.c.actor == bindparam("actor")) if self.has_actor else and_(True)


@cache
def _make_finder(shape: _Shape) -> Query:
    """Return the query for the entries of a page, newest first."""
    if shape.has_subjects or shape.has_rule or (shape.has_kinds and not shape.has_actor):
        source = LOG_PART if not shape.has_actor else LOG_PART.join(LOG_ENTRY)
        is_between = and_(LOG_PART.c.revision < _BEFORE, LOG_PART.c.revision > _AFTER)
        found = select(LOG_PART.c.revision).select_from(source).where(shape.is_about, is_between, shape.is_by)
        page = found.distinct().order_by(LOG_PART.c.revision.desc()).limit(_LIMIT).subquery("page")
        joined = select(LOG_ENTRY).join(page, page.c.revision == LOG_ENTRY.c.revision)
        return joined.order_by(LOG_ENTRY.c.revision.desc())
    has_part = exists().where(LOG_PART.c.revision == LOG_ENTRY.c.revision, shape.is_about)
    is_between = and_(LOG_ENTRY.c.revision < _BEFORE, LOG_ENTRY.c.revision > _AFTER)
    found = select(LOG_ENTRY).where(is_between, shape.is_by, has_part if shape.has_kinds else and_(True))
    return found.order_by(LOG_ENTRY.c.revision.desc()).limit(_LIMIT)


@cache
def _make_parts_query(shape: _Shape) -> Query:
    """Return the query for the first parts of several entries."""
    place = func.row_number().over(partition_by=LOG_PART.c.revision, order_by=LOG_PART.c.number).label("place")
    numbered = select(LOG_PART.c.revision, LOG_PART.c.number, place).where(_IS_ONE_OF, shape.is_about)
    first = numbered.subquery("numbered")
    is_same = and_(LOG_PART.c.revision == first.c.revision, LOG_PART.c.number == first.c.number)
    shown = select(LOG_PART.c.revision, *PART).join(first, is_same).where(first.c.place <= bindparam("max_changes"))
    return shown.order_by(LOG_PART.c.revision.desc(), LOG_PART.c.number)


@cache
def _make_whole_query(shape: _Shape) -> Query:
    """Return the query for all parts of several entries, which need not be counted."""
    shown = select(LOG_PART.c.revision, *PART).where(_IS_ONE_OF, shape.is_about)
    return shown.order_by(LOG_PART.c.revision.desc(), LOG_PART.c.number)


@cache
def _make_span_query(shape: _Shape) -> Query:
    """Return the query for all parts between two revisions that are about something, by whomever."""
    is_between = and_(LOG_PART.c.revision >= bindparam("oldest"), LOG_PART.c.revision <= bindparam("newest"))
    shown = select(LOG_PART.c.revision, *PART).where(is_between, shape.is_about)
    return shown.order_by(LOG_PART.c.revision.desc(), LOG_PART.c.number)


@cache
def _make_large_query(shape: _Shape) -> Query:
    """Return the query for the first parts of one entry."""
    shown = select(LOG_PART.c.revision, *PART).where(_OF_REVISION, shape.is_about)
    return shown.order_by(LOG_PART.c.number).limit(_LIMIT)


class SqlHistory:
    """The change log as one transaction sees it, by what its changes are about."""

    def __init__(self, statements: Statements) -> None:
        self._statements = statements
        self._rows = LogRows(statements)

    def select(
        self,
        selection: Selection,
        before_revision: int | None,
        limit: int,
        max_changes: int,
        max_bytes: int | None,
    ) -> list[LogEntry]:
        """Return entries, newest first; ``selection.setting`` has become one of the subjects."""
        shape = _Shape(
            selection.subjects is not None,
            selection.rule_id is not None,
            selection.actor is not None,
            selection.kinds is not None,
        )
        about = {
            "subjects": list(selection.subjects or ()),
            "rule_key": str(selection.rule_id),
            "actor": encode_json(selection.actor),
            "kinds": [kind for kind in selection.kinds or () if is_storable(kind)],
        }
        span = {"after_revision": clip(selection.after_revision), "before_revision": _clip_cursor(before_revision)}
        entries = self._find_entries(shape, about, {**span, "max_entries": clip(limit)})
        parts = self._find_parts(shape, about, entries, clip(max(max_changes, 1), MAX_INTEGER))
        return self._read_page(entries, parts, max_bytes)

    def list_changes(self, revision: int, first: int, limit: int, max_bytes: int | None) -> list[LoggedChange]:
        """Return the changes of one entry."""
        parameters = {"of_revision": clip(revision), "first": clip(first, MAX_INTEGER), "max_entries": clip(limit)}
        rows = self._statements.fetch(_CHANGES, parameters)
        shown = rows if max_bytes is None else rows[: cut(self._rows.measure(rows), max_bytes)]
        return self._rows.read_changes(shown)

    def list_changed_subjects(
        self, after_revision: int, until_revision: int, after_subject: int, max_changes: int
    ) -> list[int]:
        """Return the numbers of changed settings, as ``Reader.changed_subjects`` does."""
        after, until = clip(after_revision), clip(until_revision, MAX_BIG_KEY - 1)
        query = _CHANGED_NEAR if until - after < _MAX_NEAR else _CHANGED_FAR
        span = {"after_revision": after, "before_revision": until + 1, "after_subject": clip(after_subject)}
        rows = self._statements.fetch(query, span)
        return [
            row.setting_id for row in rows[: cut([{str(row.setting_id): row.changes} for row in rows], max_changes)]
        ]

    def find_deleted(self, rule_ids: Iterable[int]) -> dict[int, Conditions]:
        """Return the conditions of deleted rules, by id."""
        deleted: dict[int, Conditions] = {}
        for keys in in_batches(map(str, rule_ids)):
            for change in self._rows.read_changes(self._statements.fetch(_DELETIONS, {"keys": keys})):
                deleted[int(change.key)] = read_conditions(change)
        return deleted

    def _find_entries(self, shape: _Shape, about: Mapping[str, object], page: Mapping[str, int]) -> Sequence[AnyRow]:
        finder = _make_finder(shape)
        if not shape.has_kinds or shape.has_subjects or shape.has_rule or shape.has_actor:
            return self._statements.fetch(finder, {**about, **page})
        # The index has the parts of each kind in the order of revisions, but not those of several.
        kinds = cast("Collection[str]", about["kinds"])
        found = (self._statements.fetch(finder, {**page, "kinds": [kind]}) for kind in kinds)
        entries = {row.revision: row for rows in found for row in rows}
        return [entries[revision] for revision in sorted(entries, reverse=True)[: page["max_entries"]]]

    def _find_parts(
        self, shape: _Shape, about: Mapping[str, object], entries: Sequence[AnyRow], max_changes: int
    ) -> dict[int, list[AnyRow]]:
        parts: defaultdict[int, list[AnyRow]] = defaultdict(list)
        for row in self._fetch_parts(shape, about, entries, max_changes):
            parts[row.revision].append(row)
        return parts

    def _fetch_parts(
        self, shape: _Shape, about: Mapping[str, object], entries: Sequence[AnyRow], max_changes: int
    ) -> Iterator[AnyRow]:
        small: list[int] = []
        for entry in entries:
            if entry.size <= _MAX_SMALL:
                small.append(entry.revision)
            else:
                shown = {**about, "of_revision": entry.revision, "max_entries": max_changes}
                yield from self._statements.fetch(_make_large_query(shape), shown)
        if max_changes >= _MAX_SMALL and shape.is_narrow and small and len(small) == len(entries):
            # What is between them is on the page, too, and hundreds of parameters would take longer than their rows.
            shown = {**about, "newest": small[0], "oldest": small[-1]}
            yield from self._statements.fetch(_make_span_query(shape), shown)
            return
        # No small entry has more parts than that.
        make_query = _make_whole_query if max_changes >= _MAX_SMALL else _make_parts_query
        for revisions in in_batches(small):
            shown = {**about, "revisions": revisions, "max_changes": max_changes}
            yield from self._statements.fetch(make_query(shape), shown)

    def _read_page(
        self, entries: Sequence[AnyRow], parts: Mapping[int, list[AnyRow]], max_bytes: int | None
    ) -> list[LogEntry]:
        shown = [(entry, parts[entry.revision]) for entry in entries]
        if max_bytes is not None:
            sizes = iter(self._rows.measure([row for _, rows in shown for row in rows]))
            of_entries = [{key: size for _ in rows for key, size in next(sizes).items()} for _, rows in shown]
            shown = shown[: cut(of_entries, max_bytes)]
        changes = iter(self._rows.read_changes([row for _, rows in shown for row in rows]))
        return [read_entry(entry, [next(changes) for _ in rows]) for entry, rows in shown]


def read_conditions(change: LoggedChange) -> Conditions:
    """Return the conditions of a rule that a change of the log has deleted."""
    pairs = (change.before or {}).get("feature_values", ())
    return dict(cast("Iterable[tuple[str, str]]", pairs))


def _clip_cursor(before_revision: int | None) -> int:
    return MAX_BIG_KEY if before_revision is None else clip(before_revision)
