"""A storage in memory: for tests and demonstrations, and the oracle that other storages are compared with.

A reader holds the state that was current when it came, and a published state is never changed: a writer works on a
copy that takes the state's place if the unit of work may be stored. JSON is copied on the way in and on the way out, so
no caller can change what is stored. ``close`` and ``open`` keep the data; the end of the process does not.
"""

import dataclasses
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TypeVar

from heksher.server.storage.base import (
    NOBODY,
    Conditions,
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
from heksher.server.storage.json_text import decode_json, decode_json_object, encode_json
from heksher.server.storage.storage_errors import ContractError, StorageUnavailableError
from heksher.server.storage.unit import UnitOfWork
from heksher.value_type import JSON

T = TypeVar("T")
_RuleKey = tuple[str, frozenset[tuple[str, str]]]


@dataclass(slots=True)
class _State:
    """Everything that is stored.

    Attributes:
        names: the canonical name for each name and alias.
        settings: by canonical name.
        rules: by id, ascending, because ids only grow.
        rule_ids: by canonical name of the setting and conditions.
    """

    features: tuple[str, ...] = ()
    names: dict[str, str] = field(default_factory=dict)
    settings: dict[str, SettingRecord] = field(default_factory=dict)
    rules: dict[int, RuleRecord] = field(default_factory=dict)
    rule_ids: dict[_RuleKey, int] = field(default_factory=dict)
    last_rule_id: int = 0
    log: list[LogEntry] = field(default_factory=list)

    def copy(self) -> "_State":
        return _State(
            features=self.features,
            names=self.names.copy(),
            settings=self.settings.copy(),
            rules=self.rules.copy(),
            rule_ids=self.rule_ids.copy(),
            last_rule_id=self.last_rule_id,
            log=self.log.copy(),
        )


class MemoryStorage(Storage):
    """A storage in memory.

    Args:
        now: gives the time that log entries carry, in any time zone.
    """

    def __init__(self, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._now = now
        # Guards _state against two writers at once. Readers need no lock: they take one reference.
        self._write_lock = threading.Lock()
        self._state = _State()
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

    def write(self, work: Callable[[Writer], T], origin: Origin = NOBODY) -> Written[T]:
        with self._write_lock:
            self.check()
            unit = UnitOfWork()
            draft = self._state.copy()
            result = work(_MemoryWriter(draft, unit, origin, self._now))
            if unit.is_to_store():
                self._state = draft
            return Written(result, len(self._state.log))


class _MemoryReader(Reader):
    def __init__(self, state: _State) -> None:
        self._state = state

    def revision(self) -> int:
        return len(self._state.log)

    def context_features(self) -> tuple[str, ...]:
        return self._state.features

    def find_setting(self, name: str) -> SettingRecord | None:
        canonical = self._state.names.get(name)
        return None if canonical is None else _copy_setting(self._state.settings[canonical])

    def settings(self) -> list[SettingRecord]:
        return [_copy_setting(setting) for _, setting in sorted(self._state.settings.items())]

    def rules(self, settings: Collection[str] | None = None) -> list[RuleRecord]:
        wanted = self._state.settings.keys() if settings is None else frozenset(settings)
        return [_copy_rule(rule) for rule in self._state.rules.values() if rule.setting in wanted]

    def find_rule(self, rule_id: int) -> RuleRecord | None:
        rule = self._state.rules.get(rule_id)
        return None if rule is None else _copy_rule(rule)

    def find_rule_by_conditions(self, setting: str, conditions: Conditions) -> RuleRecord | None:
        rule_id = self._state.rule_ids.get(_rule_key(setting, conditions))
        return None if rule_id is None else self.find_rule(rule_id)

    def log(self, after_revision: int = 0, limit: int = 1000) -> list[LogEntry]:
        # Revisions are the numbers from one on, so an entry's place in the list is its revision less one.
        start = max(after_revision, 0)
        return [_copy_entry(entry) for entry in self._state.log[start : start + max(limit, 0)]]


class _MemoryWriter(_MemoryReader, Writer):
    def __init__(self, draft: _State, unit: UnitOfWork, origin: Origin, now: Callable[[], datetime]) -> None:
        super().__init__(draft)
        self._unit = unit
        self._origin = origin
        self._now = now

    def set_context_features(self, features: Sequence[str]) -> None:
        with self._unit.change():
            if len(set(features)) < len(features):
                raise ContractError(f"a context feature stands twice in {list(features)}")
            for setting in self._state.settings.values():
                _check_features(setting, features)
            self._state.features = tuple(features)

    def add_setting(self, setting: SettingRecord) -> None:
        with self._unit.change():
            self._put_setting(setting)

    def replace_setting(self, name: str, setting: SettingRecord) -> None:
        with self._unit.change():
            self._take_setting(name)
            self._put_setting(setting)
            if setting.name != name:
                self._move_rules(name, setting.name)

    def delete_setting(self, name: str) -> None:
        with self._unit.change():
            self._take_setting(name)
            for rule in [rule for rule in self._state.rules.values() if rule.setting == name]:
                self._drop_rule(rule)

    def add_rule(self, setting: str, conditions: Conditions, value: JSON, metadata: Mapping[str, JSON]) -> RuleRecord:
        with self._unit.change():
            if setting not in self._state.settings:
                raise ContractError(f"there is no setting with the canonical name {setting!r} to add a rule to")
            if _rule_key(setting, conditions) in self._state.rule_ids:
                raise ContractError(f"setting {setting!r} already has a rule with the conditions {dict(conditions)}")
            rule = RuleRecord(self._state.last_rule_id + 1, setting, dict(conditions), value, metadata)
            self._put_rule(_copy_rule(rule))
            self._state.last_rule_id = rule.rule_id
            return _copy_rule(rule)

    def replace_rule(self, rule: RuleRecord) -> None:
        with self._unit.change():
            if self._state.rule_ids.get(_rule_key(rule.setting, rule.conditions)) != rule.rule_id:
                raise ContractError(
                    f"there is no rule {rule.rule_id} of setting {rule.setting!r} with the conditions"
                    f" {dict(rule.conditions)}"
                )
            self._put_rule(_copy_rule(rule))

    def delete_rule(self, rule_id: int) -> None:
        with self._unit.change():
            if rule_id not in self._state.rules:
                raise ContractError(f"there is no rule {rule_id} to delete")
            self._drop_rule(self._state.rules[rule_id])

    def record(self, change: LoggedChange) -> None:
        with self._unit.record():
            self._state.log.append(
                _copy_entry(LogEntry(self.revision() + 1, self._now().astimezone(UTC), self._origin, change))
            )

    def _put_setting(self, setting: SettingRecord) -> None:
        _check_features(setting, self._state.features)
        for name in (setting.name, *setting.aliases):
            if name in self._state.names:
                raise ContractError(f"the name {name!r} already belongs to setting {self._state.names[name]!r}")
            self._state.names[name] = setting.name
        self._state.settings[setting.name] = _copy_setting(setting)

    def _take_setting(self, name: str) -> None:
        if name not in self._state.settings:
            raise ContractError(f"there is no setting with the canonical name {name!r}")
        setting = self._state.settings.pop(name)
        for owned in (setting.name, *setting.aliases):
            del self._state.names[owned]

    def _move_rules(self, old_name: str, new_name: str) -> None:
        for rule in [rule for rule in self._state.rules.values() if rule.setting == old_name]:
            del self._state.rule_ids[_rule_key(old_name, rule.conditions)]
            self._put_rule(dataclasses.replace(rule, setting=new_name))

    def _put_rule(self, rule: RuleRecord) -> None:
        self._state.rules[rule.rule_id] = rule
        self._state.rule_ids[_rule_key(rule.setting, rule.conditions)] = rule.rule_id

    def _drop_rule(self, rule: RuleRecord) -> None:
        del self._state.rules[rule.rule_id]
        del self._state.rule_ids[_rule_key(rule.setting, rule.conditions)]


def _check_features(setting: SettingRecord, features: Collection[str]) -> None:
    if missing := setting.configurable_features.difference(features):
        raise ContractError(
            f"setting {setting.name!r} is configurable by {sorted(missing)}, not in the list of context features"
        )


def _rule_key(setting: str, conditions: Conditions) -> _RuleKey:
    return setting, frozenset(conditions.items())


def _copy_json(value: JSON) -> JSON:
    return decode_json(encode_json(value))


def _copy_metadata(metadata: Mapping[str, JSON]) -> dict[str, JSON]:
    return decode_json_object(encode_json(metadata))


def _copy_setting(setting: SettingRecord) -> SettingRecord:
    return dataclasses.replace(
        setting, default_value=_copy_json(setting.default_value), metadata=_copy_metadata(setting.metadata)
    )


def _copy_rule(rule: RuleRecord) -> RuleRecord:
    return dataclasses.replace(
        rule,
        conditions=dict(rule.conditions),
        value=_copy_json(rule.value),
        metadata=_copy_metadata(rule.metadata),
    )


def _copy_entry(entry: LogEntry) -> LogEntry:
    change = entry.change
    copied = dataclasses.replace(change, before=_copy_json(change.before), after=_copy_json(change.after))
    return dataclasses.replace(entry, change=copied)
