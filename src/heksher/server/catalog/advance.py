"""From one picture to the next: the entries of the change log are applied, and what they show in is found."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, cast

from heksher.server.catalog.effect import Effect, find_effect
from heksher.server.catalog.picture import (
    CatalogRule,
    CatalogSetting,
    Picture,
    enter_rule,
    enter_setting,
    make_picture,
    reorder_rule,
)
from heksher.server.json_form import rule_from_json, setting_from_json
from heksher.server.storage.base import LogEntry, LoggedChange
from heksher.value_type import JSON


@dataclass(frozen=True, slots=True)
class Step:
    """One revision, and what it shows in: ``None`` for nothing that is ever answered."""

    revision: int
    effect: Effect | None


def advance(picture: Picture, entries: Iterable[LogEntry]) -> tuple[Picture, list[Step]]:
    """Apply the entries that follow a picture's revision; return the next picture, and what was done.

    Raises:
        LookupError, TypeError, ValueError: an entry does not fit the picture.
    """
    draft = _Draft(picture)
    steps = []
    for entry in entries:
        effect = find_effect(entry.change, draft.picture)
        draft.apply(entry)
        steps.append(Step(entry.revision, effect))
    return draft.finish(), steps


class _Draft:
    """A picture in the making: what is changed is copied first, once.

    Attributes:
        picture: how it stands, but with the names that settings had at the beginning; ``finish`` mends that.
    """

    def __init__(self, picture: Picture) -> None:
        self._settings = dict(picture.settings)
        self.picture = Picture(picture.revision, picture.feature_order, self._settings, picture.names)
        # The settings whose rules have been copied.
        self._owned: set[str] = set()
        self._has_new_names = False

    def apply(self, entry: LogEntry) -> None:
        change = entry.change
        if change.kind == "context_features":
            self._reorder(change.after)
        elif change.kind == "setting":
            self._apply_setting(change)
        else:
            self._apply_rule(change)
        picture = self.picture
        self.picture = Picture(entry.revision, picture.feature_order, self._settings, picture.names)

    def finish(self) -> Picture:
        """Return the picture."""
        if not self._has_new_names:
            return self.picture
        return make_picture(self.picture.revision, self.picture.feature_order, self._settings.values())

    def _reorder(self, features: JSON) -> None:
        before, after = self.picture.feature_order, tuple(cast("list[str]", features))
        self.picture = Picture(self.picture.revision, after, self._settings, self.picture.names)
        # Where features were only added, the others stand as they stood.
        if [feature for feature in after if feature in before] != [feature for feature in before if feature in after]:
            for name, setting in self._settings.items():
                rules = {rule_id: reorder_rule(rule, after) for rule_id, rule in setting.rules.items()}
                self._settings[name] = setting._replace(rules=rules)

    def _apply_setting(self, change: LoggedChange) -> None:
        before = None if change.before is None else setting_from_json(change.before)
        after = None if change.after is None else setting_from_json(change.after)
        rules = {} if before is None else self._settings[before.name].rules
        if before is None or after is None or (before.name, before.aliases) != (after.name, after.aliases):
            self._has_new_names = True
            if before is not None:
                del self._settings[before.name]
                self._owned.discard(before.name)
        if after is not None:
            self._settings[after.name] = enter_setting(after, rules)

    def _apply_rule(self, change: LoggedChange) -> None:
        rule_id = int(change.key)
        state = cast("dict[str, Any]", change.before if change.after is None else change.after)
        rules = self._own_rules(self._settings[state["setting"]])
        if change.after is None:
            del rules[rule_id]
        else:
            # The ids of new rules are higher than all others, so rules stay in order.
            rules[rule_id] = enter_rule(rule_from_json(rule_id, change.after), self.picture.feature_order)

    def _own_rules(self, setting: CatalogSetting) -> dict[int, CatalogRule]:
        name = setting.record.name
        if name not in self._owned:
            self._owned.add(name)
            setting = self._settings[name] = setting._replace(rules=dict(setting.rules))
        return cast("dict[int, CatalogRule]", setting.rules)
