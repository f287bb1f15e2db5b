"""How settings and rules look in JSON."""

from dataclasses import replace

from heksher.server.json_form import (
    JSONObject,
    conditions_to_json,
    list_differences,
    rule_from_json,
    rule_to_json,
    setting_from_json,
    setting_to_json,
    sort_features,
    update_rule,
    update_setting,
)
from heksher.server.storage.base import RuleRecord
from tests.support.pictured import ORDER, RULE, RULE_PICTURE, SETTING, SETTING_PICTURE


def test_pictures_have_one_form():
    """Features and conditions stand in the service's order, aliases are sorted by bytes."""
    assert SETTING_PICTURE == setting_to_json(SETTING, ORDER)
    assert RULE_PICTURE == rule_to_json(RULE, ORDER)


def test_features_are_sorted_in_the_services_order():
    """Whatever order they come in, and without those that the service does not have."""
    assert ["environment", "theme"] == sort_features({"theme", "environment", "unheard_of"}, ORDER)
    rule = RuleRecord(1, "b", {"theme": "b", "user": "a"}, 1)
    assert [["user", "a"], ["theme", "b"]] == conditions_to_json(rule, ORDER)


def test_objects_can_be_restored_from_their_pictures():
    """Nothing is lost."""
    assert SETTING == setting_from_json(SETTING_PICTURE)
    assert RULE == rule_from_json(7, RULE_PICTURE)


def test_attributes_are_replaced():
    """The others stay."""
    assert replace(SETTING, version="2.0") == update_setting(SETTING, {"version": "2.0"})
    assert replace(RULE, metadata={}) == update_rule(RULE, {"metadata": {}})


def test_differences_are_what_is_written_differently():
    """Also where Python takes two values for equal."""
    before: JSONObject = {"a": 1, "b": 1, "c": {"k": 1, "l": 2}, "d": [1]}
    after: JSONObject = {"a": 1, "b": 1.0, "c": {"l": 2, "k": 1}, "d": [2]}
    expected = [{name: side[name] for name in "bcd"} for side in (before, after)]
    assert expected == list(list_differences(before, after))
