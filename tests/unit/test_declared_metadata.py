"""Metadata as JSON: what programs write in it, and what no service could keep."""

import dataclasses
from datetime import UTC, date, datetime, time
from enum import Enum, IntEnum
from typing import Any
from uuid import UUID

import pytest

from heksher.declared_metadata import write_metadata


class Color(Enum):
    RED = "red"


class Level(IntEnum):
    LOW = 1


@dataclasses.dataclass
class Team:
    name: str
    founded: date


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (None, None),
        (True, True),
        (1.5, 1.5),
        ("text", "text"),
        (Color.RED, "red"),
        (Level.LOW, 1),
        (date(2020, 1, 2), "2020-01-02"),
        (datetime(2020, 1, 2, 3, 4, 5, 6, tzinfo=UTC), "2020-01-02T03:04:05.000006+00:00"),
        (time(3, 4), "03:04:00"),
        (UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (Team("web", date(2020, 1, 2)), {"name": "web", "founded": "2020-01-02"}),
        ([Color.RED, (1,)], ["red", [1]]),
        ({"a": {"b": date(2020, 1, 2)}}, {"a": {"b": "2020-01-02"}}),
    ],
)
def test_what_has_a_form(value: object, written: object) -> None:
    """JSON stays as it is, and what programs write besides becomes JSON."""
    form = write_metadata(value)
    assert (form, type(form)) == (written, type(written))


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (object(), "metadata is JSON, dates, times, UUIDs, enum members and dataclasses, got a value of type object"),
        (Team, "metadata is JSON, .*, got "),
        (float("nan"), "metadata is JSON, .*, got nan"),
        ({"a", "b"}, "metadata is JSON, .*, got a value of type set"),
        ({1: 2}, "the keys of metadata must be strings, got 1"),
    ],
)
def test_what_has_none(value: Any, message: str) -> None:
    """Anything else is a TypeError that shows it, at whatever depth."""
    with pytest.raises(TypeError, match=message):
        write_metadata({"a": [value]})
