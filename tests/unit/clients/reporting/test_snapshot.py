"""Snapshots: what settings answered at one moment."""

from contextvars import ContextVar

import pytest

from heksher.clients.reporting.snapshot import Snapshot
from heksher.context import ClientContext
from heksher.evaluation import Evaluation
from heksher.exceptions import MissingContextError, UnknownFeatureError, UnknownSettingError
from heksher.rule_set import Rule, RuleSet
from heksher.setting import Setting


def publish(setting: Setting[int], default_value: int, *rules: Rule[int], context: ClientContext | None = None) -> None:
    """Do what a client does when an update has come."""
    rule_set = RuleSet(setting.name, rules, ("a",))
    context = context or ClientContext(("a",))
    setting._switch_to(
        Evaluation(rule_set, default_value, "server default", context, setting.configurable_features).compile()
    )


def take(*settings: Setting[int]) -> Snapshot:
    return Snapshot({setting: setting._evaluation for setting in settings})


@pytest.mark.trap(20)
def test_later_updates_do_not_show() -> None:
    """A snapshot goes on answering as at its moment."""
    sizes = [Setting(name, int, ["a"], 0) for name in ("height", "width")]
    for size in sizes:
        publish(size, 1)
    snapshot = take(*sizes)
    publish(sizes[0], 2)
    assert [snapshot.get(size) for size in sizes] == [1, 1]
    assert [size.get() for size in sizes] == [2, 1]


def test_answers_are_those_of_the_setting() -> None:
    """Values, explanations and errors are what the setting itself gave."""
    setting = Setting("size", int, ["a"], 0)
    publish(setting, 1, Rule(7, (("a", "x"),), 2))
    snapshot = take(setting)
    assert snapshot.get(setting, a="x") == 2
    assert setting.explain(a="x") == snapshot.explain(setting, a="x")
    with pytest.raises(MissingContextError):
        snapshot.get(setting)
    with pytest.raises(UnknownFeatureError):
        snapshot.explain(setting, b="x")


def test_context_is_looked_up_at_each_call() -> None:
    """Context variables are those of the moment of the call."""
    variable: ContextVar[str] = ContextVar("a")
    context = ClientContext(("a",))
    context.set_defaults({"a": variable})
    setting = Setting("size", int, ["a"], 0)
    publish(setting, 1, Rule(7, (("a", "x"),), 2), context=context)
    snapshot = take(setting)
    token = variable.set("x")
    assert snapshot.get(setting) == 2
    variable.reset(token)


def test_features_with_names_of_parameters() -> None:
    """A feature may be called self or setting."""
    setting = Setting("size", int, ["self", "setting"], 3)
    assert take(setting).get(setting, self="x", setting="y") == 3
    assert take(setting).explain(setting, self="x", setting="y").value == 3


def test_collection() -> None:
    """A snapshot is a collection of settings."""
    settings = [Setting(name, int, ["a"], 0) for name in ("height", "width")]
    snapshot = take(*settings)
    assert len(snapshot) == 2
    assert settings == list(snapshot)
    assert settings[0] in snapshot
    assert "height" not in snapshot


def test_changes_of_the_mapping_do_not_show() -> None:
    """What a snapshot was made of may be changed afterwards."""
    setting = Setting("size", int, ["a"], 0)
    evaluations = {setting: setting._evaluation}
    snapshot = Snapshot(evaluations)
    evaluations.clear()
    assert snapshot.get(setting) == 0


def test_unknown_setting() -> None:
    """A setting that the snapshot does not hold is named in the error."""
    with pytest.raises(UnknownSettingError) as raised:
        take().get(Setting("size", int, ["a"], 0))
    assert str(raised.value) == (
        "setting 'size' is not in this snapshot: it was created later, or belongs to another client"
    )


def test_repr() -> None:
    """A snapshot shows how many settings it has."""
    sizes = [Setting(name, int, ["a"], 0) for name in ("height", "width")]
    assert ["<Snapshot of 1 setting>", "<Snapshot of 2 settings>"] == [repr(take(sizes[0])), repr(take(*sizes))]
