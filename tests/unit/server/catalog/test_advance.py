"""From one picture to the next, by the change log. What holds for any sequence is in ``tests/property``."""

from collections.abc import Iterable
from dataclasses import replace

import pytest

from heksher.server.catalog.advance import Step, advance
from heksher.server.catalog.effect import EVERYWHERE, Effect
from heksher.server.catalog.picture import Picture
from heksher.server.operations import logged_change
from heksher.server.storage.base import LoggedChange, SettingRecord
from tests.support.catalogs import ORDER, a_picture, a_rule, an_entry
from tests.support.storages import a_setting

A, B = a_setting("a"), a_setting("b", aliases=["old"])
RULES = (a_rule(1, "a"), a_rule(2, "b", {"theme": "dark", "environment": "dev"}))
PICTURE = a_picture(A, B, rules=RULES)


def apply(*several: LoggedChange | Iterable[LoggedChange], to: Picture = PICTURE) -> Picture:
    """Apply changes, as the entries that follow a picture; several in one entry are given together."""
    entries = [
        an_entry(number, *([changes] if isinstance(changes, LoggedChange) else changes))
        for number, changes in enumerate(several, to.revision + 1)
    ]
    return advance(to, entries)[0]


def change_setting(before: SettingRecord | None, after: SettingRecord) -> LoggedChange:
    return logged_change.change_setting("declare", before, after, ORDER)


def test_nothing_changes_without_entries():
    """The picture is the same one."""
    assert (PICTURE, []) == advance(PICTURE, [])


def test_each_step_is_told():
    """With its revision and what it shows in, which may be nothing."""
    several = [
        logged_change.add_rule(a_rule(3, "b", {"user": "x"}), ORDER),
        change_setting(A, replace(A, version="1.1")),
        logged_change.change_features("add", ORDER, (*ORDER, "zone")),
    ]
    picture, steps = advance(PICTURE, [an_entry(number, change) for number, change in enumerate(several, 8)])
    effect = Effect(frozenset({"b", "old"}), (("user", "x"),))
    assert [Step(8, (effect,)), Step(9, ()), Step(10, (EVERYWHERE,))] == steps
    assert 10 == picture.revision


def test_the_earlier_picture_stays_as_it_is():
    """It may be being read."""
    apply(
        logged_change.add_rule(a_rule(3, "a"), ORDER),
        logged_change.delete_setting(B, [RULES[1]], ORDER),
        logged_change.change_features("move", ORDER, ORDER[::-1]),
    )
    assert a_picture(A, B, rules=RULES) == PICTURE


def test_what_does_not_change_is_shared():
    """A change costs what it changes, whatever the size of the picture."""
    picture = apply(logged_change.add_rule(a_rule(3, "b"), ORDER))
    assert PICTURE.settings["a"] is picture.settings["a"]
    assert PICTURE.settings["b"].rules[2] is picture.settings["b"].rules[2]
    assert PICTURE.names is picture.names


def test_rules_come_and_go():
    """Added, changed and deleted, also one after the other in one setting."""
    added = [a_rule(number, "a") for number in (3, 4)]
    picture = apply(
        *(logged_change.add_rule(rule, ORDER) for rule in added),
        logged_change.change_rule("set value", RULES[0], replace(RULES[0], value=99), ORDER),
        logged_change.delete_rule(added[0], ORDER),
    )
    expected = (replace(RULES[0], value=99, revision=10), RULES[1], replace(added[1], revision=9))
    assert a_picture(A, B, rules=expected, revision=11) == picture
    assert [1, 4] == list(picture.settings["a"].rules)


def test_settings_come_and_go():
    """In their order, with their names; the rules of one that is deleted go, too."""
    picture = apply(change_setting(None, a_setting("Z")), logged_change.delete_setting(A, [RULES[0]], ORDER))
    assert a_picture(a_setting("Z"), B, rules=RULES[1:], revision=9) == picture
    assert ["Z", "b"] == list(picture.settings)


def test_a_setting_that_is_deleted_and_declared_anew_has_no_rules():
    """Not even those that it had a moment ago."""
    picture = apply(logged_change.delete_setting(A, [RULES[0]], ORDER), change_setting(None, A))
    assert a_picture(A, B, rules=RULES[1:], revision=9) == picture


def test_attributes_change():
    """The rules stay."""
    changed = replace(B, default_value=61, version="2.0", metadata={"k": 1})
    assert a_picture(A, changed, rules=RULES, revision=8) == apply(change_setting(B, changed))


def test_a_renamed_setting_takes_its_rules_along():
    """And those that are added in the same go."""
    renamed = replace(B, name="A", aliases=frozenset({"b", "old"}))
    added = replace(a_rule(3, "b"), revision=8), replace(a_rule(4, "b"), revision=10)
    moved = [replace(rule, setting="A") for rule in (RULES[1], *added)]
    picture = apply(
        logged_change.add_rule(a_rule(3, "b"), ORDER),
        change_setting(B, renamed),
        logged_change.add_rule(moved[2], ORDER),
    )
    assert a_picture(A, renamed, rules=[RULES[0], *moved], revision=10) == picture
    assert ["A", "a"] == list(picture.settings)


