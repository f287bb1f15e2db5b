"""Units of writing work on the storage in memory: the methods of a writer."""

import dataclasses
from collections.abc import Collection, Iterable, Mapping, Sequence

from heksher.server.storage.access_records import PersonRecord, PolicyRecord, TokenRecord
from heksher.server.storage.base import (
    RULE,
    SETTING,
    Conditions,
    LogEntry,
    LoggedChange,
    RuleRecord,
    SettingRecord,
    Writer,
)
from heksher.server.storage.ceilings import Counts
from heksher.server.storage.memory_notes import MemoryNotes
from heksher.server.storage.memory_state import MemoryEntry, MemoryState, copy_change, copy_rule, copy_setting
from heksher.server.storage.records import make_rule_key
from heksher.server.storage.storage_errors import ContractError
from heksher.server.storage.unit import UnitOfWork, require_new_ids, require_same_rule, require_storable
from heksher.server.storage.webhook_records import WebhookRecord
from heksher.value_type import JSON


class MemoryWriter(MemoryNotes, Writer):
    """A draft of the next state, as a unit of work changes it.

    Args:
        draft: the draft.
        unit: what the unit of work has done so far.
        empty_entry: the log entry to append, without its changes.
    """

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

    def add_setting(self, setting: SettingRecord, subject: int | None = None) -> None:
        with self._unit.change():
            self._put_setting(setting, self._find_identity(setting.name, subject))

    def replace_setting(self, name: str, setting: SettingRecord) -> None:
        with self._unit.change():
            self._put_setting(setting, self._take_setting(name))
            if setting.name != name:
                self._move_rules(name, setting.name)

    def delete_setting(self, name: str) -> None:
        with self._unit.change():
            self._gone[name] = self._take_setting(name)
            self._state.usage.uses.pop(self._gone[name], None)
            for rule in [rule for rule in self._state.rules.values() if rule.setting == name]:
                self._drop_rule(rule)

    def next_rule_id(self) -> int:
        return self._state.last_rule_id + 1

    def add_rule(
        self,
        setting: str,
        conditions: Conditions,
        value: JSON,
        metadata: Mapping[str, JSON],
        rule_id: int | None = None,
    ) -> RuleRecord:
        with self._unit.change():
            new_id = self.next_rule_id() if rule_id is None else rule_id
            rule = RuleRecord(new_id, setting, dict(conditions), value, metadata)
            if rule_id is None:
                self._check_new_rule(rule)
                self._state.last_rule_id = new_id
                self._put_rule(rule)
            else:
                self.return_rules((rule,))
            return copy_rule(self._state.rules[new_id])

    def return_rules(self, rules: Collection[RuleRecord]) -> None:
        with self._unit.change():
            for rule in rules:
                self._check_new_rule(rule)
                last = self._state.last_changes.get((RULE, str(rule.rule_id)))
                require_same_rule(rule.rule_id, self._state.setting_ids[rule.setting], rule.conditions, last)
                self._put_rule(rule)
            self._state.sort_rules()

    def replace_rule(self, rule: RuleRecord) -> None:
        with self._unit.change():
            if self._state.rule_ids.get(make_rule_key(rule.setting, rule.conditions)) != rule.rule_id:
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
                self._put_setting(setting, self._find_identity(setting.name))
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

    def put_policy(self, policy: PolicyRecord) -> None:
        with self._unit.change():
            self._state.access.put_policy(policy, self._entry.revision)

    def remove_policy(self, prefix: str) -> None:
        with self._unit.change():
            self._state.access.remove_policy(prefix)

    def put_webhook(self, webhook: WebhookRecord) -> None:
        with self._unit.change():
            self._state.webhooks.put_webhook(webhook, self._entry.revision)

    def remove_webhook(self, name: str) -> None:
        with self._unit.change():
            self._state.webhooks.remove_webhook(name)

    def count_changes(self) -> int:
        return self._state.log[-1].entry.size if self._unit.has_record else 0

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

    def _find_identity(self, name: str, number: int | None = None) -> int:
        if number is None:
            return self._state.choose_setting_id(name, self._gone.get(name))
        if not 0 < number <= self._state.last_setting_id or number in self._state.setting_ids.values():
            raise ContractError(f"setting {name!r} cannot come back as number {number}")
        return number

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
            del self._state.rule_ids[make_rule_key(old_name, rule.conditions)]
            self._state.rules[rule.rule_id] = dataclasses.replace(rule, setting=new_name)
            self._state.rule_ids[make_rule_key(new_name, rule.conditions)] = rule.rule_id

    def _check_new_rule(self, rule: RuleRecord) -> None:
        if rule.setting not in self._state.settings:
            raise ContractError(f"there is no setting with the canonical name {rule.setting!r} to add a rule to")
        if make_rule_key(rule.setting, rule.conditions) in self._state.rule_ids:
            conditions = dict(rule.conditions)
            raise ContractError(f"setting {rule.setting!r} already has a rule with the conditions {conditions}")
        if rule.rule_id in self._state.rules:
            raise ContractError(f"there is a rule with the id {rule.rule_id} already")

    def _put_rule(self, rule: RuleRecord) -> None:
        dated = dataclasses.replace(rule, revision=self._entry.revision)
        self._state.rules[rule.rule_id] = copy_rule(dated)
        self._state.rule_ids[make_rule_key(rule.setting, rule.conditions)] = rule.rule_id

    def _drop_rule(self, rule: RuleRecord) -> None:
        del self._state.rules[rule.rule_id]
        del self._state.rule_ids[make_rule_key(rule.setting, rule.conditions)]


def _check_features(setting: SettingRecord, features: Collection[str]) -> None:
    if missing := setting.configurable_features.difference(features):
        raise ContractError(
            f"setting {setting.name!r} is configurable by {sorted(missing)}, not in the list of context features"
        )
