"""What both clients do with values that they cannot take as they are: each costs no more than itself."""

from collections.abc import Mapping, Sequence
from enum import Enum, IntFlag

import pytest

from heksher import DeclarationWarning, Setting
from heksher.setting import QueriedRule
from tests.support.drivers import Driver
from tests.support.fake_service import FakeService


class Color(Enum):
    RED = "red"
    BLUE = "blue"


class Right(IntFlag):
    READ = 1
    WRITE = 2


class OwnError(Exception):
    """What a program's own function may raise."""


# What a query may say of a setting, and must not: (what it says).
WRONG_SHAPES = {
    "null": None,
    "text": "rules",
    "number": 5,
    "list": [],
    "empty object": {},
    "rules null": {"default_value": 1, "rules": None},
    "rules object": {"default_value": 1, "rules": {}},
    "rule null": {"default_value": 1, "rules": [None]},
    "rule text": {"default_value": 1, "rules": ["rule"]},
    "rule without id": {"default_value": 1, "rules": [{"value": 2, "context_features": [["a", "x"]]}]},
    "rule without value": {"default_value": 1, "rules": [{"rule_id": 1, "context_features": [["a", "x"]]}]},
    "rule without conditions": {"default_value": 1, "rules": [{"rule_id": 1, "value": 2}]},
    "rule id text": {"default_value": 1, "rules": [{"rule_id": "1", "value": 2, "context_features": []}]},
    "conditions object": {"rules": [{"rule_id": 1, "value": 2, "context_features": {"a": "x"}}]},
    "condition text": {"rules": [{"rule_id": 1, "value": 2, "context_features": ["ax"]}]},
    "condition of three": {"rules": [{"rule_id": 1, "value": 2, "context_features": [["a", "x", "y"]]}]},
    "condition on a number": {"rules": [{"rule_id": 1, "value": 2, "context_features": [["a", 1]]}]},
    "condition on null": {"rules": [{"rule_id": 1, "value": 2, "context_features": [[None, "x"]]}]},
}


@pytest.mark.trap(6)
@pytest.mark.parametrize("shape", WRONG_SHAPES.values(), ids=WRONG_SHAPES.keys())
def test_a_setting_of_a_wrong_shape_stops_no_other(driver: Driver, service: FakeService, shape: object):
    """A setting of which the service says nonsense keeps what it has; the others are updated."""
    good, bad = Setting("good", int, ["a"], 0), Setting("bad", int, ["a"], 0)
    service.add_rule("bad", 1, 3, a="x")
    client = driver.start(service)
    service.settings["bad"] = shape
    service.set_default("good", 7)
    client.reload()
    assert (7, 3) == (good.get(), bad.get(a="x"))
    service.settings["bad"] = {"default_value": 4, "rules": []}
    client.reload()
    assert (7, 4) == (good.get(), bad.get(a="x"))


# JSON that is no value of a type, and what the setting answers in its place.
WRONG_VALUES = [
    (int, 0, [1.5, "1", True, None, [], {}, [1], {"a": 1}]),
    (float, 0.5, ["1", True, None, [], {}, 10**400]),
    (str, "s", [1, True, None, [], {}]),
    (bool, False, [0, 1, "true", None, []]),
    (Color, Color.RED, ["green", 1, None, [], {}, ["red"]]),
    (Right, Right.READ, ["READ", 1, None, {}, {"READ": 1}]),
    (Sequence[str], ("s",), ["abc", 1, None, {}, {"0": "a"}]),
    (Mapping[str, int], {"k": 1}, [[], "abc", 1, None, [["k", 1]]]),
]
wrong_values = pytest.mark.parametrize(
    ("kind", "default", "wrong"), [(kind, default, value) for kind, default, values in WRONG_VALUES for value in values]
)


@pytest.mark.trap(6)
@pytest.mark.trap(17)
@wrong_values
def test_a_wrong_value_is_rejected_by_itself(driver: Driver, service: FakeService, kind, default, wrong):
    """A rule with a value of another type is left out; the other rules, and the other settings, hold."""
    setting, other = Setting("s", kind, ["a"], default), Setting("other", int, ["a"], 0)
    right = setting.type.convert_to_heksher(default)
    service.set_default("s", right)
    service.add_rule("s", 1, wrong, a="x")
    service.add_rule("s", 2, right, a="y")
    service.set_default("other", 7)
    driver.start(service)
    assert (default, default, 7) == (setting.get(a="x"), setting.get(a="y"), other.get())
    assert setting.explain(a="x").source == "server default"
    assert setting.explain(a="y").source == "rule"


@pytest.mark.trap(6)
@wrong_values
def test_a_wrong_default_gives_way_to_the_local_one(driver: Driver, service: FakeService, kind, default, wrong):
    """A default of another type is not taken; the rules are."""
    setting = Setting("s", kind, ["a"], default)
    service.set_default("s", wrong)
    service.add_rule("s", 1, setting.type.convert_to_heksher(default), a="x")
    driver.start(service)
    assert (default, "local default") == (setting.get(a="z"), setting.explain(a="z").source)
    assert (default, "rule") == (setting.get(a="x"), setting.explain(a="x").source)


