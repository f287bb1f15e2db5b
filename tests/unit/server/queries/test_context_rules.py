"""Which rules have a condition on a context feature."""

import json

import pytest

from heksher.server.catalog.picture import enter_rule, enter_setting, make_picture
from heksher.server.errors import NotFoundError
from heksher.server.queries.context_rules import find_rules_on
from heksher.server.storage.base import RuleRecord, SettingRecord

ORDER = ("environment", "user", "theme")
CONDITIONS = ({"user": "ada"}, {"user": "bob"}, {"environment": "dev", "user": "ada"}, {"environment": "ada"})
PICTURE = make_picture(
    1,
    ORDER,
    [
        enter_setting(
            SettingRecord(name, "int", 1, frozenset(ORDER), "1.0"),
            {
                first + number: enter_rule(RuleRecord(first + number, name, conditions, 2, {"by": "me"}), ORDER)
                for number, conditions in enumerate(CONDITIONS)
            },
        )
        for name, first in (("b", 10), ("a", 20))
    ],
)


def find(feature: str, value: str | None = None) -> list[tuple[str, int]]:
    return [(found.setting, found.rule.rule_id) for found in find_rules_on(PICTURE, feature, value)]


def test_rules_on_a_value_are_found_in_all_settings():
    assert [("a", 20), ("a", 22), ("b", 10), ("b", 12)] == find("user", "ada")
    assert [] == find("theme", "ada")


def test_rules_on_any_value_are_found():
    assert [("a", 22), ("a", 23), ("b", 12), ("b", 13)] == find("environment")


def test_unknown_feature_is_refused():
    with pytest.raises(NotFoundError, match="'size'"):
        find("size")


def test_keys_are_sorted_as_the_rules_are():
    keys = [found.key for found in find_rules_on(PICTURE, "user", None)]
    assert sorted(keys) == keys


def test_rule_is_written_with_its_setting():
    first = next(find_rules_on(PICTURE, "user", "ada"))
    assert json.loads(first.write()) == {
        "setting": "a",
        "rule_id": 20,
        "value": 2,
        "context_features": [["user", "ada"]],
        "metadata": {"by": "me"},
    }
