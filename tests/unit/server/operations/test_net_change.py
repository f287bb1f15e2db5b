"""What several changes come to."""

from collections.abc import Iterable

import pytest

from heksher.server.operations.net_change import NetChange, NetChanges, Sides
from heksher.server.storage.base import Fields, LoggedChange

WHOLE = {"name": "a", "type": "int", "version": "1.0"}
Step = tuple[Fields | None, Fields | None]


def add_up(steps: Iterable[Step]) -> Sides | None:
    """Return what changes of one object come to, which are given in their order."""
    net = NetChange()
    for before, after in [*steps][::-1]:
        net.add(LoggedChange("change", "setting", "a", before, after))
    return net.list_sides()


OTHER = {**WHOLE, "type": "y"}
INT_TO_STR: Step = ({"type": "int"}, {"type": "str"})
STR_TO_INT: Step = ({"type": "str"}, {"type": "int"})
STR_TO_BOOL: Step = ({"type": "str"}, {"type": "bool"})
NEW_VERSION: Step = ({"version": "1.0"}, {"version": "2.0"})
ADDED: Step = (None, WHOLE)
DELETED: Step = (WHOLE, None)
CASES: dict[str, tuple[list[Step], Sides | None]] = {
    "nothing": ([], None),
    "one change": ([INT_TO_STR], INT_TO_STR),
    "several fields": (
        [INT_TO_STR, NEW_VERSION],
        ({"version": "1.0", "type": "int"}, {"version": "2.0", "type": "str"}),
    ),
    "there and back": ([INT_TO_STR, STR_TO_INT], None),
    "first and last word": ([INT_TO_STR, STR_TO_BOOL], ({"type": "int"}, {"type": "bool"})),
    "added": ([ADDED], ADDED),
    "added and changed": ([ADDED, INT_TO_STR], (None, {**WHOLE, "type": "str"})),
    "deleted": ([DELETED], DELETED),
    "changed and deleted": ([STR_TO_INT, DELETED], ({**WHOLE, "type": "str"}, None)),
    "added and deleted": ([ADDED, STR_TO_INT, DELETED], None),
    "deleted and added again": ([DELETED, ADDED], None),
    "changed, deleted, added again and changed": (
        [STR_TO_INT, DELETED, ADDED, NEW_VERSION],
        ({"type": "str", "version": "1.0"}, {"type": "int", "version": "2.0"}),
    ),
    "added, deleted and added": ([ADDED, DELETED, (None, OTHER)], (None, OTHER)),
    "deleted, added and deleted": ([DELETED, (None, OTHER), (OTHER, None)], DELETED),
}


@pytest.mark.parametrize(("steps", "expected"), CASES.values(), ids=CASES.keys())
def test_changes_of_an_object_come_to_what_differs(steps: list[Step], expected: Sides | None):
    """Between the state before the first and the one after the last."""
    assert expected == add_up(steps)


def test_numbers_that_are_written_differently_differ():
    """Though Python takes them for equal."""
    assert "({'type': 1}, {'type': 1.0})" == repr(add_up([({"type": 1}, {"type": 1.0})]))


def change(kind: str, key: str, before: Fields | None, after: Fields | None, setting: str = "") -> LoggedChange:
    return LoggedChange("change", kind, key, before, after, setting)


def test_settings_are_told_apart_though_they_change_names():
    """And take the names of others, which were renamed or deleted before."""
    changes = [
        change("rule", "1", {"value": 1}, {"value": 2}, "a"),
        change("setting", "b", {"name": "a"}, {"name": "b"}),
        change("setting", "a", None, {"name": "a", "type": "int"}),
        change("rule", "2", None, {"value": 5}, "a"),
        change("rule", "1", {"value": 2}, {"value": 3}, "b"),
        change("rule", "1", {"value": 3}, None, "b"),
        change("setting", "b", {"name": "b", "type": "str"}, None),
        change("setting", "b", {"name": "a"}, {"name": "b"}),
        change("rule", "2", {"value": 5}, {"value": 6}, "b"),
    ]
    net = NetChanges()
    for each in changes[::-1]:
        net.add(each)
    deleted, added = sorted(net.finish(), key=lambda each: each.sides is None or each.sides[1] is not None)
    assert ("b", ({"name": "a", "type": "str"}, None), {1: ({"value": 1}, None)}) == (
        deleted.name,
        deleted.sides,
        deleted.rules,
    )
    assert ("b", (None, {"name": "b", "type": "int"}), {2: (None, {"value": 6})}) == (
        added.name,
        added.sides,
        added.rules,
    )


def test_what_comes_to_nothing_is_left_out():
    """Settings as well as rules."""
    net = NetChanges()
    for each in (
        change("rule", "1", {"value": 2}, {"value": 1}, "a"),
        change("rule", "2", {"value": 2}, {"value": 1}, "b"),
        change("rule", "1", {"value": 1}, {"value": 2}, "a"),
        change("rule", "3", {"value": 1}, {"value": 1.0}, "b"),
    ):
        net.add(each)
    (only,) = net.finish()
    assert ("b", None, [2, 3]) == (only.name, only.sides, [*only.rules])