def test_a_rejected_rule_keeps_its_last_accepted_value(driver: Driver, service: FakeService):
    """A value that is rejected does not take away the one that the rule had; a rule that is new has none."""
    setting = Setting("s", int, ["a", "b"], 0)
    service.add_rule("s", 1, 10, a="x")
    client = driver.start(service)
    service.add_rule("s", 1, "wrong", a="x")
    service.add_rule("s", 2, "wrong", a="y")
    client.reload()
    client.reload()
    assert (10, 0) == (setting.get(a="x", b="-"), setting.get(a="y", b="-"))
    service.add_rule("s", 1, 11, a="x")
    client.reload()
    assert 11 == setting.get(a="x", b="-")


def test_a_rejected_rule_keeps_its_value_whatever_the_feature_order(driver: Driver, service: FakeService):
    """The rule is the same rule when only the order of its conditions has changed."""
    setting = Setting("s", int, ["a", "b"], 0)
    service.add_rule("s", 1, 10, a="x", b="y")
    client = driver.start(service)
    service.features.reverse()
    service.add_rule("s", 1, "wrong", a="x", b="y")
    client.reload()
    assert 10 == setting.get(a="x", b="y")


def test_a_rejected_rule_on_other_conditions_has_no_value(driver: Driver, service: FakeService):
    """The last accepted value was that of other contexts: it must not be answered in the new ones."""
    setting = Setting("s", int, ["a"], 0)
    service.add_rule("s", 1, 10, a="x")
    client = driver.start(service)
    service.add_rule("s", 1, "wrong", a="y")
    client.reload()
    assert (0, 0) == (setting.get(a="x"), setting.get(a="y"))


def test_a_rejected_default_keeps_the_last_accepted_one(driver: Driver, service: FakeService):
    """Before there is one that is the local default."""
    setting = Setting("s", int, ["a"], 1)
    service.set_default("s", "wrong")
    client = driver.start(service)
    assert (1, None) == (setting.get(), setting.server_default_value)
    service.set_default("s", 2)
    client.reload()
    service.set_default("s", "wrong")
    client.reload()
    assert (2, 2) == (setting.get(), setting.server_default_value)


def test_a_default_that_the_service_no_longer_says(driver: Driver, service: FakeService):
    """Without a default in the answer the local one holds."""
    setting = Setting("s", int, ["a"], 1)
    service.set_default("s", 2)
    client = driver.start(service)
    del service.settings["s"]["default_value"]
    client.reload()
    assert (1, None) == (setting.get(), setting.server_default_value)


# ---- validators and on_coerce


@pytest.mark.parametrize("error", [TypeError("no"), ValueError("no"), KeyError("no"), OwnError(), AssertionError()])
def test_a_validator_that_raises_rejects_the_value(driver: Driver, service: FakeService, error: Exception):
    """Whatever a validator raises costs the value that it was asked about, and nothing else."""
    setting, other = Setting("s", int, ["a"], 0), Setting("other", int, ["a"], 0)

    @setting.add_validator
    def refuse_large(value, rule, setting):
        if value > 100:
            raise error
        return value

    service.set_default("s", 101)
    service.add_rule("s", 1, 102, a="x")
    service.add_rule("s", 2, 3, a="y")
    service.set_default("other", 7)
    client = driver.start(service)
    assert (0, 0, 3, 7) == (setting.get(a="z"), setting.get(a="x"), setting.get(a="y"), other.get())
    service.add_rule("s", 1, 50, a="x")
    client.reload()
    assert 50 == setting.get(a="x")


def test_validators_see_every_value_from_the_service(driver: Driver, service: FakeService):
    """They run in order, on rules and default, with the rule and the setting; never on the local default."""
    setting = Setting("s", int, ["a", "b"], 1000)
    seen = []

    @setting.add_validator
    def double(value, rule, setting):
        seen.append((value, rule, setting))
        return value * 2

    setting.add_validator(lambda value, rule, setting: value + 1)
    service.set_default("s", 5)
    service.add_rule("s", 9, 7, a="x", b="y")
    driver.start(service)
    assert (11, 15) == (setting.get(a="-", b="-"), setting.get(a="x", b="y"))
    assert [(7, QueriedRule(9, (("a", "x"), ("b", "y"))), setting), (5, None, setting)] == seen
    assert (9, (("a", "x"), ("b", "y"))) == (seen[0][1].rule_id, seen[0][1].context_features)
    assert 2 == double(1, None, setting)


def test_a_validator_added_later_sees_the_next_answer(driver: Driver, service: FakeService):
    """A validator may be added while the client runs; it runs on what arrives from then on."""
    setting = Setting("s", int, ["a"], 0)
    client = driver.start(service)
    setting.add_validator(lambda value, rule, setting: -value)
    service.set_default("s", 5)
    client.reload()
    assert -5 == setting.get()


