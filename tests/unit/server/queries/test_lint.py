"""What is found in settings that nobody has looked at for long."""

from heksher.server.catalog.picture import CatalogSetting, enter_rule, enter_setting
from heksher.server.operations.value_limits import LIMITS_KEY
from heksher.server.queries.lint import NO_EFFECT, OUTSIDE_LIMITS, UNREADABLE_LIMITS, lint
from heksher.server.storage.base import RuleRecord, SettingRecord
from heksher.value_type import JSON

ORDER = ("environment", "user", "theme")


def make(name: str, values: dict[str, JSON], limits: JSON = None, default: JSON = 60) -> CatalogSetting:
    """Make a setting with a rule for each user that has a value; their numbers go up from 1."""
    metadata: dict[str, JSON] = {} if limits is None else {LIMITS_KEY: limits}
    record = SettingRecord(name, "int", default, frozenset(ORDER), "1.0", metadata)
    rules = [RuleRecord(number, name, {"user": user}, value) for number, (user, value) in enumerate(values.items(), 1)]
    return enter_setting(record, {rule.rule_id: enter_rule(rule, ORDER) for rule in rules})


def find(*settings: CatalogSetting) -> list[tuple[str, str, int | None]]:
    return [(each.kind, each.setting, each.rule_id) for each in lint(settings, ORDER)]


def test_rules_without_effect_are_found():
    assert [(NO_EFFECT, "b", 2)] == find(make("a", {"ada": 1}), make("b", {"ada": 1, "bob": 60}))


def test_values_outside_limits_are_found():
    limits = {"maximum": 50}
    assert [(OUTSIDE_LIMITS, "a", None), (OUTSIDE_LIMITS, "a", 2)] == find(make("a", {"ada": 1, "bob": 70}, limits))


def test_limits_that_limit_nothing_are_found():
    (finding,) = lint([make("a", {"ada": 1}, {"maximum": "high"})], ORDER)
    assert (UNREADABLE_LIMITS, "a", None) == finding[:3]
    assert "maximum" in finding.message
    assert {"kind": UNREADABLE_LIMITS, "setting": "a", "rule_id": None, "message": finding.message} == finding.to_json()
