"""A storage in memory: for tests and demonstrations, and as the reference that other storages are compared with.

A published state is never changed, so a reader keeps the state that was current when it started. A writer works on a
copy, which replaces the state if the unit of work may be stored. JSON is copied on the way in and out, so no caller can
change what is stored. ``close`` and ``open`` keep the data; it is lost when the process ends.
"""

import dataclasses
import threading
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TypeVar

from heksher.revision_id import RevisionId
from heksher.server.storage.access_records import AccessRecords, PersonRecord, TokenRecord
from heksher.server.storage.base import (
    NOBODY,
    RULE,
    SETTING,
    Conditions,
    Expectation,
    LastChange,
    LogEntry,
    LoggedChange,
    Origin,
    Reader,
    RuleRecord,
    SettingRecord,
    Storage,
    Writer,
    Written,
)
from heksher.server.storage.ceilings import Counts
from heksher.server.storage.memory_state import (
    MemoryEntry,
    MemoryState,
    copy_change,
    copy_rule,
    copy_setting,
    rule_key,
)
from heksher.server.storage.records import MAX_HANDED_CHANGES
from heksher.server.storage.stamp import make_stamp
from heksher.server.storage.storage_errors import ContractError, StorageUnavailableError
from heksher.server.storage.unit import (
    UnitOfWork,
    require_expected,
    require_new_ids,
    require_same_rule,
    require_storable,
)
from heksher.value_type import JSON

T = TypeVar("T")


class MemoryStorage(Storage):
    """A storage in memory.

    Args:
        now: returns the time for log entries, in any time zone.
        stamp: returns the stamps for log entries.
    """

    def __init__(
        self, now: Callable[[], datetime] = lambda: datetime.now(UTC), stamp: Callable[[], str] = make_stamp
    ) -> None:
        self._now = now
        self._stamp = stamp
        # Serializes writers. Readers need no lock: they take one reference.
        self._write_lock = threading.Lock()
        self._state = MemoryState()
        self._is_open = False

    def open(self) -> None:
        self._is_open = True

    def close(self) -> None:
        self._is_open = False

    def check(self) -> None:
        if not self._is_open:
            raise StorageUnavailableError("the storage in memory is not open: call open() first")

    def read(self, work: Callable[[Reader], T]) -> T:
        self.check()
        return work(_MemoryReader(self._state))

    def write(
        self, work: Callable[[Writer], T], origin: Origin = NOBODY, expected: Expectation | None = None
    ) -> Written[T]:
        with self._write_lock:
            self.check()
            unit = UnitOfWork(self.ceilings)
            draft = self._state.copy()
            empty_entry = LogEntry(
                draft.newest_revision + 1, self._now().astimezone(UTC), origin, self._stamp(), size=0, changes=()
            )
            writer = _MemoryWriter(draft, unit, empty_entry)
            require_expected(writer, expected)
            result = work(writer)
            if not unit.is_to_store():
                return Written(result, *_MemoryReader(self._state).revision_id())
            self._state = draft
            entry = draft.log[-1].show(MAX_HANDED_CHANGES)
            previous = draft.log[-2].entry.stamp if len(draft.log) > 1 else None
            return Written(result, *entry.revision_id, entry if entry.is_whole else None, previous)

    def note_token_uses(self, uses: Mapping[str, datetime]) -> None:
        with self._write_lock:
            self.check()
            draft = self._state.copy()
            draft.access.note_uses(uses)
            self._state = draft

    def prune(self, before: datetime) -> int:
        with self._write_lock:
            self.check()
            draft = self._state.copy()
            removed = draft.prune(before)
            self._state = draft
            return removed


class _MemoryReader(Reader):
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


