"""Plans how what a service holds becomes what another one holds, without touching what was changed here.

Object by object: what is the same stays; what only the other service has changed is taken over; what was changed here,
and is not the same there, is left as it is, and told. What is left must go on fitting to the rest, so an object there
that would not fit to it is left out, too.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field, replace
from typing import Final

from heksher.server.operations.imported import (
    Holdings,
    LeftOut,
    find_misfit,
    is_same_rule,
    is_same_setting,
    list_names,
)
from heksher.server.operations.loading import Contents
from heksher.server.storage.base import CONTEXT_FEATURES, RULE, SETTING, Reader, RuleRecord, SettingRecord

# Objects, each as its kind and key.
Keys = Collection[tuple[str, str]]

_CHANGED_HERE: Final = "it was changed here, and is another one there"
_DELETED_HERE: Final = "it was deleted here"
_ONLY_HERE: Final = "it was added or changed here, and is not there"


@dataclass(slots=True)
class Plan:
    """What is to be done.

    Attributes:
        features_before: the context features that are here.
        features: the context features in the end.
        added_settings, added_rules: what is new; rules have the canonical names that their settings have in the end.
        changed_settings, changed_rules: what is to be replaced, and by what.
        deleted_settings, deleted_rules: what is no longer there; rules of deleted settings are not in it.
        left: what is left as it is here although it is another one there.
        same_settings, same_rules: how many are here already as they are there.
    """

    features_before: tuple[str, ...]
    features: tuple[str, ...]
    added_settings: list[SettingRecord] = field(default_factory=list)
    changed_settings: list[tuple[SettingRecord, SettingRecord]] = field(default_factory=list)
    deleted_settings: list[SettingRecord] = field(default_factory=list)
    added_rules: list[RuleRecord] = field(default_factory=list)
    changed_rules: list[tuple[RuleRecord, RuleRecord]] = field(default_factory=list)
    deleted_rules: list[RuleRecord] = field(default_factory=list)
    left: list[LeftOut] = field(default_factory=list)
    same_settings: int = 0
    same_rules: int = 0

    @property
    def has_other_features(self) -> bool:
        """Whether the context features or their order are to be changed."""
        return self.features != self.features_before

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to do."""
        return not self.has_other_features and not any(True for _ in self.list_objects())

    def list_objects(self) -> Iterator[tuple[str, str]]:
        """Yield the settings and rules that are to be added, changed or deleted, as kind and key."""
        changed_settings = [after for _, after in self.changed_settings]
        changed_rules = [after for _, after in self.changed_rules]
        for setting in (*self.added_settings, *changed_settings, *self.deleted_settings):
            yield SETTING, setting.name
        for rule in (*self.added_rules, *changed_rules, *self.deleted_rules):
            yield RULE, str(rule.rule_id)


def make_plan(reader: Reader, theirs: Contents, refused: Keys = frozenset()) -> Plan:
    """Plan an update.

    Args:
        reader: what is here.
        theirs: what is there.
        refused: what is there and cannot be taken: what is here of it stays.
    """
    ours = Holdings(reader)
    features = theirs.features if ours.are_features_imported else ours.features
    settings = _SettingPlanner(ours, theirs, features, refused)
    if features != ours.features and settings.needs_more_features():
        features = ours.features
        settings = _SettingPlanner(ours, theirs, features, refused)
    if features != theirs.features:
        reason = f"the order here is {list(features)}, and {list(theirs.features)} there: something here depends on it"
        settings.plan.left.insert(0, LeftOut(CONTEXT_FEATURES, "", reason))
    _RulePlanner(ours, theirs, settings, refused).run()
    return settings.plan


