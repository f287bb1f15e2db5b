"""Makes objects again what they were, in one unit of work, and says what stands against it.

What cannot be done is noted, and the rest goes on, so that whoever asked is told all of it; nothing is stored then.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final

from heksher.server.access.grants import Role
from heksher.server.errors import RevertConflictError
from heksher.server.json_form import JSONObject
from heksher.server.operations import logged_change
from heksher.server.operations.change_form import ChangeForm, ToldEntry, list_changed_rules
from heksher.server.operations.deletion_protection import DeletionProtection
from heksher.server.operations.differences import find_features_in_use, find_misfits, tell_features_in_use
from heksher.server.operations.permission import require
from heksher.server.operations.policies import find_overridden, record_overrides
from heksher.server.operations.value_limits import ValueLimits, have_other_limits
from heksher.server.storage.base import (
    CONTEXT_FEATURES,
    SETTING,
    LogEntry,
    Origin,
    RuleRecord,
    Selection,
    SettingRecord,
)
from heksher.server.storage.gathering_writer import GatheringWriter
from heksher.value_type import json_key, parse_value_type

# How many reasons, and changes that came between, are told.
_MAX_CONFLICTS: Final = 20
_MAX_ENTRIES: Final = 20
_MAX_PARTS: Final = 10
_MAX_BYTES: Final = 1024 * 1024


class Restorer:
    """Restores objects. Call ``finish()`` last.

    Args:
        writer: of the unit of work; gathers what is changed.
        origin: who restores them.
        action: what the change log is to say of it.
        since: the revision after which changes are told, where they stand against it.
        is_forced: whether settings may be deleted.
        protection: says by whom settings that may not be deleted are used.
    """

    def __init__(
        self,
        writer: GatheringWriter,
        origin: Origin,
        action: str,
        *,
        since: int,
        is_forced: bool,
        protection: DeletionProtection,
    ) -> None:
        self._writer = writer
        self._origin = origin
        self._action = action
        self._since = since
        self._is_forced = is_forced
        self._protection = protection
        self._newest = writer.revision()
        self._known = writer.count_changes()
        self._conflicts: list[str] = []
        self._between: dict[int, LogEntry] = {}
        # The settings that are not what they were before this unit, by name; and whether their limits are others. Those
        # that came back are as they were, whatever their limits said.
        self._touched: dict[str, bool] = {}
        self._returned: set[str] = set()
        # The prefixes of the policies that an admin does without.
        self._overridden: set[str] = set()
        # The rules that have another value than before this unit.
        self._valued: set[int] = set()
        self._order = writer.context_features()

    def refuse(self, reason: str, *about: Selection) -> None:
        """Note what stands against it, and by which changes it came about."""
        self._conflicts.append(reason)
        for selection in about:
            wanted = replace(selection, after_revision=self._since)
            found = self._writer.select(wanted, self._newest + 1, _MAX_ENTRIES, _MAX_PARTS, _MAX_BYTES)
            self._between.update((entry.revision, entry) for entry in found)

    def set_features(self, before: Sequence[str], after: Sequence[str]) -> None:
        """Replace the list of context features."""
        require(self._origin, Role.ADMIN)
        removed = frozenset(before).difference(after)
        users = [setting.name for setting in self._writer.settings() if removed & setting.configurable_features]
        if users:
            self.refuse(f"settings {users[:10]} are configurable by the context features {sorted(removed)}")
            return
        self._writer.set_context_features(after)
        self._order = tuple(after)
        self._writer.record(logged_change.change_features(self._action, before, after))

    def delete_setting(self, setting: SettingRecord, rules: Sequence[RuleRecord] = ()) -> bool:
        """Delete a setting with its rules; return whether that was done."""
        require(self._origin, Role.ADMIN)
        if not self._is_forced:
            use = self._protection.describe_use(self._writer, setting)
            used = "" if use is None else f", and {use}"
            self.refuse(f"setting {setting.name!r} would be deleted{used}: if it is to be, say so with force=true")
            return False
        self._require_reviewed(setting.name)
        self._writer.delete_setting(setting.name)
        self._touched.pop(setting.name, None)
        self._writer.record_all(logged_change.delete_setting(setting, rules, self._order, self._action))
        return True

    def change_setting(self, before: SettingRecord, after: SettingRecord) -> bool:
        """Give a setting other attributes; return whether that was done."""
        require(self._origin, Role.DECLARE, before.name, after.name)
        if not self._can_be(after, before):
            return False
        self._require_reviewed(before.name, after.name)
        self._writer.replace_setting(before.name, after)
        has_other_limits = self._touched.pop(before.name, False) or have_other_limits(after.metadata, before.metadata)
        self._touched[after.name] = has_other_limits
        self._writer.record(logged_change.change_setting(self._action, before, after, self._order))
        return True

    def add_setting(self, setting: SettingRecord, subject: int | None) -> bool:
        """Bring back a deleted setting, which the log knows by a number; return whether that was done."""
        require(self._origin, Role.DECLARE, setting.name)
        if not self._can_be(setting):
            return False
        self._require_reviewed(setting.name)
        self._writer.require_room(settings=1)
        self._writer.add_setting(setting, subject)
        self._touched[setting.name] = False
        self._returned.add(setting.name)
        self._writer.record(logged_change.change_setting(self._action, None, setting, self._order))
        return True

    def delete_rule(self, rule: RuleRecord) -> None:
        """Delete a rule."""
        require(self._origin, Role.EDIT, rule.setting)
        self._require_reviewed(rule.setting)
        self._writer.delete_rule(rule.rule_id)
        self._writer.record(logged_change.delete_rule(rule, self._order, self._action))

    def change_rule(self, before: RuleRecord, after: RuleRecord) -> None:
        """Give a rule another value, or other metadata."""
        require(self._origin, Role.EDIT, before.setting)
        self._require_reviewed(before.setting)
        self._writer.replace_rule(after)
        if json_key(before.value) != json_key(after.value):
            self._valued.add(after.rule_id)
        self._writer.record(logged_change.change_rule(self._action, before, after, self._order))

    def add_rule(self, rule: RuleRecord, setting: SettingRecord) -> None:
        """Bring back a rule of a setting, with its id."""
        require(self._origin, Role.EDIT, setting.name)
        twin = self._writer.find_rule_by_conditions(setting.name, rule.conditions)
        if twin is not None:
            self.refuse(
                f"rule {twin.rule_id} has the conditions of rule {rule.rule_id} now", Selection(rule_id=twin.rule_id)
            )
        elif foreign := sorted(rule.conditions.keys() - setting.configurable_features):
            self.refuse(
                f"setting {setting.name!r} is not configurable any more by {foreign}, as rule {rule.rule_id} needs",
                Selection(setting=setting.name, kinds=(SETTING,)),
            )
        else:
            self._require_reviewed(setting.name)
            self._writer.require_room(rules=1)
            added = self._writer.add_rule(setting.name, rule.conditions, rule.value, rule.metadata, rule.rule_id)
            self._valued.add(added.rule_id)
            self._writer.record(logged_change.add_rule(added, self._order, self._action))

    def finish(self) -> int:
        """Check what it has come to, and send it; return how many objects were changed.

        Raises:
            RevertConflictError: something stands against it.
        """
        valued: defaultdict[str, list[RuleRecord]] = defaultdict(list)
        for rule in self._writer.find_rules(self._valued).values():
            valued[rule.setting].append(rule)
        for name in dict.fromkeys((*self._touched, *valued)):
            self._check(name, valued[name])
        if self._conflicts:
            changes = [self._between[revision] for revision in sorted(self._between, reverse=True)[:_MAX_ENTRIES]]
            raise RevertConflictError(
                "what is to be taken back is not as it was left, or cannot be what it was before",
                # Several changes of one object in an entry say the same.
                tuple(dict.fromkeys(self._conflicts))[:_MAX_CONFLICTS],
                tuple(self._write(changes)),
            )
        size = self._writer.count_changes() - self._known
        record_overrides(self._writer, sorted(self._overridden))
        self._writer.flush()
        return size

    def _require_reviewed(self, *settings: str) -> None:
        self._overridden.update(find_overridden(self._writer, self._origin, *settings))

    def _can_be(self, setting: SettingRecord, before: SettingRecord | None = None) -> bool:
        """Return whether a setting may have its names and features, after noting what stands against it."""
        known = len(self._conflicts)
        for name in (setting.name, *sorted(setting.aliases)):
            holder = self._writer.find_setting(name)
            if holder is not None and (before is None or holder.name != before.name):
                self.refuse(f"the name {name!r} belongs to setting {holder.name!r} now", Selection(setting=holder.name))
        if missing := sorted(setting.configurable_features.difference(self._order)):
            self.refuse(
                f"the context features {missing} of setting {setting.name!r} are not there any more",
                Selection(kinds=(CONTEXT_FEATURES,)),
            )
        return len(self._conflicts) == known

    def _check(self, name: str, valued: list[RuleRecord]) -> None:
        """Check that a setting and its rules, of which some have other values, fit to each other."""
        setting = self._writer.find_setting(name)
        if setting is None:
            return
        # One that is what it was still fits to the other rules, of which there can be many.
        rules = self._writer.rules([setting.name]) if name in self._touched else valued
        for fault in self._list_faults(setting, rules, valued):
            self.refuse(f"setting {setting.name!r}: {fault}", Selection(setting=setting.name))

    def _list_faults(self, setting: SettingRecord, rules: list[RuleRecord], valued: list[RuleRecord]) -> Iterator[str]:
        value_type = parse_value_type(setting.type)
        # The default needs no look: as type and limits, it changes with a new version alone.
        if misfits := find_misfits(value_type, rules):
            yield f"setting type incompatible with values for rules: {misfits}"
        used = frozenset(feature for rule in rules for feature in rule.conditions)
        if in_use := find_features_in_use(used - setting.configurable_features, rules):
            yield tell_features_in_use(in_use, rules)
        if setting.name in self._returned:
            return
        checked = rules if self._touched.get(setting.name, False) else valued
        if broken := ValueLimits(setting.metadata).tell_broken(checked):
            yield broken

    def _write(self, entries: list[LogEntry]) -> Iterator[JSONObject]:
        form = ChangeForm(self._writer, list_changed_rules(change for entry in entries for change in entry.changes))
        return (form.write_entry(ToldEntry(entry, entry.changes, entry.size)) for entry in entries)