class _MemoryWriter(_MemoryReader, Writer):
    def __init__(self, draft: MemoryState, unit: UnitOfWork, empty_entry: LogEntry) -> None:
        super().__init__(draft)
        self._unit = unit
        self._entry = empty_entry
        # The numbers of the settings that this unit has deleted, by name.
        self._gone: dict[str, int] = {}

    def set_context_features(self, features: Sequence[str]) -> None:
        with self._unit.change():
            if len(set(features)) < len(features):
                raise ContractError(f"a context feature stands twice in {list(features)}")
            for setting in self._state.settings.values():
                _check_features(setting, features)
            self._state.features = tuple(features)
            self._state.features_revision = self._entry.revision

    def require_room(self, *, settings: int = 0, rules: int = 0) -> None:
        self._unit.room.take(self, Counts(settings, rules))

    def add_setting(self, setting: SettingRecord) -> None:
        with self._unit.change():
            self._put_setting(setting, self._choose_setting_id(setting.name))

    def replace_setting(self, name: str, setting: SettingRecord) -> None:
        with self._unit.change():
            self._put_setting(setting, self._take_setting(name))
            if setting.name != name:
                self._move_rules(name, setting.name)

    def delete_setting(self, name: str) -> None:
        with self._unit.change():
            self._gone[name] = self._take_setting(name)
            for rule in [rule for rule in self._state.rules.values() if rule.setting == name]:
                self._drop_rule(rule)

    def add_rule(
        self,
        setting: str,
        conditions: Conditions,
        value: JSON,
        metadata: Mapping[str, JSON],
        rule_id: int | None = None,
    ) -> RuleRecord:
        with self._unit.change():
            new_id = self._state.last_rule_id + 1 if rule_id is None else rule_id
            rule = RuleRecord(new_id, setting, dict(conditions), value, metadata)
            self._check_new_rule(rule)
            if rule_id is None:
                self._state.last_rule_id = new_id
            else:
                last = self._state.last_changes.get((RULE, str(rule_id)))
                require_same_rule(rule_id, self._state.setting_ids[setting], conditions, last)
            self._put_rule(rule)
            if rule_id is not None:
                self._state.sort_rules()
            return copy_rule(self._state.rules[new_id])

    def replace_rule(self, rule: RuleRecord) -> None:
        with self._unit.change():
            if self._state.rule_ids.get(rule_key(rule.setting, rule.conditions)) != rule.rule_id:
                raise ContractError(
                    f"there is no rule {rule.rule_id} of setting {rule.setting!r} with the conditions"
                    f" {dict(rule.conditions)}"
                )
            self._put_rule(rule)

    def delete_rule(self, rule_id: int) -> None:
        with self._unit.change():
            if rule_id not in self._state.rules:
                raise ContractError(f"there is no rule {rule_id} to delete")
            self._drop_rule(self._state.rules[rule_id])

    def load(self, settings: Collection[SettingRecord], rules: Collection[RuleRecord], next_rule_id: int) -> None:
        with self._unit.change():
            rule_ids = [rule.rule_id for rule in rules]
            require_new_ids(rule_ids, self._state.last_rule_id, next_rule_id, self._is_logged)
            for setting in settings:
                self._put_setting(setting, self._choose_setting_id(setting.name))
            for rule in rules:
                self._check_new_rule(rule)
                self._put_rule(rule)
            self._state.last_rule_id = max(self._state.last_rule_id, next_rule_id - 1)
            self._state.sort_rules()

    def _is_logged(self, rule_id: int) -> bool:
        key = (RULE, str(rule_id))
        return key in self._state.last_changes or key in self._state.forgotten

    def put_token(self, token: TokenRecord) -> None:
        with self._unit.change():
            self._state.access.put_token(token, self._entry.revision)

    def remove_token(self, name: str) -> None:
        with self._unit.change():
            self._state.access.remove_token(name)

    def put_person(self, person: PersonRecord) -> None:
        with self._unit.change():
            self._state.access.put_person(person, self._entry.revision)

    def remove_person(self, name: str) -> None:
        with self._unit.change():
            self._state.access.remove_person(name)

    def set_signing_key(self, key: str) -> None:
        with self._unit.change():
            self._state.access.set_signing_key(key)

    def record_all(self, changes: Iterable[LoggedChange]) -> None:
        with self._unit.record():
            recorded = [(copy_change(change), self._find_subject(change)) for change in changes]
            if not recorded:
                return
            if not self._unit.has_record:
                self._state.log.append(MemoryEntry(self._entry, ()))
            self._state.log[-1] = self._state.log[-1].extend(recorded)
            self._state.last_changes.update({(change.kind, change.key): (change, id_) for change, id_ in recorded})
            self._unit.note_record()

    def _find_subject(self, change: LoggedChange) -> int | None:
        """Return the number of the setting that a change is about, after checking that the change can be stored."""
        require_storable(change)
        if change.kind not in {SETTING, RULE}:
            return None
        name = change.key if change.kind == SETTING else change.setting
        if name in self._state.setting_ids:
            return self._state.setting_ids[name]
        return self._gone.get(name, self._state.find_last_id(name))

    def _choose_setting_id(self, name: str) -> int:
        setting_id = self._gone.get(name)
        if setting_id is None:
            setting_id = self._state.find_gone_id(name)
        if setting_id is None or setting_id in self._state.setting_ids.values():
            self._state.last_setting_id += 1
            return self._state.last_setting_id
        return setting_id

    def _put_setting(self, setting: SettingRecord, setting_id: int) -> None:
        _check_features(setting, self._state.features)
        for name in (setting.name, *setting.aliases):
            if name in self._state.names:
                raise ContractError(f"the name {name!r} already belongs to setting {self._state.names[name]!r}")
            self._state.names[name] = setting.name
        dated = dataclasses.replace(setting, revision=self._entry.revision)
        self._state.settings[setting.name] = copy_setting(dated)
        self._state.setting_ids[setting.name] = setting_id

    def _take_setting(self, name: str) -> int:
        if name not in self._state.settings:
            raise ContractError(f"there is no setting with the canonical name {name!r}")
        setting = self._state.settings.pop(name)
        for owned in (setting.name, *setting.aliases):
            del self._state.names[owned]
        return self._state.setting_ids.pop(name)

    def _move_rules(self, old_name: str, new_name: str) -> None:
        for rule in [rule for rule in self._state.rules.values() if rule.setting == old_name]:
            del self._state.rule_ids[rule_key(old_name, rule.conditions)]
            self._state.rules[rule.rule_id] = dataclasses.replace(rule, setting=new_name)
            self._state.rule_ids[rule_key(new_name, rule.conditions)] = rule.rule_id

    def _check_new_rule(self, rule: RuleRecord) -> None:
        if rule.setting not in self._state.settings:
            raise ContractError(f"there is no setting with the canonical name {rule.setting!r} to add a rule to")
        if rule_key(rule.setting, rule.conditions) in self._state.rule_ids:
            conditions = dict(rule.conditions)
            raise ContractError(f"setting {rule.setting!r} already has a rule with the conditions {conditions}")
        if rule.rule_id in self._state.rules:
            raise ContractError(f"there is a rule with the id {rule.rule_id} already")

    def _put_rule(self, rule: RuleRecord) -> None:
        dated = dataclasses.replace(rule, revision=self._entry.revision)
        self._state.rules[rule.rule_id] = copy_rule(dated)
        self._state.rule_ids[rule_key(rule.setting, rule.conditions)] = rule.rule_id

    def _drop_rule(self, rule: RuleRecord) -> None:
        del self._state.rules[rule.rule_id]
        del self._state.rule_ids[rule_key(rule.setting, rule.conditions)]


def _check_features(setting: SettingRecord, features: Collection[str]) -> None:
    if missing := setting.configurable_features.difference(features):
        raise ContractError(
            f"setting {setting.name!r} is configurable by {sorted(missing)}, not in the list of context features"
        )
