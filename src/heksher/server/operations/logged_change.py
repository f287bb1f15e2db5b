"""The changes that are recorded, each with the pictures of its object before and after."""

from collections.abc import Iterable, Sequence

from heksher.server.json_form import picture_rule, picture_setting
from heksher.server.storage.base import Change, RuleRecord, SettingRecord
from heksher.value_type import JSON


def change_features(action: str, before: Sequence[str], after: Sequence[str]) -> Change:
    """Describe a change of the list of context features."""
    return Change(action, "context_features", "", list(before), list(after))


def change_setting(action: str, before: SettingRecord | None, after: SettingRecord, order: Sequence[str]) -> Change:
    """Describe a setting that was added or changed; a renamed one is filed under its new name."""
    old = None if before is None else picture_setting(before, order)
    return Change(action, "setting", after.name, old, picture_setting(after, order))


def delete_setting(before: SettingRecord, rules: Iterable[RuleRecord], order: Sequence[str]) -> Change:
    """Describe the deletion of a setting and its rules."""
    lost: list[JSON] = [{"rule_id": rule.rule_id, **picture_rule(rule, order)} for rule in rules]
    return Change("delete", "setting", before.name, {**picture_setting(before, order), "rules": lost}, None)


def add_rule(after: RuleRecord, order: Sequence[str]) -> Change:
    """Describe a rule that was added."""
    return Change("add", "rule", str(after.rule_id), None, picture_rule(after, order))


def change_rule(action: str, before: RuleRecord, after: RuleRecord, order: Sequence[str]) -> Change:
    """Describe a rule that was changed."""
    return Change(action, "rule", str(after.rule_id), picture_rule(before, order), picture_rule(after, order))


def delete_rule(before: RuleRecord, order: Sequence[str]) -> Change:
    """Describe a rule that was deleted."""
    return Change("delete", "rule", str(before.rule_id), picture_rule(before, order), None)
