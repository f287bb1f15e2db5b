"""Rows of the tables of settings and rules, as statements take them that add or replace some."""

from typing import Any

from heksher.server.storage.base import RuleRecord, SettingRecord
from heksher.server.storage.json_text import encode_json
from heksher.server.storage.sql_statements import digest_conditions, write_conditions


def make_setting_row(setting: SettingRecord, revision: int) -> dict[str, object]:
    """Return the row of a setting that a revision has made what it is, without its number."""
    return {
        "name": setting.name,
        "type": setting.type,
        "default_value": encode_json(setting.default_value),
        "version": setting.version,
        "metadata": encode_json(setting.metadata),
        "revision": revision,
    }


def make_rule_row(rule: RuleRecord, revision: int) -> dict[str, Any]:
    """Return the row of a rule that a revision has made what it is, without the number of its setting."""
    return {
        "id": rule.rule_id,
        "conditions_digest": digest_conditions(rule.conditions),
        "conditions": write_conditions(rule.conditions),
        "value": encode_json(rule.value),
        "metadata": encode_json(rule.metadata),
        "revision": revision,
    }


def make_replacement(rule: RuleRecord, revision: int) -> dict[str, object]:
    """Return what replaces the row of a rule, which is found by its id, its setting and its conditions."""
    return {
        "rule_id": rule.rule_id,
        "setting": rule.setting,
        "digest": digest_conditions(rule.conditions),
        "value": encode_json(rule.value),
        "metadata": encode_json(rule.metadata),
        "revision": revision,
    }
