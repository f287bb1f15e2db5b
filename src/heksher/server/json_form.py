"""The JSON form of settings and rules, for the API and the change log: how it is written and read.

A JSON form has everything needed to restore the object. Features and conditions are in the service's order and aliases
are sorted by bytes, so equal objects have equal JSON forms.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, cast

from heksher.server.json_bytes import encode
from heksher.server.storage.base import RuleRecord, SettingRecord
from heksher.value_type import JSON

JSONObject = dict[str, JSON]


def sort_features(features: Collection[str], order: Sequence[str]) -> list[str]:
    """Return some of the context features, sorted in the service's order."""
    return [feature for feature in order if feature in features]


def setting_to_json(setting: SettingRecord, order: Sequence[str]) -> JSONObject:
    """Return the seven attributes of a setting."""
    return {
        "name": setting.name,
        "configurable_features": sort_features(setting.configurable_features, order),
        "type": setting.type,
        "default_value": setting.default_value,
        "metadata": dict(setting.metadata),
        "aliases": sorted(setting.aliases),
        "version": setting.version,
    }


def conditions_to_json(rule: RuleRecord, order: Sequence[str]) -> list[JSON]:
    """Return the conditions of a rule as pairs of feature and value."""
    return [[feature, rule.conditions[feature]] for feature in sort_features(rule.conditions, order)]


def rule_to_json(rule: RuleRecord, order: Sequence[str]) -> JSONObject:
    """Return the attributes of a rule, without its id."""
    return {
        "setting": rule.setting,
        "value": rule.value,
        "feature_values": conditions_to_json(rule, order),
        "metadata": dict(rule.metadata),
    }


def list_differences(before: JSONObject, after: JSONObject) -> tuple[JSONObject, JSONObject]:
    """Return the attributes that differ between two JSON forms of an object, with their values in each.

    Values differ if their JSON text differs: ``1`` from ``1.0``, and objects with their keys in another order.
    """
    names = [name for name in before if not _is_same(before[name], after[name])]
    return {name: before[name] for name in names}, {name: after[name] for name in names}


def update_setting(setting: SettingRecord, fields: Mapping[str, JSON]) -> SettingRecord:
    """Return a setting with some attributes replaced by those of a JSON form."""
    return setting_from_json({**setting_to_json(setting, sorted(setting.configurable_features)), **fields})


def update_rule(rule: RuleRecord, fields: Mapping[str, JSON]) -> RuleRecord:
    """Return a rule with some attributes replaced by those of a JSON form."""
    attributes = cast("dict[str, Any]", fields)
    return RuleRecord(
        rule_id=rule.rule_id,
        setting=attributes.get("setting", rule.setting),
        conditions=dict(attributes["feature_values"]) if "feature_values" in attributes else rule.conditions,
        value=attributes.get("value", rule.value),
        metadata=attributes.get("metadata", rule.metadata),
    )


def setting_from_json(picture: Mapping[str, JSON]) -> SettingRecord:
    """Return the setting that has this JSON form."""
    attributes = cast("dict[str, Any]", picture)
    return SettingRecord(
        name=attributes["name"],
        type=attributes["type"],
        default_value=attributes["default_value"],
        configurable_features=frozenset(attributes["configurable_features"]),
        version=attributes["version"],
        metadata=attributes["metadata"],
        aliases=frozenset(attributes["aliases"]),
    )


def rule_from_json(rule_id: int, picture: Mapping[str, JSON]) -> RuleRecord:
    """Return the rule that has this id and JSON form."""
    attributes = cast("dict[str, Any]", picture)
    return RuleRecord(
        rule_id=rule_id,
        setting=attributes["setting"],
        conditions=dict(attributes["feature_values"]),
        value=attributes["value"],
        metadata=attributes["metadata"],
    )


def _is_same(value: JSON, other: JSON) -> bool:
    # A change of another attribute leaves the value the same object, which saves encoding what may be megabytes.
    return value is other or encode(value) == encode(other)
