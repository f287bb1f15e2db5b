"""How objects look in the change log."""

from heksher.server.operations import changes
from heksher.server.storage.base import Change, RuleRecord, SettingRecord

ORDER = ("environment", "user", "theme")
SETTING = SettingRecord("b", "int", 1, frozenset({"theme", "environment"}), "1.0", {"k": 1}, frozenset({"a", "B"}))
RULE = RuleRecord(7, "b", {"theme": "dark", "environment": "dev"}, 2, {"by": "me"})
SETTING_PICTURE = {
    "name": "b",
    "configurable_features": ["environment", "theme"],
    "type": "int",
    "default_value": 1,
    "metadata": {"k": 1},
    "aliases": ["B", "a"],
    "version": "1.0",
}
RULE_PICTURE = {
    "setting": "b",
    "value": 2,
    "feature_values": [["environment", "dev"], ["theme", "dark"]],
    "metadata": {"by": "me"},
}


def test_each_kind_of_change():
    """Each has the object before and after; a deleted setting has its rules with their ids."""
    assert [
        Change("declare", "setting", "b", None, SETTING_PICTURE),
        Change("rename", "setting", "b", SETTING_PICTURE, SETTING_PICTURE),
        Change("delete", "setting", "b", {**SETTING_PICTURE, "rules": [{"rule_id": 7, **RULE_PICTURE}]}, None),
        Change("add", "rule", "7", None, RULE_PICTURE),
        Change("set value", "rule", "7", RULE_PICTURE, RULE_PICTURE),
        Change("delete", "rule", "7", RULE_PICTURE, None),
        Change("move", "context_features", "", ["a", "b"], ["b", "a"]),
    ] == [
        changes.change_setting("declare", None, SETTING, ORDER),
        changes.change_setting("rename", SETTING, SETTING, ORDER),
        changes.delete_setting(SETTING, [RULE], ORDER),
        changes.add_rule(RULE, ORDER),
        changes.change_rule("set value", RULE, RULE, ORDER),
        changes.delete_rule(RULE, ORDER),
        changes.change_features("move", ("a", "b"), ("b", "a")),
    ]
