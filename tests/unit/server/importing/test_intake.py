"""What can be taken of an existing service, and why the rest cannot."""

import pytest

from heksher.server.importing.intake import Intake
from heksher.server.operations.imported import LeftOut
from heksher.server.operations.loading import Contents
from heksher.server.storage.base import RuleRecord, SettingRecord

SETTING = {
    "name": "ttl",
    "configurable_features": ["user", "environment"],
    "type": "Sequence < int >",
    "default_value": [1, 2.0],
    "metadata": {"owner": "web"},
    "aliases": ["old_ttl", "ttl"],
    "version": "02.10",
    "extra": 1,
}
RULE = {"rule_id": 7, "value": [3], "context_features": [["user", "x"]], "metadata": {"by": "me"}}


@pytest.fixture
def intake() -> Intake:
    """One that has taken the setting ``ttl``."""
    intake = Intake(["environment", "user"])
    intake.add_setting(SETTING)
    return intake


def test_everything_is_taken(intake: Intake):
    """In canonical form; rules come by their ids, and the next id is above the highest one."""
    intake.add_rule("ttl", RULE)
    intake.add_rule("ttl", {"rule_id": 5, "value": [], "context_features": [["user", 9]], "metadata": None})
    features, aliases = frozenset({"user", "environment"}), frozenset({"old_ttl"})
    setting = SettingRecord("ttl", "Sequence<int>", [1, 2.0], features, "2.10", {"owner": "web"}, aliases)
    rules = [RuleRecord(5, "ttl", {"user": "9"}, []), RuleRecord(7, "ttl", {"user": "x"}, [3], {"by": "me"})]
    assert Contents(("environment", "user"), [setting], rules, 8) == intake.make_contents(None)
    assert [] == intake.refused


@pytest.mark.parametrize(("given", "expected"), [(None, 8), (1, 8), (100, 100)])
def test_the_next_id_can_be_given(intake: Intake, given: int | None, expected: int):
    """One that is not above the highest id is raised to it."""
    intake.add_rule("ttl", RULE)
    assert expected == intake.make_contents(given).next_rule_id


def test_nothing_can_be_taken_of_an_empty_service():
    """And is."""
    assert Contents((), [], [], 1) == Intake([]).make_contents(None)


@pytest.mark.parametrize(
    ("features", "refused"),
    [
        (["user", "a b"], LeftOut("context_features", "a b", "String should match pattern")),
        (["user", "user"], LeftOut("context_features", "user", "it stands twice")),
        ([f"f{number}" for number in range(257)], LeftOut("context_features", "f256", "more than 256")),
    ],
)
def test_a_feature_that_cannot_be_taken_is_told(features: list[str], refused: LeftOut):
    """The others are taken."""
    intake = Intake(features)
    (told,) = intake.refused
    assert (refused.kind, refused.key) == (told.kind, told.key)
    assert refused.reason in told.reason
    assert len(features) - 1 == len(intake.make_contents(None).features)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"name": "a b"}, "name: String should match"),
        ({"name": ".."}, "name: no setting can be named '..'"),
        ({"aliases": ["."]}, "no setting can be named '.'"),
        ({"default_value": None}, "its default is null"),
        ({"default_value": ["x"]}, 'its default ["x"] is no value of its type Sequence<int>'),
        ({"default_value": [float("inf")]}, "too large"),
        ({"metadata": {"a": "\ud800"}}, "surrogate"),
        ({"type": "Set<int>"}, "type: 'Set<int>' is not a type"),
        ({"type": None}, "type: a type is written as a string"),
        ({"configurable_features": []}, "configurable_features: "),
        ({"configurable_features": ["theme"]}, "it is configurable by ['theme']"),
        ({"version": "1"}, "version: "),
        ({"aliases": ["a b"]}, "String should match"),
        ({"aliases": ["old_ttl"]}, "the name 'old_ttl' belongs to setting 'ttl', too"),
        ({"name": "old_ttl"}, "the name 'old_ttl' belongs to setting 'ttl', too"),
    ],
)
def test_a_setting_that_cannot_be_taken_is_told(intake: Intake, change: dict, reason: str):
    """With its rules, each of them."""
    bad = {**SETTING, "name": "bad", "aliases": [], **change}
    intake.add_setting(bad)
    intake.add_rule("bad", RULE)
    setting, rule = intake.refused
    assert ("setting", bad["name"]) == (setting.kind, setting.key)
    assert reason in setting.reason
    assert LeftOut("rule", "7", "its setting cannot be taken", "bad") == rule
    assert (1, 0) == (len(intake.make_contents(None).settings), len(intake.make_contents(None).rules))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"rule_id": None}, "its id is no whole number"),
        ({"rule_id": True}, "its id is no whole number"),
        ({"rule_id": 0}, "its id is no whole number"),
        ({"rule_id": 2**63}, "its id is no whole number"),
        ({"rule_id": 7}, "two rules with this id"),
        ({"value": [1.5]}, "its value [1.5] is no value of the type Sequence<int>"),
        ({"value": None}, "its value null is no value"),
        ({"context_features": []}, "feature_values: "),
        ({"context_features": None}, "its conditions are no pairs"),
        ({"context_features": [["user"]]}, "its conditions are no pairs"),
        ({"context_features": [["user", "a"], ["user", "b"]]}, "two conditions on one context feature"),
        ({"context_features": [["user", None]]}, "feature_values.user: "),
        ({"context_features": [["user", ["a"]]]}, "feature_values.user: "),
        ({"context_features": [["theme", "dark"]]}, "its setting is not configurable by ['theme']"),
        ({"context_features": [["user", "x"]]}, "rule 7 has the same conditions"),
        ({"metadata": {"a b": 1}}, "metadata."),
        ({"metadata": [1]}, "metadata: "),
    ],
)
def test_a_rule_that_cannot_be_taken_is_told(intake: Intake, change: dict, reason: str):
    """With its id and the name of its setting."""
    intake.add_rule("ttl", RULE)
    bad = {**RULE, "rule_id": 8, "context_features": [["user", "y"]], **change}
    intake.add_rule("ttl", bad)
    (told,) = intake.refused
    assert ("rule", str(bad["rule_id"]), "ttl") == (told.kind, told.key, told.setting)
    assert reason in told.reason
    assert 1 == len(intake.make_contents(None).rules)
