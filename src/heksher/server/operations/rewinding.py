"""Leads what is there now back to what was there at an earlier revision, by what the change log has of before.

So what is older than the oldest entry of the log cannot be seen, and nothing has to be kept for what is not looked at.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import datetime
from typing import Final, cast

from heksher.server.errors import NotFoundError, PrunedError
from heksher.server.json_form import rule_from_json, setting_from_json, update_rule, update_setting
from heksher.server.storage.base import (
    CONTEXT_FEATURES,
    SETTING,
    LogEntry,
    LoggedChange,
    Reader,
    RuleRecord,
    Selection,
    SettingRecord,
)

# Entries are read in pages, so that no more of them are in memory than are being undone.
_PAGE_ENTRIES: Final = 1000
_PAGE_BYTES: Final = 16 * 1024 * 1024
_ALL_CHANGES: Final = 2**31 - 1


class PastSetting:
    """A setting with its rules at some revision, on the way to earlier ones.

    Args:
        setting: the setting as it is now; ``None`` if there is none.
        rules: its rules.

    Attributes:
        setting: as it was; ``None`` if there was none.
        rules: as they were, by id.
    """

    def __init__(self, setting: SettingRecord | None, rules: Iterable[RuleRecord]) -> None:
        self.setting = setting
        self.rules: dict[int, RuleRecord] = {rule.rule_id: rule for rule in rules}

    def undo(self, change: LoggedChange) -> None:
        """Take a change back: the newest one of the setting or a rule of it that was not taken back yet.

        Raises:
            LookupError, TypeError, ValueError: the change does not fit, so the log is malformed.
        """
        if change.kind == SETTING:
            self.setting = self._undo_setting(change)
        elif change.before is None:
            del self.rules[int(change.key)]
        elif change.after is None:
            self.rules[int(change.key)] = rule_from_json(int(change.key), change.before)
        else:
            self.rules[int(change.key)] = update_rule(self.rules[int(change.key)], change.before)

    def list_rules(self) -> list[RuleRecord]:
        """Return the rules by ascending id, of the setting under the name that it had."""
        name = "" if self.setting is None else self.setting.name
        return [replace(rule, setting=name) for _, rule in sorted(self.rules.items())]

    def _undo_setting(self, change: LoggedChange) -> SettingRecord | None:
        if change.before is None:
            return None
        if self.setting is None:
            return setting_from_json(change.before)
        return update_setting(self.setting, change.before)


def require_known(reader: Reader, revision: int) -> None:
    """Check that the state at a revision can be seen, which is so if all entries after it are in the log.

    Raises:
        NotFoundError: there is no such revision yet.
        PrunedError: entries after it are not in the log any more.
    """
    _require(reader, revision, first=0, oldest=find_oldest(reader) - 1)


def require_logged(reader: Reader, revision: int) -> None:
    """Check that the log has an entry.

    Raises:
        NotFoundError: there is no such revision yet.
        PrunedError: it is not there any more.
    """
    _require(reader, revision, first=1, oldest=find_oldest(reader))


def _require(reader: Reader, revision: int, first: int, oldest: int) -> None:
    newest = reader.revision()
    if not first <= revision <= newest:
        raise NotFoundError(f"there is no revision {revision}; the newest one is {newest}", "revision")
    if revision < oldest:
        raise PrunedError(
            f"revision {revision} is not known any more: the change log of this service goes back to {oldest}"
            " (HEKSHER_KEEP_HISTORY_DAYS)"
        )


def find_oldest(reader: Reader) -> int:
    """Return the revision of the oldest entry of the log; 1 if there is none."""
    return next((entry.revision for entry in reader.log(limit=1, max_changes=1)), 1)


def find_first_since(reader: Reader, at: datetime) -> int:
    """Return the revision of the first entry that was made at some time or later; above all if there is none.

    Times grow with revisions, as far as the clocks of those who write agree.
    """
    low, high = find_oldest(reader), reader.revision() + 1
    while low < high:
        middle = (low + high) // 2
        (entry,) = reader.log(middle - 1, 1, 1)
        if entry.at < at:
            low = middle + 1
        else:
            high = middle
    return low


def rewind(reader: Reader, name: str, revision: int) -> PastSetting:
    """Return a setting with its rules as they were at a revision that can be seen.

    Args:
        reader: the state that is there now.
        name: any name of the setting, or a canonical name that a deleted one had.
        revision: see ``require_known``.
    """
    present = find_present(reader, name)
    past = PastSetting(present, () if present is None else reader.rules([present.name]))
    for entry in list_backwards(reader, Selection(after_revision=revision, setting=name)):
        for change in reversed(entry.changes):
            past.undo(change)
    return past


def rewind_features(reader: Reader, revision: int) -> tuple[str, ...]:
    """Return the context features in the order that they had at a revision that can be seen."""
    features = reader.context_features()
    for entry in list_backwards(reader, Selection(after_revision=revision, kinds=(CONTEXT_FEATURES,))):
        before = entry.changes[0].before or {}
        features = tuple(cast("list[str]", before["context_features"]))
    return features


def find_present(reader: Reader, name: str) -> SettingRecord | None:
    """Return the setting that is meant by a name, even if it has another one now; ``None`` if it is gone."""
    if setting := reader.find_setting(name):
        return setting
    for entry in reader.select(Selection(setting=name, kinds=(SETTING,)), limit=1, max_changes=_ALL_CHANGES):
        newest = entry.changes[-1]
        return None if newest.after is None else reader.find_setting(newest.key)
    return None


def list_backwards(reader: Reader, selection: Selection, before_revision: int | None = None) -> Iterator[LogEntry]:
    """Yield log entries with all changes that are selected, newest first, reading them in pages."""
    while page := reader.select(selection, before_revision, _PAGE_ENTRIES, _ALL_CHANGES, _PAGE_BYTES):
        yield from page
        before_revision = page[-1].revision