class _SettingPlanner:
    """Plans what becomes of the settings.

    Attributes:
        plan: the plan, as far as it is made.
        final: the setting that holds in the end for each setting there, by its name there.
        names: what each setting here is called in the end, by its name here; deleted ones are missing.
    """

    def __init__(self, ours: Holdings, theirs: Contents, features: tuple[str, ...], refused: Keys) -> None:
        self._ours = ours
        self._features = features
        self._refused = refused
        self._rules_there = {rule.rule_id: rule for rule in theirs.rules}
        self.plan = Plan(ours.features, features)
        names_there = {setting.name for setting in theirs.settings}
        self._pairs = [(setting, ours.find_counterpart(setting, names_there)) for setting in theirs.settings]
        # Why settings there are not taken, by their names there.
        self._reasons: dict[str, str] = {}
        self._settle()
        self.final: dict[str, SettingRecord] = {}
        self.names: dict[str, str] = {name: name for name in ours.settings}
        for gone in self.plan.deleted_settings:
            del self.names[gone.name]
        for setting, counterpart in self._pairs:
            self._conclude(setting, counterpart)

    def needs_more_features(self) -> bool:
        """Return whether a setting that stays as it is here has a context feature that the plan does without."""
        changed = {before.name for before, _ in self.plan.changed_settings}
        stay = [self._ours.settings[name] for name in self.names if name not in changed]
        return any(not setting.configurable_features <= set(self._features) for setting in stay)

    def _settle(self) -> None:
        """Decide which settings there are not taken, and which ones here are deleted."""
        claimed: set[str] = set()
        for setting, counterpart in self._pairs:
            reason = self._find_reason(setting, counterpart, claimed)
            if counterpart is not None:
                claimed.add(counterpart.name)
            if reason is not None:
                self._reasons[setting.name] = reason
        only_here = [setting for name, setting in self._ours.settings.items() if name not in claimed]
        kept = [setting for setting in only_here if not self._is_deletable(setting)]
        self._refuse_taken_names(kept)

    def _find_reason(self, setting: SettingRecord, here: SettingRecord | None, claimed: set[str]) -> str | None:
        if here is not None and is_same_setting(setting, here) and here.name not in claimed:
            return None
        if missing := sorted(setting.configurable_features.difference(self._features)):
            return f"the context features {missing} are not here"
        if here is None:
            return _DELETED_HERE if self._ours.had_setting(setting) else None
        if here.name in claimed:
            return f"another setting there has names of {here.name!r}, too"
        return self._find_change_here(setting, here)

    def _find_change_here(self, setting: SettingRecord, here: SettingRecord) -> str | None:
        if not self._ours.is_imported(here.revision):
            return _CHANGED_HERE
        staying = [rule for rule in self._ours.list_rules(here.name) if self._is_staying(rule, setting)]
        misfit = find_misfit(staying, setting)
        return None if misfit is None else f"rule {misfit.rule_id}, which stays as it is here, does not fit to it"

    def _is_staying(self, rule: RuleRecord, setting: SettingRecord) -> bool:
        """Return whether a rule here is left as it is, although its setting becomes the one there."""
        if not self._ours.is_imported(rule.revision) or (RULE, str(rule.rule_id)) in self._refused:
            return True
        there = self._rules_there.get(rule.rule_id)
        # Ids are never given again: one that is another rule's there cannot be had by that one here.
        return there is not None and (there.setting, there.conditions) != (setting.name, rule.conditions)

    def _is_deletable(self, setting: SettingRecord) -> bool:
        if any((SETTING, name) in self._refused for name in list_names(setting)):
            return False
        is_untouched = self._ours.is_imported(setting.revision) and not self._ours.list_changed_rules(setting.name)
        if is_untouched:
            self.plan.deleted_settings.append(setting)
        else:
            self.plan.left.append(LeftOut(SETTING, setting.name, _ONLY_HERE))
        return is_untouched

    def _refuse_taken_names(self, kept: list[SettingRecord]) -> None:
        """Leave settings out whose names are those of settings that stay; one that is left out stays, too."""
        while True:
            stay = [here for there, here in self._pairs if there.name in self._reasons and here is not None]
            taken = {name for setting in (*kept, *stay) for name in list_names(setting)}
            clashes = {
                there.name: name
                for there, _ in self._pairs
                if there.name not in self._reasons
                for name in list_names(there)
                if name in taken
            }
            if not clashes:
                return
            for there, name in clashes.items():
                self._reasons[there] = f"the name {name!r} belongs to another setting here"

    def _conclude(self, there: SettingRecord, here: SettingRecord | None) -> None:
        reason = self._reasons.get(there.name)
        if reason is not None:
            self.plan.left.append(LeftOut(SETTING, there.name, reason))
            if here is not None:
                self.final[there.name] = here
            return
        self.final[there.name] = there
        if here is None:
            self.plan.added_settings.append(there)
            return
        self.names[here.name] = there.name
        if is_same_setting(there, here):
            self.plan.same_settings += 1
        else:
            self.plan.changed_settings.append((here, there))


