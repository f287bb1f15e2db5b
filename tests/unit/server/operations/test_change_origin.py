"""Entries with several changes of one object: what is between them was never there for anybody."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from heksher.server.errors import RevertConflictError
from heksher.server.operations import context_features, rules, settings
from heksher.server.operations.bulk import run_all
from heksher.server.operations.change_origin import find_origins, identify_object, list_changeable
from heksher.server.operations.declaration import declare
from heksher.server.operations.reverting import revert
from heksher.server.storage.base import NOBODY, RULE, SETTING, LoggedChange, Storage
from tests.support.operations import declaring
from tests.support.random_writes import see_state, write_state

Step = Callable[[Storage], Any]


def set_value(value: int) -> Step:
    return lambda storage: rules.set_value(storage, 1, value, NOBODY)


def add_other(value: int) -> Step:
    return lambda storage: rules.add(storage, "cache_ttl", {"user": "b"}, value, {}, NOBODY)


def set_other(value: int) -> Step:
    return lambda storage: rules.set_value(storage, 2, value, NOBODY)


def delete_other(storage: Storage) -> None:
    rules.delete(storage, 2, NOBODY)


def delete_setting(storage: Storage) -> None:
    settings.delete(storage, "cache_ttl", NOBODY)


def declare_again(default: int) -> Step:
    return lambda storage: declare(storage, declaring(default_value=default), NOBODY)


def rename(name: str, new_name: str) -> Step:
    return lambda storage: settings.rename(storage, name, new_name, "1.0", NOBODY)


def add_feature(name: str) -> Step:
    return lambda storage: context_features.add_feature(storage, name, NOBODY)


def delete_feature(name: str) -> Step:
    return lambda storage: context_features.delete_feature(storage, name, NOBODY)


@pytest.fixture
def ruled(declared: Storage) -> Storage:
    """A storage with a setting and a rule, whose value is 1."""
    rules.add(declared, "cache_ttl", {"user": "a"}, 1, {}, NOBODY)
    return declared


# What is done together, and what somebody else does later, so that it is as it was between.
@pytest.mark.parametrize(
    ("steps", "later"),
    [
        ([set_value(2), set_value(3)], [set_value(2)]),
        ([set_value(2), set_value(1)], [set_value(2)]),
        ([add_other(1), set_other(2)], [set_other(1)]),
        ([delete_setting, declare_again(7)], [declare_again(7), delete_setting]),
        ([rename("cache_ttl", "b"), rename("b", "c")], [rename("c", "b")]),
        ([add_feature("v"), add_feature("w")], [delete_feature("w")]),
    ],
)
def test_what_was_between_is_another_change(ruled: Storage, steps: Sequence[Step], later: Sequence[Step]):
    """So it is not taken back: that would undo what somebody has made later."""
    revision = run_all(ruled, steps, NOBODY).revision
    for step in later:
        step(ruled)
    before = see_state(ruled)
    with pytest.raises(RevertConflictError) as caught:
        revert(ruled, revision, NOBODY, is_forced=True)
    assert write_state(before) == write_state(see_state(ruled))
    told = [change["revision"] for change in caught.value.changes]
    assert told
    assert revision < min(told)


@pytest.mark.parametrize(
    ("steps", "later"),
    [
        ([set_value(2), set_value(1)], []),
        ([set_value(2), set_value(3)], [set_value(1)]),
        ([add_other(1), delete_other], []),
        ([add_other(1), set_other(2)], [delete_other]),
        ([add_feature("v"), delete_feature("v")], []),
    ],
)
def test_what_is_there_already_is_left(ruled: Storage, steps: Sequence[Step], later: Sequence[Step]):
    """Nothing is changed on the way to what there is."""
    revision = run_all(ruled, steps, NOBODY).revision
    for step in later:
        step(ruled)
    assert (0, False) == ((written := revert(ruled, revision, NOBODY)).result, written.is_change)


@pytest.mark.parametrize(
    "steps",
    [
        [set_value(2), set_value(3), set_value(2)],
        [delete_setting, declare_again(7)],
        [rename("cache_ttl", "b"), rename("b", "c"), rename("c", "cache_ttl")],
        [rename("cache_ttl", "b"), rename("b", "c")],
        [add_other(1), set_other(2), set_value(2), delete_other, add_other(3)],
    ],
)
def test_what_is_as_it_was_left_is_what_it_was_before_all(ruled: Storage, steps: Sequence[Step]):
    """Through whatever was between."""
    before = see_state(ruled)
    revision = run_all(ruled, steps, NOBODY).revision
    revert(ruled, revision, NOBODY, is_forced=True)
    assert write_state(before) == write_state(see_state(ruled))


def test_the_origin_has_what_the_changes_say_of_before():
    """Of each object, what the first change of each field says; a setting is the same under each name."""
    changes = [
        LoggedChange("rename", SETTING, "b", {"name": "a"}, {"name": "b"}, subject=1),
        LoggedChange("set value", RULE, "1", {"value": 1}, {"value": 2}, subject=1),
        LoggedChange("add", RULE, "2", None, {"value": 5}, subject=1),
        LoggedChange("delete", RULE, "1", {"value": 2, "metadata": {}}, None, subject=1),
        LoggedChange("delete", RULE, "2", {"value": 5}, None, subject=1),
        LoggedChange("set type", SETTING, "b", {"type": "int", "name": "b"}, {"type": "str", "name": "c"}, subject=1),
    ]
    assert {
        (SETTING, "1"): {"name": "a", "type": "int"},
        (RULE, "1"): {"value": 1, "metadata": {}},
        (RULE, "2"): None,
    } == find_origins(changes)
    assert (SETTING, "1") == identify_object(changes[0]) == identify_object(changes[-1])


def test_conditions_never_change():
    """Nor is the setting of a rule a field of its own."""
    fields = {"setting": "a", "feature_values": [], "value": 1, "metadata": {}}
    assert {"value": 1, "metadata": {}} == list_changeable(RULE, fields)
    assert fields == list_changeable(SETTING, fields)
