"""Advances a picture: applies the entries of the change log that follow it, and finds their effects."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import cast

from heksher.server.catalog.effect import NEVER_ANSWERED, Effect, find_effects
from heksher.server.catalog.picture import (
    CatalogRule,
    CatalogSetting,
    Picture,
    enter_rule,
    enter_setting,
    make_picture,
    reorder_rule,
    restore_rule,
)
from heksher.server.json_form import rule_from_json, setting_from_json, update_rule, update_setting
from heksher.server.storage.base import (
    CONTEXT_FEATURES,
    RULE,
    SETTING,
    Fields,
    LogEntry,
    LoggedChange,
    RuleRecord,
)


@dataclass(frozen=True, slots=True)
class Step:
    """One revision and the effects of its changes: none if no query can show them.

    Attributes:
        stamp: the stamp of its log entry; it does not count for equality.
    """

    revision: int
    effects: tuple[Effect, ...]
    stamp: str = field(default="", compare=False)


def advance(picture: Picture, entries: Iterable[LogEntry]) -> tuple[Picture, list[Step]]:
    """Apply the entries that follow a picture's revision; return the next picture and its steps.

    Raises:
        LookupError, TypeError, ValueError: an entry does not fit the picture or is malformed.
    """
    draft = _Draft(picture)
    steps = []
    for entry in entries:
        effects = find_effects(entry.changes, draft.picture)
        draft.apply(entry)
        steps.append(Step(entry.revision, effects, entry.stamp))
    return draft.finish(), steps


class _Draft:
    """A picture in progress. What changes is copied first, once.

    Attributes:
        picture: the current state, except that its names are still the initial ones; ``finish`` updates them.
    """

    def __init__(self, picture: Picture) -> None:
        self._settings = dict(picture.settings)
        self.picture = replace(picture, settings=self._settings)
        # The names of the settings whose rules have been copied.
        self._owned: set[str] = set()
        # The names of the settings some of whose rules stand after ones with higher ids.
        self._disordered: set[str] = set()
        self._has_new_names = False

    def apply(self, entry: LogEntry) -> None:
        """Apply an entry, which must have all of its changes."""
        if not entry.is_whole:
            raise ValueError(
                f"of the {entry.size} changes of entry {entry.revision} only {len(entry.changes)} are here"
            )
        for change in entry.changes:
            self._apply_change(change, entry.revision)
        self._order_rules()
        self.picture = replace(self.picture, revision=entry.revision, stamp=entry.stamp)

    def finish(self) -> Picture:
        """Return the finished picture."""
        if not self._has_new_names:
            return self.picture
        picture = make_picture(
            self.picture.revision,
            self.picture.feature_order,
            self._settings.values(),
            self.picture.features_revision,
            self.picture.stamp,
        )
        return replace(picture, access=self.picture.access)

    def _apply_change(self, change: LoggedChange, revision: int) -> None:
        if change.kind == CONTEXT_FEATURES:
            self._reorder(change, revision)
        elif change.kind == SETTING:
            self._apply_setting(change, revision)
        elif change.kind == RULE:
            self._apply_rule(change, revision)
        elif change.kind not in NEVER_ANSWERED:  # what is kept of these in memory is read from their tables
            raise ValueError(f"unknown kind of object: {change.kind}")

    def _reorder(self, change: LoggedChange, revision: int) -> None:
        if change.after is None:
            raise ValueError("there is no list of context features")
        before, after = self.picture.feature_order, tuple(cast("list[str]", change.after["context_features"]))
        self.picture = replace(self.picture, feature_order=after, features_revision=revision)
        # If features were only added, the others keep their relative order, and so do the conditions.
        if [feature for feature in after if feature in before] != [feature for feature in before if feature in after]:
            for name, setting in self._settings.items():
                rules = {rule_id: reorder_rule(rule, after) for rule_id, rule in setting.rules.items()}
                self._settings[name] = setting._replace(rules=rules)

    def _apply_setting(self, change: LoggedChange, revision: int) -> None:
        if change.before is None:
            self._has_new_names = True
            added = setting_from_json(change.after or {})
            self._settings[added.name] = enter_setting(replace(added, revision=revision), {})
        elif change.after is None:
            self._has_new_names = True
            del self._settings[change.key]
            self._owned.discard(change.key)
        else:
            self._change_setting(cast("str", change.before.get("name", change.key)), change.after, revision)

    def _change_setting(self, name: str, fields: Fields, revision: int) -> None:
        old = self._settings[name]
        new = replace(update_setting(old.record, fields), revision=revision)
        if (new.name, new.aliases) != (old.record.name, old.record.aliases):
            self._has_new_names = True
            del self._settings[name]
            self._owned.discard(name)
            if name in self._disordered:
                self._disordered.add(new.name)
        self._settings[new.name] = enter_setting(new, old.rules)

    def _apply_rule(self, change: LoggedChange, revision: int) -> None:
        rule_id = int(change.key)
        rules = self._own_rules(self._settings[change.setting])
        if change.before is None:
            added = replace(rule_from_json(rule_id, change.after or {}), revision=revision)
            self._put_rule(change.setting, rules, added)
        elif change.after is None:
            del rules[rule_id]
        else:
            changed = update_rule(restore_rule(change.setting, rules[rule_id]), change.after)
            self._put_rule(change.setting, rules, replace(changed, revision=revision))

    def _put_rule(self, setting: str, rules: dict[int, CatalogRule], rule: RuleRecord) -> None:
        is_in_order = rule.rule_id in rules or rule.rule_id > next(reversed(rules), 0)
        rules[rule.rule_id] = enter_rule(rule, self.picture.feature_order)
        # New ids are higher than all others, but a deleted rule can come back.
        if not is_in_order:
            self._disordered.add(setting)

    def _order_rules(self) -> None:
        # Once for an entry: it may bring back thousands of rules.
        for name in self._disordered & self._settings.keys():
            setting = self._settings[name]
            self._settings[name] = setting._replace(rules=dict(sorted(setting.rules.items())))
        self._disordered.clear()

    def _own_rules(self, setting: CatalogSetting) -> dict[int, CatalogRule]:
        name = setting.record.name
        if name not in self._owned:
            self._owned.add(name)
            setting = self._settings[name] = setting._replace(rules=dict(setting.rules))
        return cast("dict[int, CatalogRule]", setting.rules)
