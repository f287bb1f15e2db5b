"""Results that programs read: built by keywords, frozen, compared by value, and written as JSON."""

import json
from collections import OrderedDict
from dataclasses import dataclass, fields
from datetime import UTC, date, datetime, time
from decimal import Decimal
from enum import Enum, Flag, IntEnum, IntFlag
from types import MappingProxyType
from typing import Any

import pytest

from heksher.clients.reporting.status import ClientStatus, SettingStatus
from heksher.explanation import Explanation
from heksher.record import Record, to_json


@dataclass(frozen=True, kw_only=True, slots=True)
class Point(Record):
    """Somewhere."""

    y: int
    x: Any


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


RESULTS = [ClientStatus, SettingStatus, Explanation]


@pytest.mark.parametrize("result", RESULTS)
def test_results_have_no_positions(result: type[Record]):
    """A result cannot be made from, nor taken apart into, values by their position, so fields can be added."""
    assert {True} == {field.kw_only for field in fields(result)}  # type: ignore[arg-type]
    assert not issubclass(result, tuple)


@pytest.mark.parametrize("result", RESULTS)
def test_results_are_frozen(result: type[Record]):
    """No field of a result can be set, and no attribute added."""
    assert result.__dataclass_params__.frozen  # type: ignore[attr-defined]
    assert not hasattr(result(**{field.name: None for field in fields(result)}), "__dict__")  # type: ignore[arg-type]


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
        (Permission.BOTH, ["WRITE", "READ"]),
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
