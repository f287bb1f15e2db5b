"""Laws of reading a setting: whatever the service says and however the context is given, get answers as the oracle."""

from contextvars import ContextVar, copy_context

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heksher.clients.conversation.conversion import convert_setting
from heksher.clients.conversation.response_reader import QueriedSetting
from heksher.context import ClientContext, ContextDefault, OnMissingContext
from heksher.exceptions import MissingContextError, UnknownFeatureError
from heksher.resolver import use_compiled_code
from heksher.rule_set import Rule
from heksher.setting import Setting
from tests.support.oracle import resolve
from tests.support.rule_strategies import FEATURES, World, worlds

LOCAL_DEFAULT = "the local default"
SERVER_DEFAULT = "the server's default"

# How a client can be given a default: as a constant, by a variable that is set, or by one with a default of its own.
GIVEN = ("constant", "set", "own default")
# How it can have none though something was said: by a variable that is not set, or that is None.
NOT_GIVEN = ("nothing", "unset", "None")


@st.composite
def context_defaults(draw: st.DrawFn, world: World) -> dict[str, tuple[str, str]]:
    """Draw, for each feature, how its default is given, and what it is (without a meaning where there is none)."""
    return {
        feature: (draw(st.sampled_from(GIVEN if feature in world.context_defaults else NOT_GIVEN)), value)
        for feature in world.feature_order
        for value in [world.context_defaults.get(feature, "x")]
    }


def make_default(feature: str, how: str, value: str) -> "ContextDefault | None":
    """Return what a program passes to set_defaults; sets the variable if need be."""
    match how:
        case "constant":
            return value
        case "own default":
            return ContextVar(feature, default=value)
        case "set":
            variable: ContextVar[str] = ContextVar(feature)
            variable.set(value)
            return variable
        case "None":
            empty: ContextVar[str | None] = ContextVar(feature, default=None)
            return empty
    return None if how == "nothing" else ContextVar(feature)


def update(setting: Setting[str], world: World, context: ClientContext, has_default: bool) -> None:
    """Do what a client does with the service's answer."""
    rules = tuple(Rule(rule.rule_id, tuple(sorted(rule.conditions)), rule.value) for rule in world.rules)
    queried = QueriedSetting(rules, has_default=has_default, default_value=SERVER_DEFAULT)
    converted = convert_setting(setting, queried, world.feature_order, context)
    assert converted.is_complete
    setting._switch_to(converted.evaluation.compile())


@pytest.mark.trap(13)
@pytest.mark.trap(16)
@given(st.data(), worlds(), st.booleans(), st.sampled_from(["raise", "no_match"]))
def test_get_answers_as_the_oracle(
    data: st.DataObject, world: World, has_default: bool, on_missing: OnMissingContext
) -> None:
    """For one to five features, with arguments and defaults of every kind in any mix, get is what the oracle says.

    The first reads after an update, and the later ones, which run other code.
    """
    defaults = data.draw(context_defaults(world))
    declared = data.draw(st.permutations(world.feature_order))

    def check() -> None:
        context = ClientContext(FEATURES, on_missing=on_missing)
        made = {feature: make_default(feature, how, value) for feature, (how, value) in defaults.items()}
        context.set_defaults({feature: default for feature, default in made.items() if default is not None})
        setting = Setting("name", str, declared, LOCAL_DEFAULT)
        update(setting, world, context, has_default)
        default = SERVER_DEFAULT if has_default else LOCAL_DEFAULT
        check_get(setting, world, default, is_raising=on_missing == "raise")
        use_compiled_code(setting._get)
        check_get(setting, world, default, is_raising=on_missing == "raise")

    copy_context().run(check)


def check_get(setting: Setting[str], world: World, default: str, *, is_raising: bool) -> None:
    answer = resolve(world.conditions(), world.context, world.feature_order)
    if answer.missing_feature is not None and is_raising:
        with pytest.raises(MissingContextError, match=f"context feature '{answer.missing_feature}'"):
            setting.get(**world.arguments)
        return
    # A rule on a missing feature is none of the matches.
    winner = answer.matches[0] if answer.matches else None
    assert (default if winner is None else f"value {winner}") == setting.get(**world.arguments)


@given(worlds(), worlds())
def test_only_the_last_update_counts(first: World, second: World) -> None:
    """After an update a setting answers as if there had been no other before."""
    context = ClientContext(FEATURES)
    updated, fresh = (Setting("name", str, FEATURES, LOCAL_DEFAULT) for _ in range(2))
    update(updated, first, context, has_default=True)
    for setting in (updated, fresh):
        update(setting, second, context, has_default=False)
    assert fresh.get(**second.full_context) == updated.get(**second.full_context)
    assert fresh.explain(**second.full_context) == updated.explain(**second.full_context)


@given(worlds(), st.sampled_from(FEATURES))
def test_features_of_other_settings_are_errors(world: World, feature: str) -> None:
    """A call may name the features of the setting and no others, whatever the rules."""
    setting = Setting("name", str, world.feature_order, LOCAL_DEFAULT)
    update(setting, world, ClientContext(FEATURES), has_default=True)
    if feature in world.feature_order:
        setting.get(**{**world.full_context, feature: "z"})
    else:
        with pytest.raises(UnknownFeatureError, match=f"not configurable by {feature};"):
            setting.get(**world.full_context, **{feature: "z"})
