"""A setting and a rule, and how they look in JSON."""

from heksher.server.storage.base import RuleRecord, SettingRecord

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