def test_name_and_alias_are_swapped():
    """All names are the same as before, and the setting is no longer there by its old one."""
    swapped = replace(B, name="old", aliases=frozenset({"b"}))
    moved = replace(RULES[1], setting="old")
    assert a_picture(A, swapped, rules=[RULES[0], moved], revision=8) == apply(change_setting(B, swapped))


@pytest.mark.parametrize(
    "order",
    [("theme", "user", "environment"), (*ORDER, "zone"), ("zone", *ORDER), ("environment", "theme")],
)
def test_conditions_follow_the_features(order: tuple[str, ...]):
    """Also those of rules that are added afterwards."""
    rule = a_rule(3, "b", {"theme": "x", "environment": "y"})
    picture = apply(logged_change.change_features("move", ORDER, order), logged_change.add_rule(rule, order))
    rules = [*RULES[1:], replace(rule, revision=9)]
    expected = a_picture(A, B, rules=[RULES[0], *rules], revision=9, order=order)
    assert expected.settings["b"] == picture.settings["b"]
    assert order == picture.feature_order


@pytest.mark.parametrize(
    "change",
    [
        *logged_change.delete_setting(a_setting("c"), [], ORDER),
        logged_change.add_rule(a_rule(3, "c"), ORDER),
        logged_change.delete_rule(a_rule(3, "a"), ORDER),
        LoggedChange("add", "rule", "no number", None, {}),
        LoggedChange("move", "context_features", "", None, None),
        LoggedChange("move", "context_features", "", None, {}),
        LoggedChange("change", "rule", "1", {"value": 1}, {"odd": 1}, "a"),
        LoggedChange("change", "setting", "a", {"odd": 1}, {"odd": 2}),
        LoggedChange("change", "setting", "a", None, None),
        LoggedChange("add", "odd", "1", None, {}),
    ],
)
def test_an_entry_that_does_not_fit_is_an_error(change: LoggedChange):
    """The log is about another state, then."""
    with pytest.raises((KeyError, TypeError, ValueError)):
        apply(change)


def test_an_entry_that_is_not_whole_is_an_error():
    """What is missing would never be caught up with."""
    entry = replace(an_entry(8, logged_change.add_rule(a_rule(3, "a"), ORDER)), size=2)
    with pytest.raises(ValueError, match="of the 2 changes of entry 8 only 1 are here"):
        advance(PICTURE, [entry])


def test_an_entry_with_several_changes_is_one_step():
    """Its changes are applied in their order, and each shows where it shows."""
    renamed = replace(B, name="c", aliases=frozenset({"b", "old"}))
    changes = [
        logged_change.add_rule(a_rule(3, "a"), ORDER),
        change_setting(B, renamed),
        logged_change.change_rule("set value", replace(RULES[1], setting="c"), replace(RULES[1], setting="c", value=5),
                                  ORDER),
    ]  # fmt: skip
    picture, steps = advance(PICTURE, [an_entry(8, *changes)])
    expected = [RULES[0], a_rule(3, "a"), replace(RULES[1], setting="c", value=5)]
    assert ["a", "c"] == list(picture.settings)
    assert [rule.value for rule in expected] == [
        rule.read_value() for setting in picture.settings.values() for rule in setting.rules.values()
    ]
    (step,) = steps
    assert (8, 3) == (step.revision, len(step.effects))
    assert [{"a"}, {"b", "c", "old"}, {"c"}] == [set(effect.names) for effect in step.effects]


def test_a_rule_that_comes_back_stands_in_its_place():
    """By its id, which is below those of others."""
    picture = apply(
        logged_change.add_rule(a_rule(3, "a"), ORDER),
        logged_change.delete_rule(RULES[0], ORDER),
        logged_change.add_rule(RULES[0], ORDER),
    )
    assert [1, 3] == list(picture.settings["a"].rules)


def test_what_is_changed_has_the_revision_of_its_change():
    """And nothing else: a rule's change is none of its setting, nor a setting's one of its rules."""
    renamed = replace(B, name="c", aliases=frozenset({"b", "old"}))
    picture = apply(
        logged_change.change_rule("set value", RULES[0], replace(RULES[0], value=5), ORDER),
        change_setting(B, renamed),
        logged_change.change_features("move", ORDER, ORDER[::-1]),
    )
    assert (0, 9) == tuple(picture.settings[name].record.revision for name in ("a", "c"))
    assert (8, 0) == (picture.settings["a"].rules[1].revision, picture.settings["c"].rules[2].revision)
    assert 10 == picture.features_revision
