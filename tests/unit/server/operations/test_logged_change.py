"""How objects look in the change log."""

from heksher.server.operations import changes
from heksher.server.storage.base import Change
from tests.support.pictured import ORDER, RULE, RULE_PICTURE, SETTING, SETTING_PICTURE


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
