"""What can be taken of an existing service, and why the rest cannot."""

import json

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
NAN, INFINITY = float("nan"), float("inf")
NESTED = json.loads("[" * 63 + "]" * 63)
RULE = {"rule_id": 7, "value": [3], "context_features": [["user", "x"]], "metadata": {"by": "me"}}


@pytest.fixture
def intake() -> Intake:
    """One that has taken the setting ``ttl``."""
    return take_in(SETTING)


def take_in(*settings: dict) -> Intake:
    intake = Intake(["environment", "user"])
    intake.add_settings(settings)
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
        ({"default_value": None}, "its default is null"),
        ({"default_value": ["x"]}, 'its default ["x"] is no value of its type Sequence<int>'),
        ({"default_value": [NAN]}, "default_value: NaN is no JSON, which has finite numbers only"),
        ({"default_value": [-INFINITY]}, "default_value: a number is infinite, or too large"),
        ({"metadata": {"a": NAN}}, "metadata: NaN is no JSON"),
        ({"metadata": {"a": "\ud800"}}, "metadata: half a surrogate"),
        ({"metadata": {"a": NESTED}}, "the JSON is nested deeper than 64 levels"),
        ({"type": "Set<int>"}, "type: 'Set<int>' is not a type"),
        ({"type": None}, "type: a type is written as a string"),
        ({"configurable_features": []}, "configurable_features: "),
        ({"configurable_features": ["theme"]}, "it is configurable by ['theme']"),
        ({"version": "1"}, "version: "),
    ],
)
def test_a_setting_that_cannot_be_taken_is_told(change: dict, reason: str):
    """With its rules, each of them."""
    bad = {**SETTING, "name": "bad", "aliases": [], **change}
    intake = take_in(SETTING, bad)
    intake.add_rule("bad", RULE)
    setting, rule = intake.refused
    assert ("setting", bad["name"]) == (setting.kind, setting.key)
    assert reason in setting.reason
    assert LeftOut("rule", "7", "its setting cannot be taken", "bad") == rule
    assert (1, 0) == (len(intake.make_contents(None).settings), len(intake.make_contents(None).rules))


def test_a_setting_that_is_listed_twice_is_taken_once():
    """The first one."""
    intake = take_in(SETTING, {**SETTING, "default_value": []})
    assert [LeftOut("setting", "ttl", "there are two settings with this name")] == intake.refused
    assert [[1, 2.0]] == [setting.default_value for setting in intake.make_contents(None).settings]


OTHER = {**SETTING, "name": "other", "aliases": ["ttl", "before"]}
REMEDY = "programs that mean 'other' by it have to say 'other'"


@pytest.mark.parametrize("settings", [(SETTING, OTHER), (OTHER, SETTING)], ids=["before", "after"])
@pytest.mark.parametrize("default", [[1], None], ids=["taken", "refused"])
def test_an_alias_that_is_the_name_of_another_setting_is_left_out(settings: tuple[dict, dict], default: object):
    """And nothing else, whichever is listed first, and whether the other setting can be taken or not."""
    intake = take_in(*({**setting, "default_value": [2] if setting is OTHER else default} for setting in settings))
    taken = {setting.name: set(setting.aliases) for setting in intake.make_contents(None).settings}
    assert {"other": {"before"}} | ({} if default is None else {"ttl": {"old_ttl"}}) == taken
    reason = f"another setting is called so, and keeps the name: {REMEDY}"
    assert LeftOut("alias", "ttl", reason, "other") in intake.refused
    assert (1 if default else 2) == len(intake.refused)


def test_aliases_that_are_no_list_are_left_out():
    """The setting is taken without any."""
    intake = take_in({**SETTING, "aliases": {"a": 1}})
    assert [LeftOut("alias", '{"a": 1}', "it is no text", "ttl")] == intake.refused
    assert [set()] == [set(setting.aliases) for setting in intake.make_contents(None).settings]


@pytest.mark.parametrize("is_first", [True, False])
def test_an_alias_of_two_settings_is_left_out_of_both(*, is_first: bool):
    """Nobody can say whose it is."""
    other = {**OTHER, "aliases": ["old_ttl"]}
    intake = take_in(*((other, SETTING) if is_first else (SETTING, other)))
    assert [set(), set()] == [set(setting.aliases) for setting in intake.make_contents(None).settings]
    told = {(each.key, each.setting): each.reason for each in intake.refused}
    assert {("old_ttl", "ttl"), ("old_ttl", "other")} == told.keys()
    assert f"it is an alias of setting 'ttl', too: {REMEDY}" == told["old_ttl", "other"]


@pytest.mark.trap(35)
@pytest.mark.parametrize(
    ("alias", "key", "reason"),
    [
        ("a b", "a b", "it is no name that a setting can have: String should"),
        ("old\n", "old\n", "it is no name that a setting can have: String should"),
        ("", "", "it is no name that a setting can have: String should"),
        (".", ".", "it is no name that a setting can have: no setting can be named '.'"),
        (1, "1", "it is no text"),
        ({"a": None}, '{"a": null}', "it is no text"),
    ],
)
def test_an_alias_that_is_no_name_is_left_out(alias: object, key: str, reason: str):
    """The setting is taken."""
    intake = take_in({**SETTING, "aliases": [alias, "old_ttl"]})
    (told,) = intake.refused
    assert ("alias", key, "ttl") == (told.kind, told.key, told.setting)
    assert told.reason.startswith(reason)
    assert [{"old_ttl"}] == [set(setting.aliases) for setting in intake.make_contents(None).settings]


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
        ({"value": [NAN]}, "value: NaN is no JSON, which has finite numbers only"),
        ({"value": [INFINITY]}, "value: a number is infinite, or too large"),
        ({"metadata": {"a": NAN}}, "metadata: NaN is no JSON"),
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
