"""The state of the storage in memory at one revision, and the copies that callers get."""

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import takewhile

from heksher.server.storage.json_text import decode_json, decode_json_object, encode_json
from heksher.server.storage.memory_access import MemoryAccess
from heksher.server.storage.memory_proposals import MemoryProposals
from heksher.server.storage.memory_usage import MemoryUsage
from heksher.server.storage.memory_webhooks import MemoryWebhooks
from heksher.server.storage.records import (
    RULE,
    SETTING,
    Fields,
    ForgottenObject,
    LastChange,
    LogEntry,
    LoggedChange,
    RuleKey,
    RuleRecord,
    SettingRecord,
)

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

    def describe(self) -> LastChange:
        """Return what is kept of the entry if it is removed."""
        entry, origin = self.entry, self.entry.origin
        action = self.changes[0][0].action
        return LastChange(entry.revision, entry.at, origin.actor, origin.actor_kind, entry.stamp, action)

    def only(self, is_selected: Callable[[RecordedChange], bool]) -> "MemoryEntry":
        """Return the entry with only some of its changes."""
        return MemoryEntry(self.entry, tuple(filter(is_selected, self.changes)))

    def show(self, max_changes: int) -> LogEntry:
        """Return the log entry with a copy of its first changes."""
        changes = self.changes[: max(max_changes, 1)]
        return dataclasses.replace(self.entry, changes=tuple(copy_change(*recorded) for recorded in changes))


@dataclass(slots=True)
class MemoryState:
    """Everything that is stored.

    Attributes:
        names: the canonical name for each name and alias.
        settings: the settings by canonical name.
        setting_ids: the numbers of settings by canonical name.
        rules: the rules by id, ascending.
        rule_ids: the ids of rules by canonical name of the setting and conditions.
        last_changes: the newest change of each object that is in the log, by kind and key.
        kept_changes: of removed entries, those that were the last change of an object, by revision.
        forgotten: the settings and rules whose newest change was their deletion by a removed entry, by kind and key.
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
    access: MemoryAccess = field(default_factory=MemoryAccess)
    webhooks: MemoryWebhooks = field(default_factory=MemoryWebhooks)
    proposals: MemoryProposals = field(default_factory=MemoryProposals)
    usage: MemoryUsage = field(default_factory=MemoryUsage)
    log: list[MemoryEntry] = field(default_factory=list)
    last_changes: dict[tuple[str, str], RecordedChange] = field(default_factory=dict)
    kept_changes: dict[int, LastChange] = field(default_factory=dict)
    forgotten: dict[tuple[str, str], ForgottenObject] = field(default_factory=dict)

    @property
    def newest_revision(self) -> int:
        """The revision of the newest entry; 0 if there is none."""
        return self.log[-1].entry.revision if self.log else 0

    def entries_after(self, revision: int) -> list[MemoryEntry]:
        """Return the entries after a revision, ascending."""
        # Revisions have no gaps, so an entry's place in the list is its revision minus that of the first one.
        first = self.log[0].entry.revision if self.log else 1
        return self.log[max(revision - first + 1, 0) :]

    def prune(self, before: datetime) -> int:
        """Remove the oldest entries, except for the newest one, and old proposals; return how many entries."""
        self.proposals.prune(before)
        removed = list(takewhile(lambda kept: kept.entry.at < before, self.log[:-1]))
        if removed:
            self.log = self.log[len(removed) :]
            self.last_changes = {
                (change.kind, change.key): (change, id_) for kept in self.log for change, id_ in kept.changes
            }
            self.kept_changes.update({kept.entry.revision: kept.describe() for kept in removed})
            for change, id_ in (recorded for kept in removed for recorded in kept.changes):
                self._forget(change, id_)
        in_use = {setting.revision for setting in self.settings.values()}
        in_use |= {rule.revision for rule in self.rules.values()} | {self.features_revision}
        in_use |= self.access.list_revisions() | {webhook.revision for webhook in self.webhooks.webhooks.values()}
        self.kept_changes = {key: kept for key, kept in self.kept_changes.items() if key in in_use}
        return len(removed)

    def copy(self) -> "MemoryState":
        """Return a copy that may be changed."""
        return dataclasses.replace(
            self,
            names=self.names.copy(),
            settings=self.settings.copy(),
            setting_ids=self.setting_ids.copy(),
            rules=self.rules.copy(),
            rule_ids=self.rule_ids.copy(),
            access=self.access.copy(),
            webhooks=self.webhooks.copy(),
            proposals=self.proposals.copy(),
            usage=self.usage.copy(),
            log=self.log.copy(),
            last_changes=self.last_changes.copy(),
            kept_changes=self.kept_changes.copy(),
            forgotten=self.forgotten.copy(),
        )

    def _forget(self, change: LoggedChange, setting_id: int | None) -> None:
        self.forgotten.pop((change.kind, change.key), None)
        if change.kind in {SETTING, RULE} and change.is_deletion:
            self.forgotten[change.kind, change.key] = ForgottenObject(setting_id, change.action)

    def choose_setting_id(self, name: str, gone: int | None) -> int:
        """Return the number for a setting that is added under a canonical name.

        Args:
            name: the name.
            gone: the number of the setting that this unit of work has deleted under the name; ``None`` if none.
        """
        number = self.find_gone_id(name) if gone is None else gone
        if number is None or number in self.setting_ids.values():
            self.last_setting_id += 1
            return self.last_setting_id
        return number

    def find_gone_id(self, name: str) -> int | None:
        """Return the number of the deleted setting that had this canonical name last; ``None`` if there is none."""
        if last := self.last_changes.get((SETTING, name)):
            return None if last[0].after is not None else last[1]
        forgotten = self.forgotten.get((SETTING, name))
        return None if forgotten is None else forgotten.setting_id

    def sort_rules(self) -> None:
        """Sort the rules by id, after rules were added whose ids may be lower than others."""
        self.rules = dict(sorted(self.rules.items()))

    def find_setting_id(self, name: str) -> int | None:
        """Return the number of the setting that has a name, or else of the one that had it last."""
        canonical = self.names.get(name)
        return self.find_last_id(name) if canonical is None else self.setting_ids[canonical]

    def find_last_id(self, name: str) -> int | None:
        """Return the number of the setting that last had this canonical name according to the log."""
        if last := self.last_changes.get((SETTING, name)):
            return last[1]
        forgotten = self.forgotten.get((SETTING, name))
        return None if forgotten is None else forgotten.setting_id


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


def copy_change(change: LoggedChange, subject: int | None = None) -> LoggedChange:
    """Return a copy that shares nothing mutable, and knows the number of the setting that it is about."""
    before = None if change.before is None else _copy_fields(change.before)
    after = None if change.after is None else _copy_fields(change.after)
    return dataclasses.replace(change, before=before, after=after, subject=subject)


def _copy_fields(fields: Fields) -> Fields:
    return decode_json_object(encode_json(fields))
