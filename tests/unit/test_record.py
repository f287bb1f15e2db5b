"""Results that programs read: built by keywords, frozen, compared by value, and written as JSON."""

import copy
import json
import pickle
from collections import OrderedDict
from collections.abc import Mapping
from datetime import UTC, date, datetime, time
from decimal import Decimal
from enum import Enum, Flag, IntEnum, IntFlag
from types import MappingProxyType
from typing import Any

import pytest

from heksher.clients.reporting.status import ClientStatus, SettingStatus
from heksher.explanation import Explanation
from heksher.record import Record, to_json


class Point(Record):
    """Somewhere."""

    __slots__ = ("x", "y")

    y: int
    x: Any


class NamedPoint(Point):
    """Somewhere that has a name."""

    __slots__ = ("name",)

    name: str


class Color(Enum):
    RED = "red"
    TWO = (1, 2)


class Level(IntEnum):
    LOW = 1


class Permission(IntFlag):
    WRITE = 2
    READ = 1
    BOTH = 3


class Side(Flag):
    LEFT = 1


def make_point(**fields: Any) -> Point:
    return Point(**{"y": 1, "x": 2, **fields})


def test_fields():
    """Fields are in the order in which they are written in the class, those of a base class first."""
    assert "Point(y=1, x=2)" == repr(make_point())
    assert "NamedPoint(y=1, x=2, name='here')" == repr(NamedPoint(y=1, x=2, name="here"))


@pytest.mark.parametrize(
    ("fields", "wrong"), [({"y": 1}, "x"), ({"y": 1, "x": 2, "z": 3}, "z"), ({"x": 1, "z": 2}, "y, z")]
)
def test_missing_and_unknown_fields(fields: dict[str, int], wrong: str):
    """Each field is given once, by its name."""
    with pytest.raises(TypeError) as raised:
        Point(**fields)
    assert f"Point has the fields y, x; missing or unknown: {wrong}" == str(raised.value)


def test_no_positions():
    """A result cannot be made from, nor taken apart into, values by their position."""
    with pytest.raises(TypeError):
        Point(1, 2)  # type: ignore[misc]
    with pytest.raises(TypeError):
        _, _ = make_point()  # type: ignore[misc]


def test_frozen():
    """A field can be neither set nor deleted, and no attribute can be added."""
    point = make_point()
    for change in (lambda: setattr(point, "x", 5), lambda: delattr(point, "x"), lambda: setattr(point, "other", 5)):
        with pytest.raises(AttributeError, match="Point cannot be changed: "):
            change()
    assert make_point() == point
    assert not hasattr(point, "__dict__")


def test_equality():
    """Records of one class are equal if their fields are; hashable if these are."""
    assert make_point() == make_point()
    assert make_point() != make_point(x=3)
    assert make_point() != (1, 2)
    assert make_point() != NamedPoint(y=1, x=2, name="here")
    assert 1 == len({make_point(), make_point()})
    with pytest.raises(TypeError, match="unhashable"):
        hash(make_point(x=[]))


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy, lambda point: pickle.loads(pickle.dumps(point))])  # noqa: S301 - written by the test itself
def test_copies(duplicate: Any):
    """A record can be copied and pickled."""
    assert make_point(x=[1]) == duplicate(make_point(x=[1]))


def test_replace():
    """A copy can differ in some fields, as ``copy.replace`` of later versions of Python makes it."""
    assert make_point(x=5) == make_point().__replace__(x=5)
    with pytest.raises(TypeError, match="missing or unknown: z"):
        make_point().__replace__(z=5)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None),
        (True, True),
        (1.5, 1.5),
        ("text", "text"),
        (Color.RED, "red"),
        (Color.TWO, [1, 2]),
        (Level.LOW, 1),
        (Permission.READ, ["READ"]),
        (Permission.BOTH, ["READ", "WRITE"]),
        (Permission(0), []),
        (Permission(4), 4),
        (Side.LEFT, 1),
        (datetime(2026, 11, 1, 12, tzinfo=UTC), "2026-11-01T12:00:00+00:00"),
        (date(2026, 11, 1), "2026-11-01"),
        (time(12, 30), "12:30:00"),
        ((1, [Color.RED]), [1, ["red"]]),
        (frozenset([5]), [5]),
        (MappingProxyType({"a": (Color.RED,)}), {"a": ["red"]}),
        (OrderedDict([(Level.LOW, 2)]), {"1": 2}),
        (Decimal("1.50"), "1.50"),
        (Point(y=Color.RED, x=(Point(y=1, x=2),)), {"y": "red", "x": [{"y": 1, "x": 2}]}),
    ],
    ids=repr,
)
def test_json(value: object, expected: object):
    """Everything has a form that ``json.dumps`` takes; what has none of its own is text."""
    form = to_json(value)
    assert expected == form
    assert type(expected) is type(form)
    assert expected == json.loads(json.dumps(form))


def test_as_dict():
    """The dictionary has the fields in their order."""
    assert [("y", 1), ("x", ["red"])] == list(make_point(x=[Color.RED]).as_dict().items())


@pytest.mark.parametrize("record_class", [ClientStatus, SettingStatus, Explanation])
def test_results_have_no_dictionary(record_class: type[Record]):
    """Each field of a result of this library has a slot."""
    slots: Mapping[str, Any] | tuple[str, ...] = vars(record_class)["__slots__"]
    assert set(record_class.__annotations__) == set(slots)
