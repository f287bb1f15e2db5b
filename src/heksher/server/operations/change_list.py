"""What was changed: the change log as people read it, newest first, and one entry with all of its changes."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from heksher.server.errors import NotFoundError, NotPermittedError
from heksher.server.json_form import JSONObject
from heksher.server.operations.change_form import ChangeForm, ToldEntry, list_changed_rules, write_head
from heksher.server.operations.rewinding import find_first_since, require_logged
from heksher.server.storage.access_records import PERSON, POLICY, SIGNING_KEY, TOKEN
from heksher.server.storage.base import (
    CONTEXT_FEATURES,
    RULE,
    SETTING,
    LogEntry,
    LoggedChange,
    Reader,
    Selection,
    Storage,
)
from heksher.server.storage.proposal_records import PROPOSAL
from heksher.server.storage.webhook_records import WEBHOOK
from heksher.value_type import shorten

# Whoever may read may read the changes of these. Others are told to admins alone, such as who may do what.
READABLE_KINDS: Final = frozenset({CONTEXT_FEATURES, SETTING, RULE, PROPOSAL, POLICY})
KINDS: Final = READABLE_KINDS | {TOKEN, PERSON, SIGNING_KEY, WEBHOOK}

# How many changes of an entry a list shows.
_MAX_PARTS: Final = 10
# What a page has at most of long values: it ends earlier, then.
_MAX_BYTES: Final = 4 * 1024 * 1024
# The existing management page changes the value of a rule and its metadata in two requests, one right after the other.
_PAIR_SPAN: Final = timedelta(seconds=1)
# How many entries may be between the two, as others write meanwhile.
_PAIR_REACH: Final = 10
_PAIR_FIELDS: Final = ({"value"}, {"metadata"})

# A revision, or a time with a time zone.
Moment = int | datetime


@dataclass(frozen=True, slots=True)
class WantedChanges:
    """Which changes are asked for: those of which all of this holds; ``None`` says nothing.

    Attributes:
        setting: any name of a setting, or a canonical name that a deleted one had; with its rules.
        rule_id: of a rule.
        actor: who made them.
        kind: of the changed objects: one of ``KINDS``.
        after: only what was changed after a revision, or at a time or later.
        before: only what was changed before a revision, or a time.
    """

    setting: str | None = None
    rule_id: int | None = None
    actor: str | None = None
    kind: str | None = None
    after: Moment | None = None
    before: Moment | None = None


class ChangeCursor(NamedTuple):
    """Where a page of changes ends.

    Attributes:
        revision: of the last entry that it has told.
        told: revisions below that one that it has told as well.
    """

    revision: int
    told: frozenset[int] = frozenset()


def list_changes(
    storage: Storage, wanted: WantedChanges, cursor: ChangeCursor | None, limit: int, *, is_admin: bool
) -> tuple[list[JSONObject], ChangeCursor | None]:
    """Return a page of the change log, newest first, and the cursor of the next one; ``None`` if there is none.

    A page can have fewer entries than its limit, where they are large.

    Args:
        storage: has the log.
        wanted: what is asked for.
        cursor: of the page before; ``None`` for the first one.
        limit: how many entries the page has at most.
        is_admin: whether who asks may know all.

    Raises:
        NotPermittedError: who asks may not know of changes of this kind.
    """
    kinds = _find_kinds(wanted.kind, is_admin=is_admin)

    def work(reader: Reader) -> tuple[list[JSONObject], ChangeCursor | None]:
        selection = Selection(_find_after(reader, wanted.after), wanted.setting, wanted.rule_id, wanted.actor, kinds)
        before = _find_before(reader, wanted.before)
        if cursor is not None:
            before = cursor.revision if before is None else min(before, cursor.revision)
        entries = reader.select(selection, before, limit + _PAIR_REACH, _MAX_PARTS, _MAX_BYTES)
        told, end = _combine(entries, limit, frozenset() if cursor is None else cursor.told)
        if end is not None and all(entry.revision >= end.revision or entry.revision in end.told for entry in entries):
            end = end if reader.select(selection, entries[-1].revision, 1, 1, 0) else None
        form = ChangeForm(reader, list_changed_rules(change for each in told for change in each.changes))
        return [form.write_entry(each) for each in told], end

    return storage.read(work)


def get_entry(
    storage: Storage, revision: int, first: int, limit: int, *, is_admin: bool
) -> tuple[JSONObject, int | None]:
    """Return one entry with a page of its changes, and the number of the first change of the next page, if any.

    Args:
        storage: has the log.
        revision: of the entry.
        first: the number of the first change to return.
        limit: how many to return at most.
        is_admin: whether who asks may know all.

    Raises:
        NotFoundError: there is no such entry yet.
        PrunedError: it is not in the log any more.
        NotPermittedError: who asks may not know of it.
    """

    def work(reader: Reader) -> tuple[JSONObject, int | None]:
        entry = find_entry(reader, revision)
        changes = reader.changes(revision, first, limit, _MAX_BYTES)
        shown = [change for change in changes if is_admin or change.kind in READABLE_KINDS]
        if changes and not shown:
            raise _refuse_kind(changes[0].kind)
        head = write_head(ToldEntry(entry, entry.changes, entry.size))
        form = ChangeForm(reader, list_changed_rules(shown))
        end = first + len(changes)
        return {**head, "parts": [form.write_change(change) for change in shown]}, end if end < entry.size else None

    return storage.read(work)


def find_entry(reader: Reader, revision: int) -> LogEntry:
    """Return an entry of the log with its first change.

    Raises:
        NotFoundError: there is no such entry yet.
        PrunedError: it is not in the log any more.
    """
    require_logged(reader, revision)
    (entry,) = reader.log(revision - 1, 1, 1)
    return entry


def find_told(reader: Reader, revision: int) -> ToldEntry:
    """Return an entry as lists tell it: with another one, where both are one change to whoever made them.

    Raises:
        NotFoundError: there is no such entry yet.
        PrunedError: it is not in the log any more.
    """
    require_logged(reader, revision)
    near = reader.select(Selection(), revision + _PAIR_REACH + 1, 2 * _PAIR_REACH + 1, 1)
    told, _ = _combine(near, len(near), ())
    found = next((each for each in told if revision in {each.entry.revision, *each.merged}), None)
    if found is None:
        # A reader of a picture knows the newest revision of that, and asks the database for the log: one that has lost
        # changes since, or from which they were removed meanwhile.
        raise NotFoundError(f"there is no revision {revision} in the change log any more", "revision")
    return found


def _find_kinds(kind: str | None, *, is_admin: bool) -> Collection[str] | None:
    if kind is None:
        return None if is_admin else READABLE_KINDS
    if not is_admin and kind not in READABLE_KINDS:
        raise _refuse_kind(kind)
    return (kind,)


def _refuse_kind(kind: str) -> NotPermittedError:
    return NotPermittedError(f"changes of the kind {shorten(repr(kind))} are shown to admins alone")


def _find_after(reader: Reader, moment: Moment | None) -> int:
    if moment is None:
        return 0
    return find_first_since(reader, moment) - 1 if isinstance(moment, datetime) else moment


def _find_before(reader: Reader, moment: Moment | None) -> int | None:
    return find_first_since(reader, moment) if isinstance(moment, datetime) else moment


def _combine(
    entries: Sequence[LogEntry], limit: int, told: Iterable[int]
) -> tuple[list[ToldEntry], ChangeCursor | None]:
    """Return what some entries are told as, and where that ends; ``None`` if there are none."""
    combined: list[ToldEntry] = []
    done, end = set(told), None
    for number, entry in enumerate(entries):
        if len(combined) == limit:
            break
        end = entry.revision
        if entry.revision in done:
            continue
        near = entries[number + 1 : number + 1 + _PAIR_REACH]
        other = next((each for each in near if each.revision not in done and _are_pair(entry, each)), None)
        if other is None:
            combined.append(ToldEntry(entry, entry.changes, entry.size))
        else:
            done.add(other.revision)
            combined.append(_merge(entry, other))
    if end is None:
        return combined, None
    return combined, ChangeCursor(end, frozenset(revision for revision in done if revision < end))


def _are_pair(newer: LogEntry, older: LogEntry) -> bool:
    """Return whether two entries are a change of value and one of metadata that somebody made as one."""
    is_of_nobody = not newer.origin.actor and not older.origin.actor
    if not is_of_nobody or newer.size != 1 or older.size != 1 or newer.at - older.at > _PAIR_SPAN:
        return False
    fields = [_list_fields(newer.change), _list_fields(older.change)]
    return newer.change.key == older.change.key and sorted(map(sorted, fields)) == sorted(map(sorted, _PAIR_FIELDS))


def _list_fields(change: LoggedChange) -> set[str]:
    """Return the fields of a rule that a change of it has changed; none for other changes."""
    is_changed_rule = change.kind == RULE and change.before is not None and change.after is not None
    return set(change.after or ()) if is_changed_rule else set()


def _merge(newer: LogEntry, older: LogEntry) -> ToldEntry:
    value = next(entry.change for entry in (newer, older) if _list_fields(entry.change) == {"value"})
    changes = (older.change, newer.change)
    before = {name: field for change in changes for name, field in (change.before or {}).items()}
    after = {name: field for change in changes for name, field in (change.after or {}).items()}
    return ToldEntry(newer, (replace(value, before=before, after=after),), 1, (older.revision,))
