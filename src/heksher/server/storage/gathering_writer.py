"""A writer for units of work that make thousands of changes, which a database is to be sent together.

What the unit will look up is looked up together, before it begins; new, changed and deleted rules, and what is recorded
of them, are gathered and sent together, at the latest before anything else could notice that they are not there yet.
So a unit costs a statement for a thousand of its changes, not several for each. Whatever is not foreseen costs what it
does without this.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from typing import Final, NamedTuple

from heksher.server.storage.access_records import POLICY, PolicyRecord
from heksher.server.storage.base import (
    RULE,
    Conditions,
    LogEntry,
    LoggedChange,
    RuleRecord,
    Selection,
    SettingRecord,
    Writer,
)
from heksher.server.storage.passing_writer import PassingWriter
from heksher.server.storage.records import RuleKey, make_rule_key
from heksher.value_type import JSON

# Stands for the id of a rule of which nothing is known; none has it.
_UNKNOWN: Final = 0


class Lookups(NamedTuple):
    """What a unit of work will look up, as far as that can be foreseen.

    Attributes:
        settings: their names or aliases.
        rule_ids: of rules.
        rules: the names or aliases of settings, and conditions of their rules.
    """

    settings: Collection[str] = ()
    rule_ids: Collection[int] = ()
    rules: Collection[tuple[str, Conditions]] = ()


NO_LOOKUPS: Final = Lookups()


class GatheringWriter(PassingWriter):
    """Gathers what a unit of work writes. Call ``flush()`` last.

    Args:
        inner: the writer of the unit, which has changed nothing yet.
        lookups: what the unit will look up.
    """

    def __init__(self, inner: Writer, lookups: Lookups) -> None:
        super().__init__(inner)
        self._new_revision = inner.revision() + 1
        # What is known of what is stored and gathered; None for what is not there. Settings by any name.
        self._settings: dict[str, SettingRecord | None] = {}
        self._rules: dict[int, RuleRecord | None] = {}
        self._rule_ids: dict[RuleKey, int | None] = {}
        # What is gathered: in this order it can be sent.
        self._deleted: dict[int, None] = {}
        self._replaced: dict[int, RuleRecord] = {}
        self._returned: dict[int, RuleRecord] = {}
        self._added: dict[int, RuleRecord] = {}
        self._recorded: list[LoggedChange] = []
        # The policies, once they were asked for: no unit that this is for changes them. And which were overridden.
        self._policies: tuple[PolicyRecord, ...] | None = None
        self._overridden: set[str] = set()
        # The rules that the unit has deleted, whether that was sent or not.
        self._gone: set[int] = set()
        # Settings that the unit has added: they have no rules but those that are known.
        self._new_settings: set[str] = set()
        self.look_up(lookups)

    def look_up(self, lookups: Lookups) -> None:
        """Look up what the unit is about to."""
        self.flush()
        rules = list(self._inner.find_rules(frozenset(lookups.rule_ids)).values()) if lookups.rule_ids else []
        names = {*lookups.settings, *(setting for setting, _ in lookups.rules), *(rule.setting for rule in rules)}
        if names:
            self._settings |= {**dict.fromkeys(names), **self._inner.find_settings(names)}
        self._rules |= dict.fromkeys(lookups.rule_ids)
        wanted = [
            (setting.name, conditions)
            for name, conditions in lookups.rules
            if (setting := self._settings[name]) is not None
        ]
        self._rule_ids |= dict.fromkeys(make_rule_key(*key) for key in wanted)
        for rule in (*rules, *(self._inner.find_rules_by_conditions(wanted) if wanted else ())):
            self._note_rule(rule)

    def flush(self) -> None:
        """Send what is gathered."""
        if self._deleted:
            self._inner.delete_rules(self._deleted)
        if self._replaced:
            self._inner.replace_rules(self._replaced.values())
        if self._returned:
            self._inner.return_rules(self._returned.values())
        if self._added:
            self._inner.load((), self._added.values(), self.next_rule_id())
        if self._recorded:
            self._inner.record_all(self._recorded)
        for gathered in (self._deleted, self._replaced, self._returned, self._added, self._recorded):
            gathered.clear()

    def policies(self) -> tuple[PolicyRecord, ...]:
        if self._policies is None:
            self._policies = self._inner.policies()
        return self._policies

    def forgotten_deletion(self, kind: str, key: str) -> str | None:
        self.flush()
        return self._inner.forgotten_deletion(kind, key)

    def find_setting(self, name: str) -> SettingRecord | None:
        return self._settings[name] if name in self._settings else self._inner.find_setting(name)

    def find_settings(self, names: Collection[str]) -> dict[str, SettingRecord]:
        known = {name: setting for name in names if (setting := self._settings.get(name)) is not None}
        unknown = frozenset(names).difference(self._settings)
        return {**known, **self._inner.find_settings(unknown)} if unknown else known

    def rules(self, settings: Collection[str] | None = None) -> list[RuleRecord]:
        self.flush()
        return self._inner.rules(settings)

    def count_rules(self) -> int:
        self.flush()
        return self._inner.count_rules()

    def find_rule(self, rule_id: int) -> RuleRecord | None:
        if rule_id in self._rules:
            return self._rules[rule_id]
        self.flush()
        return self._inner.find_rule(rule_id)

    def find_rule_by_conditions(self, setting: str, conditions: Conditions) -> RuleRecord | None:
        key = make_rule_key(setting, conditions)
        if key in self._rule_ids or setting in self._new_settings:
            rule_id = self._rule_ids.get(key)
            return None if rule_id is None else self._rules[rule_id]
        self.flush()
        return self._inner.find_rule_by_conditions(setting, conditions)

    def log(self, after_revision: int = 0, limit: int = 1000, max_changes: int = 1000) -> list[LogEntry]:
        self.flush()
        return self._inner.log(after_revision, limit, max_changes)

    def select(
        self,
        selection: Selection,
        before_revision: int | None = None,
        limit: int = 100,
        max_changes: int = 100,
        max_bytes: int | None = None,
    ) -> list[LogEntry]:
        self.flush()
        return self._inner.select(selection, before_revision, limit, max_changes, max_bytes)

    def changes(
        self, revision: int, first: int = 0, limit: int = 1000, max_bytes: int | None = None
    ) -> list[LoggedChange]:
        self.flush()
        return self._inner.changes(revision, first, limit, max_bytes)

    def changed_subjects(
        self, after_revision: int, until_revision: int, after_subject: int = 0, max_changes: int = 1000
    ) -> list[int]:
        self.flush()
        return self._inner.changed_subjects(after_revision, until_revision, after_subject, max_changes)

    def find_conditions(self, rule_ids: Collection[int]) -> dict[int, Conditions]:
        self.flush()
        return self._inner.find_conditions(rule_ids)

    def require_room(self, *, settings: int = 0, rules: int = 0) -> None:
        # The first time, what there is may be counted.
        if self._deleted:
            self.flush()
        self._inner.require_room(settings=settings, rules=rules)

    def add_setting(self, setting: SettingRecord, subject: int | None = None) -> None:
        self._inner.add_setting(setting, subject)
        self._forget_settings(setting)
        self._new_settings.add(setting.name)

    def add_settings(self, settings: Collection[SettingRecord]) -> None:
        self._inner.add_settings(settings)
        self._forget_settings(*settings)
        self._new_settings.update(setting.name for setting in settings)

    def replace_setting(self, name: str, setting: SettingRecord) -> None:
        self.flush()
        before = self.find_setting(name)
        self._inner.replace_setting(name, setting)
        self._forget_settings(setting, *(() if before is None else (before,)))
        if setting.name != name:
            self._forget_rules()

    def delete_setting(self, name: str) -> None:
        self.flush()
        before = self.find_setting(name)
        self._inner.delete_setting(name)
        self._forget_settings(*(() if before is None else (before,)))
        self._forget_rules()

    def next_rule_id(self) -> int:
        return next(reversed(self._added)) + 1 if self._added else self._inner.next_rule_id()

    def add_rule(
        self,
        setting: str,
        conditions: Conditions,
        value: JSON,
        metadata: Mapping[str, JSON],
        rule_id: int | None = None,
    ) -> RuleRecord:
        if self._can_be_gathered(setting, conditions, rule_id):
            new_id = self.next_rule_id() if rule_id is None else rule_id
            rule = RuleRecord(new_id, setting, dict(conditions), value, metadata, self._new_revision)
            (self._added if rule_id is None else self._returned)[new_id] = rule
        else:
            self.flush()
            rule = self._inner.add_rule(setting, conditions, value, metadata, rule_id)
        self._note_rule(rule)
        return rule

    def replace_rule(self, rule: RuleRecord) -> None:
        dated = replace(rule, revision=self._new_revision)
        if self._is_known(rule):
            of_new = (gathered for gathered in (self._added, self._returned) if rule.rule_id in gathered)
            next(of_new, self._replaced)[rule.rule_id] = dated
        else:
            self.flush()
            self._inner.replace_rule(rule)
        self._note_rule(dated)

    def delete_rule(self, rule_id: int) -> None:
        before = self._rules.get(rule_id)
        if before is None or rule_id in self._added or rule_id in self._returned:
            self.flush()
            self._inner.delete_rule(rule_id)
        else:
            self._replaced.pop(rule_id, None)
            self._deleted[rule_id] = None
        self._rules[rule_id] = None
        self._gone.add(rule_id)
        if before is not None:
            self._rule_ids[make_rule_key(before.setting, before.conditions)] = None

    def load(self, settings: Collection[SettingRecord], rules: Collection[RuleRecord], next_rule_id: int) -> None:
        self.flush()
        self._inner.load(settings, rules, next_rule_id)
        self._forget_settings(*settings)
        self._forget_rules()

    def count_changes(self) -> int:
        return self._inner.count_changes() + len(self._recorded)

    def record(self, change: LoggedChange) -> None:
        # The first one begins the entry, whose number and stamp are known then.
        if change.kind == RULE and self._inner.revision() == self._new_revision:
            self._recorded.append(change)
        elif change.kind != POLICY or change.key not in self._overridden:
            # That a policy was overridden is told once, by however many changes.
            self._overridden.update({change.key} if change.kind == POLICY else ())
            self.record_all((change,))

    def record_all(self, changes: Iterable[LoggedChange]) -> None:
        self.flush()
        self._inner.record_all(changes)

    def _can_be_gathered(self, setting: str, conditions: Conditions, rule_id: int | None) -> bool:
        """Return whether it is known of a rule that it can be added: a new one, or one that was deleted earlier."""
        key = make_rule_key(setting, conditions)
        has_twin = self._rule_ids.get(key, None if setting in self._new_settings else _UNKNOWN) is not None
        if has_twin or rule_id is None:
            return not has_twin
        # Of one that this unit has deleted, the log may not say so yet when it is sent.
        return rule_id not in self._gone and rule_id in self._rules and self._rules[rule_id] is None

    def _note_rule(self, rule: RuleRecord) -> None:
        self._rules[rule.rule_id] = rule
        self._rule_ids[make_rule_key(rule.setting, rule.conditions)] = rule.rule_id

    def _is_known(self, rule: RuleRecord) -> bool:
        known = self._rules.get(rule.rule_id)
        return known is not None and (known.setting, known.conditions) == (rule.setting, rule.conditions)

    def _forget_settings(self, *settings: SettingRecord) -> None:
        for setting in settings:
            for name in (setting.name, *setting.aliases):
                self._settings.pop(name, None)

    def _forget_rules(self) -> None:
        self._rules.clear()
        self._rule_ids.clear()
        self._new_settings.clear()
