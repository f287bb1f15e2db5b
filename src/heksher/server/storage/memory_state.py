"""What the storage in memory holds at one revision, and the copies of it that are handed out."""

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
    """A log entry, and of each of its changes the setting that it is about.

    Attributes:
        entry: without changes; its size is that of the whole entry.
        changes: those that are asked for.
    """

    entry: LogEntry
    changes: tuple[RecordedChange, ...]

    def extend(self, recorded: Sequence[RecordedChange]) -> "MemoryEntry":
        """Return the entry with more changes."""
        changes = (*self.changes, *recorded)
        return MemoryEntry(dataclasses.replace(self.entry, size=len(changes)), changes)

    def of_setting(self, setting_id: int) -> "MemoryEntry":
        """Return the entry with the changes of one setting and its rules alone."""
        return MemoryEntry(self.entry, tuple(recorded for recorded in self.changes if recorded[1] == setting_id))

    def of_object(self, kind: str, key: str) -> "MemoryEntry":
        """Return the entry with the changes of one object alone."""
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
        settings: by canonical name.
        setting_ids: the numbers of settings, by canonical name.
        rules: by id, ascending.
        rule_ids: by canonical name of the setting and conditions.
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
        """Return a copy that can be changed."""
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
        """Put the rules in order after some were added whose ids need not be the highest."""
        self.rules = dict(sorted(self.rules.items()))

    def find_setting_id(self, name: str) -> int | None:
        """Find the number of the setting that has a name, or else of the one that had it last."""
        canonical = self.names.get(name)
        return self.find_last_id(name) if canonical is None else self.setting_ids[canonical]

    def find_last_id(self, name: str) -> int | None:
        """Find the number of the setting that the log had last under a canonical name."""
        last = self.last_changes.get((SETTING, name))
        return None if last is None else last[1]


def rule_key(setting: str, conditions: Conditions) -> RuleKey:
    """Return what no two rules have in common."""
    return setting, frozenset(conditions.items())


def copy_setting(setting: SettingRecord) -> SettingRecord:
    """Return a copy that shares nothing that can be changed."""
    default_value = decode_json(encode_json(setting.default_value))
    return dataclasses.replace(setting, default_value=default_value, metadata=_copy_fields(setting.metadata))


def copy_rule(rule: RuleRecord) -> RuleRecord:
    """Return a copy that shares nothing that can be changed."""
    return dataclasses.replace(
        rule,
        conditions=dict(rule.conditions),
        value=decode_json(encode_json(rule.value)),
        metadata=_copy_fields(rule.metadata),
    )


def copy_change(change: LoggedChange) -> LoggedChange:
    """Return a copy that shares nothing that can be changed."""
    before = None if change.before is None else _copy_fields(change.before)
    after = None if change.after is None else _copy_fields(change.after)
    return dataclasses.replace(change, before=before, after=after)


def _copy_fields(fields: Fields) -> Fields:
    return decode_json_object(encode_json(fields))