def test_on_coerce_sees_what_was_lost(driver: Driver, service: FakeService):
    """It is called with coerced and raw value, what was lost, the rule and the setting; its result is the value."""
    seen = []

    def on_coerce(coerced, raw, coercions, rule, setting):
        seen.append((coerced, raw, list(coercions), rule, setting))
        return coerced | Right.WRITE

    setting = Setting("s", Right, ["a"], Right(0), on_coerce=on_coerce)
    service.set_default("s", ["READ"])
    service.add_rule("s", 1, ["READ", "c"], a="x")
    driver.start(service)
    lost = "server sent a flag value not found in the python type (c)"
    assert [(Right.READ, ["READ", "c"], [lost], QueriedRule(1, (("a", "x"),)), setting)] == seen
    assert (Right.READ, Right.READ | Right.WRITE) == (setting.get(a="-"), setting.get(a="x"))


def test_coerced_values_are_kept_unless_told_otherwise(driver: Driver, service: FakeService):
    """By default what is left of a value after conversion is the value."""
    setting = Setting("s", Sequence[int], ["a"], ())
    service.set_default("s", [1, "x", 3])
    driver.start(service)
    assert (1, 3) == setting.get()


def _raise(error: Exception):
    def on_coerce(*_args):
        raise error

    return on_coerce


@pytest.mark.parametrize("on_coerce", [None, _raise(TypeError()), _raise(OwnError())], ids=["None", "TypeError", "own"])
def test_on_coerce_may_reject(driver: Driver, service: FakeService, on_coerce):
    """``None``, or an exception of any kind, rejects the coerced value and nothing else."""
    setting = Setting("s", Sequence[int], ["a"], (0,), on_coerce=on_coerce)
    service.set_default("s", [1, "x", 3])
    service.add_rule("s", 1, [1, 2], a="x")
    driver.start(service)
    assert ((0,), (1, 2)) == (setting.get(a="-"), setting.get(a="x"))


@pytest.mark.trap(19)
@pytest.mark.parametrize(
    ("kind", "default"),
    [(int, 1.5), (int, True), (int, "1"), (float, "1"), (str, 1), (bool, 1), (Color, "red"), (Sequence[str], "abc")],
)
def test_local_defaults_are_checked(driver: Driver, service: FakeService, kind, default):
    """A default that is no value of the type is warned of where it is written, and the setting is not declared."""
    with pytest.warns(DeclarationWarning, match="setting 's' will be refused .* default value is not of the type"):
        setting = Setting("s", kind, ["a"], default)
    other = Setting("other", int, ["a"], 0)
    service.set_default("other", 1)
    client = driver.start(service)
    assert ["other"] == service.declared()
    assert (default, 1) == (setting.get(), other.get())
    status = client.native.status.settings["s"]
    assert (False, True) == (status.is_declared, "cannot be written as JSON" in status.rejected[0])


def test_values_are_immutable(driver: Driver, service: FakeService):
    """Sequences are tuples and mappings are read-only, also below one another."""
    setting = Setting("s", Mapping[str, Sequence[int]], ["a"], {})
    service.set_default("s", {"k": [1, 2]})
    driver.start(service)
    assert {"k": (1, 2)} == setting.get()
    with pytest.raises(TypeError):
        setting.get()["k"] = ()


def test_a_rule_on_a_feature_that_the_setting_lacks(
    driver: Driver, service: FakeService, caplog: pytest.LogCaptureFixture
):
    """It matches nothing, as no read can name that feature: one warning and the status say which rules that are."""
    setting = Setting("s", int, ["a"], 0)
    service.add_rule("s", 1, 10, b="x")
    service.add_rule("s", 2, 20, a="x", b="y")
    client = driver.start(service)
    client.reload()
    records = [record for record in caplog.records if hasattr(record, "rejected_rules")]
    assert [("WARNING", "s", [1, 2])] == [(item.levelname, item.setting_name, item.rejected_rules) for item in records]
    assert (
        records[0].getMessage().startswith("setting update rejected rules: setting s is not configurable by b in this")
    )
    assert (0, (records[0].getMessage(),)) == (setting.get(a="x"), client.native.status.settings["s"].rejected)


def test_a_rule_on_a_feature_that_the_client_has_a_default_for(
    driver: Driver, service: FakeService, caplog: pytest.LogCaptureFixture
):
    """It matches by that default, and nothing is said of it."""
    setting = Setting("s", int, ["a"], 0)
    service.add_rule("s", 1, 10, b="x")
    client = driver.create(service)
    client.native.set_defaults(b="x")
    client.start()
    assert (10, ()) == (setting.get(a="x"), client.native.status.settings["s"].rejected)
    assert [] == [record for record in caplog.records if hasattr(record, "rejected_rules")]
