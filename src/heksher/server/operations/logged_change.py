"""Builds the changes to record, each with the fields that differ."""

from collections.abc import Iterable, Iterator, Sequence

from heksher.server.json_form import list_differences, rule_to_json, setting_to_json
from heksher.server.storage.base import CONTEXT_FEATURES, RULE, SETTING, LoggedChange, RuleRecord, SettingRecord


def change_features(action: str, before: Sequence[str], after: Sequence[str]) -> LoggedChange:
    """Return the change of the list of context features."""
    return LoggedChange(
        action, CONTEXT_FEATURES, "", {"context_features": list(before)}, {"context_features": list(after)}
    )


def change_setting(
    action: str, before: SettingRecord | None, after: SettingRecord, order: Sequence[str]
) -> LoggedChange:
    """Return the change of a setting that was added or changed; a renamed one is recorded under its new name."""
    added = setting_to_json(after, order)
    if before is None:
        return LoggedChange(action, SETTING, after.name, None, added)
    return LoggedChange(action, SETTING, after.name, *list_differences(setting_to_json(before, order), added))


def delete_setting(
    before: SettingRecord, rules: Iterable[RuleRecord], order: Sequence[str], action: str = "delete"
) -> Iterator[LoggedChange]:
    """Yield the changes of a setting's deletion: first its rules, then the setting itself."""
    for rule in rules:
        yield delete_rule(rule, order, action)
    yield LoggedChange(action, SETTING, before.name, setting_to_json(before, order), None)


def add_rule(after: RuleRecord, order: Sequence[str], action: str = "add") -> LoggedChange:
    """Return the change of a rule that was added."""
    return LoggedChange(action, RULE, str(after.rule_id), None, rule_to_json(after, order), after.setting)


def change_rule(action: str, before: RuleRecord, after: RuleRecord, order: Sequence[str]) -> LoggedChange:
    """Return the change of a rule that was changed."""
    differences = list_differences(rule_to_json(before, order), rule_to_json(after, order))
    return LoggedChange(action, RULE, str(after.rule_id), *differences, after.setting)


def delete_rule(before: RuleRecord, order: Sequence[str], action: str = "delete") -> LoggedChange:
    """Return the change of a rule that was deleted."""
    return LoggedChange(action, RULE, str(before.rule_id), rule_to_json(before, order), None, before.setting)