class _RulePlanner:
    """Plans what becomes of the rules, once it is known what becomes of the settings."""

    def __init__(self, ours: Holdings, theirs: Contents, settings: _SettingPlanner, refused: Keys) -> None:
        self._ours = ours
        self._theirs = theirs
        self._settings = settings
        self._plan = settings.plan
        self._refused = refused

    def run(self) -> None:
        """Put what becomes of the rules into the plan."""
        there = {rule.rule_id for rule in self._theirs.rules}
        stay = [rule for rule in self._ours.rules.values() if rule.rule_id in there or not self._is_deletable(rule)]
        taken = {self._make_key(rule, self._settings.names.get(rule.setting, "")): rule.rule_id for rule in stay}
        for rule in self._theirs.rules:
            setting = self._settings.final.get(rule.setting)
            # A setting that is left out and not here has been told, with all of its rules.
            if setting is not None:
                self._plan_one(replace(rule, setting=setting.name), setting, taken)

    def _is_deletable(self, rule: RuleRecord) -> bool:
        if (RULE, str(rule.rule_id)) in self._refused:
            return False
        if rule.setting not in self._settings.names:
            return True
        is_untouched = self._ours.is_imported(rule.revision)
        if is_untouched:
            self._plan.deleted_rules.append(rule)
        else:
            self._leave(rule, _ONLY_HERE)
        return is_untouched

    def _plan_one(self, rule: RuleRecord, setting: SettingRecord, taken: dict[object, int]) -> None:
        here = self._ours.rules.get(rule.rule_id)
        if here is not None and self._is_same_place(here, rule) and is_same_rule(here, rule):
            self._plan.same_rules += 1
            return
        reason = self._find_reason(rule, here, setting, taken)
        if reason is not None:
            self._leave(rule, reason)
        elif here is None:
            self._plan.added_rules.append(rule)
        else:
            self._plan.changed_rules.append((here, rule))

    def _find_reason(
        self, rule: RuleRecord, here: RuleRecord | None, setting: SettingRecord, taken: dict[object, int]
    ) -> str | None:
        if here is None:
            if self._ours.had_rule(rule.rule_id):
                return _DELETED_HERE
            if (holder := taken.get(self._make_key(rule, rule.setting))) is not None:
                return f"rule {holder} here has the same conditions"
        elif not self._is_same_place(here, rule):
            return "its id is that of another rule here"
        elif not self._ours.is_imported(here.revision):
            return _CHANGED_HERE
        return None if find_misfit([rule], setting) is None else "it does not fit to its setting here"

    def _is_same_place(self, here: RuleRecord, there: RuleRecord) -> bool:
        return (self._settings.names.get(here.setting), here.conditions) == (there.setting, there.conditions)

    def _make_key(self, rule: RuleRecord, setting: str) -> object:
        return setting, frozenset(rule.conditions.items())

    def _leave(self, rule: RuleRecord, reason: str) -> None:
        self._plan.left.append(LeftOut(RULE, str(rule.rule_id), reason, rule.setting))
