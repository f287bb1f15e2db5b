"""Mappings from the service: dicts for everything that takes one, but for changes."""

import copy
import json
import pickle
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from heksher.read_only_dict import ReadOnlyDict


@pytest.mark.parametrize(
    "change",
    [
        lambda value: value.__setitem__("a", 2),
        lambda value: value.__delitem__("a"),
        lambda value: value.__ior__({"a": 2}),
        lambda value: value.update(a=2),
        lambda value: value.setdefault("b", 2),
        lambda value: value.pop("a", None),
        lambda value: value.popitem(),
        lambda value: value.clear(),
    ],
)
def test_nothing_changes_it(change: Callable[[Any], object]) -> None:
    """Every method that changes a dict is a TypeError that says what to do."""
    value = ReadOnlyDict({"a": 1})
    with pytest.raises(TypeError, match=r"read-only.* change a copy"):
        change(value)
    assert value == {"a": 1}


def test_it_is_a_dict() -> None:
    """It equals one, is dumped as one, and what is made of it can be changed."""
    value = ReadOnlyDict({"a": ReadOnlyDict({"b": 1})})
    assert value == {"a": {"b": 1}}
    assert isinstance(value, Mapping)
    assert json.dumps(value) == '{"a": {"b": 1}}'
    for changed in (value.copy(), dict(value), value | {}, {**value}):
        changed["c"] = ReadOnlyDict()
        assert changed.keys() == {"a", "c"}


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_pickle(protocol: int) -> None:
    """It comes back as what it was, read-only at each depth."""
    value = ReadOnlyDict({"a": ReadOnlyDict({"b": 1})})
    loaded = pickle.loads(pickle.dumps(value, protocol))  # noqa: S301 - its own
    assert (loaded, type(loaded), type(loaded["a"])) == (value, ReadOnlyDict, ReadOnlyDict)


def test_copies() -> None:
    """A copy of what cannot be changed is the thing itself; a deep copy has copies of its values."""
    value = ReadOnlyDict({"a": [1]})
    assert copy.copy(value) is value
    deep = copy.deepcopy(value)
    assert (deep, type(deep)) == (value, ReadOnlyDict)
    assert deep["a"] is not value["a"]
