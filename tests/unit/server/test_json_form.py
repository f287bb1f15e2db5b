"""How settings and rules look in JSON."""

from heksher.server.json_form import (
    conditions_to_json,
    rule_from_json,
    rule_to_json,
    setting_from_json,
    setting_to_json,
    sort_features,
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


def test_a_deleted_settings_picture_can_be_read():
    """It has rules besides, which are no attribute."""
    assert SETTING == setting_from_json({**SETTING_PICTURE, "rules": [{"rule_id": 7, **RULE_PICTURE}]})
