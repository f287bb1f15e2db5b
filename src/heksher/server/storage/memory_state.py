"""The state of the storage in memory at one revision, and the copies that callers get."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field

from heksher.server.storage.json_text import decode_json, decode_json_object, encode_json
from heksher.server.storage.records import (
    SETTING,
    Conditions,
    Fields,
    LogEntry,
    LoggedChange,
    RuleRecord,
    SettingRecord,
)

RuleKey = tuple[str, frozenset[tuple[str, str]]]
# A change and the number of the setting that it is about; None for other kinds.
RecordedChange = tuple[LoggedChange, int | None]


@dataclass(frozen=True, slots=True)
class MemoryEntry:
    """A log entry, and for each of its changes the number of the setting that it is about.

    Attributes:
        entry: the entry without its changes; its size counts all of them.
        changes: the selected changes.
    """

    entry: LogEntry
    changes: tuple[RecordedChange, ...]

    def extend(self, recorded: Sequence[RecordedChange]) -> "MemoryEntry":
        """Return the entry with more changes."""
        changes = (*self.changes, *recorded)
        return MemoryEntry(dataclasses.replace(self.entry, size=len(changes)), changes)

    def of_setting(self, setting_id: int) -> "MemoryEntry":
        """Return the entry with only the changes of one setting and its rules."""
        return MemoryEntry(self.entry, tuple(recorded for recorded in self.changes if recorded[1] == setting_id))

    def of_object(self, kind: str, key: str) -> "MemoryEntry":
        """Return the entry with only the changes of one object."""
        return MemoryEntry(
            self.entry,
            tuple(recorded for recorded in self.changes if (recorded[0].kind, recorded[0].key) == (kind, key)),
        )

    def show(self, max_changes: int) -> LogEntry:
        """Return the log entry with a copy of its first changes."""
        changes = self.changes[: max(max_changes, 1)]
        return dataclasses.replace(self.entry, changes=tuple(copy_change(change) for change, _ in changes))


@dataclass(slots=True)
class MemoryState:
    """Everything that is stored.

    Attributes:
        names: the canonical name for each name and alias.
        settings: the settings by canonical name.
        setting_ids: the numbers of settings by canonical name.
        rules: the rules by id, ascending.
        rule_ids: the ids of rules by canonical name of the setting and conditions.
        last_changes: the newest change of each object, by kind and key.
    """

    features: tuple[str, ...] = ()
    features_revision: int = 0
    names: dict[str, str] = field(default_factory=dict)
    settings: dict[str, SettingRecord] = field(default_factory=dict)
    setting_ids: dict[str, int] = field(default_factory=dict)
    last_setting_id: int = 0
    rules: dict[int, RuleRecord] = field(default_factory=dict)
    rule_ids: dict[RuleKey, int] = field(default_factory=dict)
    last_rule_id: int = 0
    log: list[MemoryEntry] = field(default_factory=list)
    last_changes: dict[tuple[str, str], RecordedChange] = field(default_factory=dict)

    def copy(self) -> "MemoryState":
        """Return a copy that may be changed."""
        return dataclasses.replace(
            self,
            names=self.names.copy(),
            settings=self.settings.copy(),
            setting_ids=self.setting_ids.copy(),
            rules=self.rules.copy(),
            rule_ids=self.rule_ids.copy(),
            log=self.log.copy(),
            last_changes=self.last_changes.copy(),
        )

    def sort_rules(self) -> None:
        """Sort the rules by id, after rules were added whose ids may be lower than others."""
        self.rules = dict(sorted(self.rules.items()))

    def find_setting_id(self, name: str) -> int | None:
        """Return the number of the setting that has a name, or else of the one that had it last."""
        canonical = self.names.get(name)
        return self.find_last_id(name) if canonical is None else self.setting_ids[canonical]

    def find_last_id(self, name: str) -> int | None:
        """Return the number of the setting that last had this canonical name according to the log."""
        last = self.last_changes.get((SETTING, name))
        return None if last is None else last[1]


def rule_key(setting: str, conditions: Conditions) -> RuleKey:
    """Return the key that is unique to a rule."""
    return setting, frozenset(conditions.items())


def copy_setting(setting: SettingRecord) -> SettingRecord:
    """Return a copy that shares nothing mutable."""
    default_value = decode_json(encode_json(setting.default_value))
    return dataclasses.replace(setting, default_value=default_value, metadata=_copy_fields(setting.metadata))


def copy_rule(rule: RuleRecord) -> RuleRecord:
    """Return a copy that shares nothing mutable."""
    return dataclasses.replace(
        rule,
        conditions=dict(rule.conditions),
        value=decode_json(encode_json(rule.value)),
        metadata=_copy_fields(rule.metadata),
    )


def copy_change(change: LoggedChange) -> LoggedChange:
    """Return a copy that shares nothing mutable."""
    before = None if change.before is None else _copy_fields(change.before)
    after = None if change.after is None else _copy_fields(change.after)
    return dataclasses.replace(change, before=before, after=after)


def _copy_fields(fields: Fields) -> Fields:
    return decode_json_object(encode_json(fields))
