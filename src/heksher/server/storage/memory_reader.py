"""Units of reading work on the storage in memory: the methods of a reader."""

from collections.abc import Collection

from heksher.revision_id import RevisionId
from heksher.server.storage.access_records import AccessRecords
from heksher.server.storage.base import (
    RULE,
    Conditions,
    LastChange,
    LogEntry,
    LoggedChange,
    Reader,
    RuleRecord,
    SettingRecord,
)
from heksher.server.storage.memory_state import MemoryState, copy_change, copy_rule, copy_setting, rule_key


class MemoryReader(Reader):
    """A state, as a unit of work reads it."""

    def __init__(self, state: MemoryState) -> None:
        self._state = state

    def revision_id(self) -> RevisionId:
        return self._state.log[-1].entry.revision_id if self._state.log else RevisionId(0)

    def context_features(self) -> tuple[str, ...]:
        return self._state.features

    def features_revision(self) -> int:
        return self._state.features_revision

    def last_change(self, revision: int) -> LastChange | None:
        for kept in self._state.entries_after(revision - 1)[:1]:
            if kept.entry.revision == revision:
                return kept.describe()
        return self._state.kept_changes.get(revision)

    def forgotten_deletion(self, kind: str, key: str) -> str | None:
        forgotten = self._state.forgotten.get((kind, key))
        return None if forgotten is None or (kind, key) in self._state.last_changes else forgotten.action

    def access(self) -> AccessRecords:
        return self._state.access.read()

    def find_setting(self, name: str) -> SettingRecord | None:
        canonical = self._state.names.get(name)
        return None if canonical is None else copy_setting(self._state.settings[canonical])

    def settings(self) -> list[SettingRecord]:
        return [copy_setting(setting) for _, setting in sorted(self._state.settings.items())]

    def rules(self, settings: Collection[str] | None = None) -> list[RuleRecord]:
        wanted = self._state.settings.keys() if settings is None else frozenset(settings)
        return [copy_rule(rule) for rule in self._state.rules.values() if rule.setting in wanted]

    def count_settings(self) -> int:
        return len(self._state.settings)

    def count_rules(self) -> int:
        return len(self._state.rules)

    def find_rule(self, rule_id: int) -> RuleRecord | None:
        rule = self._state.rules.get(rule_id)
        return None if rule is None else copy_rule(rule)

    def find_rule_by_conditions(self, setting: str, conditions: Conditions) -> RuleRecord | None:
        rule_id = self._state.rule_ids.get(rule_key(setting, conditions))
        return None if rule_id is None else self.find_rule(rule_id)

    def log(self, after_revision: int = 0, limit: int = 1000, max_changes: int = 1000) -> list[LogEntry]:
        return [kept.show(max_changes) for kept in self._state.entries_after(after_revision)[: max(limit, 0)]]

    def history(
        self,
        before_revision: int | None = None,
        limit: int = 100,
        max_changes: int = 100,
        *,
        setting: str | None = None,
        rule_id: int | None = None,
    ) -> list[LogEntry]:
        later = [] if before_revision is None else self._state.entries_after(before_revision - 1)
        kept = self._state.log[: len(self._state.log) - len(later)][::-1]
        if setting is not None:
            setting_id = self._state.find_setting_id(setting)
            kept = [] if setting_id is None else [entry.of_setting(setting_id) for entry in kept]
        elif rule_id is not None:
            kept = [entry.of_object(RULE, str(rule_id)) for entry in kept]
        # An entry without changes has none about the requested object.
        return [entry.show(max_changes) for entry in kept if entry.changes][: max(limit, 0)]

    def changes(self, revision: int, first: int = 0, limit: int = 1000) -> list[LoggedChange]:
        start = max(first, 0)
        found = [kept for kept in self._state.entries_after(revision - 1)[:1] if kept.entry.revision == revision]
        return [copy_change(change) for kept in found for change, _ in kept.changes[start : start + max(limit, 0)]]
