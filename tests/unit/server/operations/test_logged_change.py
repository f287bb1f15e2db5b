"""How objects look in the change log."""

from heksher.server.operations import logged_change
from heksher.server.storage.base import LoggedChange
from tests.support.pictured import ORDER, RULE, RULE_PICTURE, SETTING, SETTING_PICTURE


def test_each_kind_of_change():
    """Each has the object before and after; a deleted setting has its rules with their ids."""
    assert [
        LoggedChange("declare", "setting", "b", None, SETTING_PICTURE),
        LoggedChange("rename", "setting", "b", SETTING_PICTURE, SETTING_PICTURE),
        LoggedChange("delete", "setting", "b", {**SETTING_PICTURE, "rules": [{"rule_id": 7, **RULE_PICTURE}]}, None),
        LoggedChange("add", "rule", "7", None, RULE_PICTURE),
        LoggedChange("set value", "rule", "7", RULE_PICTURE, RULE_PICTURE),
        LoggedChange("delete", "rule", "7", RULE_PICTURE, None),
        LoggedChange("move", "context_features", "", ["a", "b"], ["b", "a"]),
    ] == [
        logged_change.change_setting("declare", None, SETTING, ORDER),
        logged_change.change_setting("rename", SETTING, SETTING, ORDER),
        logged_change.delete_setting(SETTING, [RULE], ORDER),
        logged_change.add_rule(RULE, ORDER),
        logged_change.change_rule("set value", RULE, RULE, ORDER),
        logged_change.delete_rule(RULE, ORDER),
        logged_change.change_features("move", ("a", "b"), ("b", "a")),
    ]
