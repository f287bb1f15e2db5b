"""How objects look in the change log."""

from dataclasses import replace

from heksher.server.operations import logged_change
from heksher.server.storage.base import LoggedChange
from tests.support.pictured import ORDER, RULE, RULE_PICTURE, SETTING, SETTING_PICTURE


def test_each_kind_of_change():
    """An object that comes or goes has all fields; one that changes has those that differ, on both sides."""
    renamed = replace(SETTING, name="c", aliases=SETTING.aliases | {"b"})
    names = {"name": "b", "aliases": ["B", "a"]}, {"name": "c", "aliases": ["B", "a", "b"]}
    features = {"context_features": ["a", "b"]}, {"context_features": ["b", "a"]}
    assert [
        LoggedChange("declare", "setting", "b", None, SETTING_PICTURE),
        LoggedChange("rename", "setting", "c", *names),
        LoggedChange("add", "rule", "7", None, RULE_PICTURE, "b"),
        LoggedChange("set value", "rule", "7", {"value": 2}, {"value": 2.0}, "b"),
        LoggedChange("delete", "rule", "7", RULE_PICTURE, None, "b"),
        LoggedChange("move", "context_features", "", *features),
    ] == [
        logged_change.change_setting("declare", None, SETTING, ORDER),
        logged_change.change_setting("rename", SETTING, renamed, ORDER),
        logged_change.add_rule(RULE, ORDER),
        logged_change.change_rule("set value", RULE, replace(RULE, value=2.0), ORDER),
        logged_change.delete_rule(RULE, ORDER),
        logged_change.change_features("move", ("a", "b"), ("b", "a")),
    ]


def test_the_rules_of_a_deleted_setting_go_first():
    """Each is a change of its own, so that the log has all changes of a rule in one form."""
    assert [
        logged_change.delete_rule(RULE, ORDER),
        LoggedChange("delete", "setting", "b", SETTING_PICTURE, None),
    ] == list(logged_change.delete_setting(SETTING, [RULE], ORDER))
