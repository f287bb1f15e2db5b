"""How objects look in JSON, in the API and in the change log, and the changes that are recorded.

A picture of an object is everything that is needed to restore it. Features and conditions stand in the service's order,
aliases are sorted by bytes, so that two pictures of one object are equal.
"""

from collections.abc import Collection, Iterable, Sequence

from heksher.server.storage.base import Change, RuleRecord, SettingRecord
from heksher.value_type import JSON

JSONObject = dict[str, JSON]


def sort_features(features: Collection[str], order: Sequence[str]) -> list[str]:
    """Sort some of the service's context features in the service's order."""
    return [feature for feature in order if feature in features]


def picture_setting(setting: SettingRecord, order: Sequence[str]) -> JSONObject:
    """Give the seven attributes of a setting."""
    return {
        "name": setting.name,
        "configurable_features": sort_features(setting.configurable_features, order),
        "type": setting.type,
        "default_value": setting.default_value,
        "metadata": dict(setting.metadata),
        "aliases": sorted(setting.aliases),
        "version": setting.version,
    }


def picture_conditions(rule: RuleRecord, order: Sequence[str]) -> list[JSON]:
    """Give the conditions of a rule as pairs of feature and value."""
    return [[feature, rule.conditions[feature]] for feature in sort_features(rule.conditions, order)]


def picture_rule(rule: RuleRecord, order: Sequence[str]) -> JSONObject:
    """Give all of a rule but its id."""
    return {
        "setting": rule.setting,
        "value": rule.value,
        "feature_values": picture_conditions(rule, order),
        "metadata": dict(rule.metadata),
    }


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
