"""The change log of the storage in memory, read backwards, by what its changes are about."""

from collections import Counter
from collections.abc import Collection, Mapping
from typing import Any, cast

from heksher.server.storage.log_text import cut, write_fields
from heksher.server.storage.memory_state import MemoryState, RecordedChange, copy_change
from heksher.server.storage.records import MAX_SUBJECTS, RULE, Conditions, LogEntry, LoggedChange, Selection


def select_entries(
    state: MemoryState,
    selection: Selection,
    before_revision: int | None,
    limit: int,
    max_changes: int,
    max_bytes: int | None,
) -> list[LogEntry]:
    """Return log entries with the changes that are selected, newest first, as ``Reader.select`` does."""
    later = [] if before_revision is None else state.entries_after(before_revision - 1)
    kept = state.log[: len(state.log) - len(later)][::-1]
    subjects = _find_subjects(state, selection)
    selected = [
        entry.only(lambda recorded: _is_about(recorded, selection, subjects))
        for entry in kept
        if entry.entry.revision > selection.after_revision and selection.actor in {None, entry.entry.origin.actor}
    ]
    # An entry without changes has none that are selected.
    entries = [entry.show(max_changes) for entry in selected if entry.changes][: max(limit, 0)]
    return entries[: cut([_measure(*entry.changes) for entry in entries], max_bytes)]


def list_changes(
    state: MemoryState, revision: int, first: int, limit: int, max_bytes: int | None
) -> list[LoggedChange]:
    """Return the changes of one log entry, as ``Reader.changes`` does."""
    start = max(first, 0)
    found = [kept for kept in state.entries_after(revision - 1)[:1] if kept.entry.revision == revision]
    changes = [recorded for kept in found for recorded in kept.changes[start : start + max(limit, 0)]]
    shown = changes[: cut([_measure(change) for change, _ in changes], max_bytes)]
    return [copy_change(*recorded) for recorded in shown]


def list_changed_subjects(
    state: MemoryState, after_revision: int, until_revision: int, after_subject: int, max_changes: int
) -> list[int]:
    """Return the numbers of changed settings, as ``Reader.changed_subjects`` does."""
    counts = Counter(
        number
        for kept in state.entries_after(after_revision)
        if kept.entry.revision <= until_revision
        for _, number in kept.changes
        if number is not None and number > after_subject
    )
    subjects = sorted(counts)[:MAX_SUBJECTS]
    return subjects[: cut([{str(number): counts[number]} for number in subjects], max_changes)]


def find_conditions(state: MemoryState, rule_ids: Collection[int]) -> dict[int, Conditions]:
    """Return the conditions of rules that there are or were, as ``Reader.find_conditions`` does."""
    keys = {str(rule_id): rule_id for rule_id in rule_ids}
    found: dict[int, Conditions] = {}
    for change, _ in (recorded for kept in state.log for recorded in kept.changes):
        if change.kind == RULE and change.key in keys and change.is_deletion:
            found[keys[change.key]] = dict(cast("Any", (change.before or {}).get("feature_values", ())))
    there = {rule_id: dict(state.rules[rule_id].conditions) for rule_id in rule_ids if rule_id in state.rules}
    return {**found, **there}


def _find_subjects(state: MemoryState, selection: Selection) -> Collection[int] | None:
    if selection.setting is None:
        return selection.subjects
    found = state.find_setting_id(selection.setting)
    is_wanted = found is not None and (selection.subjects is None or found in selection.subjects)
    return [found] if found is not None and is_wanted else []


def _is_about(recorded: RecordedChange, selection: Selection, subjects: Collection[int] | None) -> bool:
    change, number = recorded
    is_rule = selection.rule_id is None or (change.kind, change.key) == (RULE, str(selection.rule_id))
    is_kind = selection.kinds is None or change.kind in selection.kinds
    return is_rule and is_kind and (subjects is None or number in subjects)


def _measure(*changes: LoggedChange) -> Mapping[str, int]:
    """Return the sizes of the long values of some changes, by their digests."""
    long_values: dict[str, str] = {}
    for change in changes:
        write_fields(change.before, long_values)
        write_fields(change.after, long_values)
    return {digest: len(text) for digest, text in long_values.items()}
