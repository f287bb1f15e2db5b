"""What a service holds, as an import that is repeated has to see it: what came from imports, and what was changed here.

An object was changed here if its last change is not that of an import. The change log says which, also after its oldest
entries were removed: an entry of an import has nothing else in it.
"""

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from functools import cache
from typing import Final

from heksher.server.operations.loading import IMPORTING
from heksher.server.storage.base import CONTEXT_FEATURES, RULE, SETTING, Reader, RuleRecord, SettingRecord
from heksher.value_type import is_written_same, parse_value_type

# An alias that an import does not take, although it takes the setting.
ALIAS: Final = "alias"

# A service that is to be moved into has a few entries about its context features at most.
_MAX_FIRST_ENTRIES: Final = 100


@dataclass(frozen=True, slots=True)
class LeftOut:
    """An object that an import does not take, or does not touch, and why.

    Attributes:
        kind, key: the object, as in a ``LoggedChange``, or ``ALIAS`` and an alias.
        reason: in words.
        setting: for a rule or an alias, the name of its setting; ``""`` for other kinds.
    """

    kind: str
    key: str
    reason: str
    setting: str = ""


class Holdings:
    """What a service holds, at the revision of a reader. Belongs to one unit of work.

    Args:
        reader: the state.

    Attributes:
        features: the context features in their order.
        settings: the settings by canonical name.
        names: the canonical name for each name and alias.
        rules: the rules by id, ascending.
        is_imported: returns whether a revision is that of an import.
    """

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self.features: tuple[str, ...] = reader.context_features()
        self.settings: dict[str, SettingRecord] = {setting.name: setting for setting in reader.settings()}
        self.names: dict[str, str] = {
            name: setting.name for setting in self.settings.values() for name in list_names(setting)
        }
        self.rules: dict[int, RuleRecord] = {rule.rule_id: rule for rule in reader.rules()}
        self.is_imported: Callable[[int], bool] = cache(self._look_up)
        self._rules_of: dict[str, list[RuleRecord]] = {}
        for rule in self.rules.values():
            self._rules_of.setdefault(rule.setting, []).append(rule)
        self._is_new = not self.settings and _has_features_only(reader)

    @property
    def are_features_imported(self) -> bool:
        """Whether nobody has arranged the context features here, or there is nothing yet that depends on them."""
        revision = self._reader.features_revision()
        return not self.settings or revision == 0 or self.is_imported(revision)

    def find_counterpart(self, setting: SettingRecord, names_there: Collection[str]) -> SettingRecord | None:
        """Return the setting here that is the same one as a setting there, which may have been renamed since.

        Args:
            setting: the one there.
            names_there: the canonical names of all settings there. Whose alias here is a setting of its own there is
                that other setting, if it is still called so.
        """
        owners = [self.settings[self.names[name]] for name in list_names(setting) if name in self.names]
        owners = [owner for owner in owners if owner.name == setting.name or owner.name not in names_there]
        # An alias comes from a renaming there: it is the setting that is still called so here, even if another one,
        # which is gone there, is still called what this one is called now. Unless it was renamed here.
        renamed = [owner for owner in owners if owner.name in setting.aliases and self.is_imported(owner.revision)]
        return next(iter(renamed or owners), None)

    def list_rules(self, setting: str) -> list[RuleRecord]:
        """Return the rules of a setting."""
        return self._rules_of.get(setting, [])

    def list_changed_rules(self, setting: str) -> list[RuleRecord]:
        """Return the rules of a setting that were added or changed here."""
        return [rule for rule in self.list_rules(setting) if not self.is_imported(rule.revision)]

    def had_setting(self, setting: SettingRecord) -> bool:
        """Return whether a setting there that is not here, under any of its names, was deleted here."""
        if self._is_new:
            return False
        return any(name not in self.names and self._was_deleted_here(name) for name in list_names(setting))

    def had_rule(self, rule_id: int) -> bool:
        """Return whether there was a rule with an id here once."""
        if self._is_new:
            return False
        is_forgotten = self._reader.forgotten_deletion(RULE, str(rule_id)) is not None
        return is_forgotten or bool(self._reader.history(rule_id=rule_id, limit=1, max_changes=1))

    def _was_deleted_here(self, name: str) -> bool:
        newest = self._reader.history(setting=name, limit=1, max_changes=1)
        if newest:
            return newest[0].changes[0].action != IMPORTING
        return self._reader.forgotten_deletion(SETTING, name) not in {None, IMPORTING}

    def _look_up(self, revision: int) -> bool:
        change = self._reader.last_change(revision)
        return change is not None and change.action == IMPORTING


def list_names(setting: SettingRecord) -> tuple[str, ...]:
    """Return all names of a setting, the canonical one first."""
    return (setting.name, *sorted(setting.aliases))


def is_same_setting(setting: SettingRecord, other: SettingRecord) -> bool:
    """Return whether two settings have the same attributes, also where JSON knows a difference and Python none."""
    return (
        setting == other
        and is_written_same(setting.default_value, other.default_value)
        and is_written_same(setting.metadata, other.metadata)
    )


def is_same_rule(rule: RuleRecord, other: RuleRecord) -> bool:
    """Return whether two rules have the same value and metadata."""
    return (rule.value, rule.metadata) == (other.value, other.metadata) and is_written_same(
        [rule.value, dict(rule.metadata)], [other.value, dict(other.metadata)]
    )


def find_misfit(rules: Iterable[RuleRecord], setting: SettingRecord) -> RuleRecord | None:
    """Return a rule that a setting cannot have, for its value or its conditions; ``None`` if it can have all."""
    value_type = parse_value_type(setting.type)
    return next((rule for rule in rules if _is_misfit(rule, value_type.accepts, setting.configurable_features)), None)


def _is_misfit(rule: RuleRecord, accepts: Callable[[object], bool], features: Collection[str]) -> bool:
    return not accepts(rule.value) or any(feature not in features for feature in rule.conditions)


def _has_features_only(reader: Reader) -> bool:
    """Return whether nothing but context features was ever written: then nothing has to be looked up one by one."""
    entries = reader.log(limit=_MAX_FIRST_ENTRIES, max_changes=1)
    if entries and entries[0].revision > 1:
        return False
    return len(entries) < _MAX_FIRST_ENTRIES and all(entry.changes[0].kind == CONTEXT_FEATURES for entry in entries)
