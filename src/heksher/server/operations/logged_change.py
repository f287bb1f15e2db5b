"""The changes that are recorded, each with the pictures of its object before and after."""

from collections.abc import Iterable, Sequence

from heksher.server.json_form import rule_to_json, setting_to_json
from heksher.server.storage.base import LoggedChange, RuleRecord, SettingRecord
from heksher.value_type import JSON


def change_features(action: str, before: Sequence[str], after: Sequence[str]) -> LoggedChange:
    """Describe a change of the list of context features."""
    return LoggedChange(action, "context_features", "", list(before), list(after))


def change_setting(
    action: str, before: SettingRecord | None, after: SettingRecord, order: Sequence[str]
) -> LoggedChange:
    """Describe a setting that was added or changed; a renamed one is filed under its new name."""
    old = None if before is None else setting_to_json(before, order)
    return LoggedChange(action, "setting", after.name, old, setting_to_json(after, order))


def delete_setting(before: SettingRecord, rules: Iterable[RuleRecord], order: Sequence[str]) -> LoggedChange:
    """Describe the deletion of a setting and its rules."""
    lost: list[JSON] = [{"rule_id": rule.rule_id, **rule_to_json(rule, order)} for rule in rules]
    return LoggedChange("delete", "setting", before.name, {**setting_to_json(before, order), "rules": lost}, None)


def add_rule(after: RuleRecord, order: Sequence[str]) -> LoggedChange:
    """Describe a rule that was added."""
    return LoggedChange("add", "rule", str(after.rule_id), None, rule_to_json(after, order))


def change_rule(action: str, before: RuleRecord, after: RuleRecord, order: Sequence[str]) -> LoggedChange:
    """Describe a rule that was changed."""
    return LoggedChange(action, "rule", str(after.rule_id), rule_to_json(before, order), rule_to_json(after, order))


def delete_rule(before: RuleRecord, order: Sequence[str]) -> LoggedChange:
    """Describe a rule that was deleted."""
    return LoggedChange("delete", "rule", str(before.rule_id), rule_to_json(before, order), None)
