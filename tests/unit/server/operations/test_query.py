"""The query: what is found at one revision. The answers are in the tests of the route."""

import pytest

from heksher.server.errors import NotFoundError
from heksher.server.operations import rules
from heksher.server.operations.query import query
from heksher.server.storage.base import NOBODY, Storage


@pytest.fixture
def ruled(declared: Storage) -> Storage:
    """One setting with two rules."""
    rules.add(declared, "cache_ttl", {"user": "a"}, 1, {"k": 1}, NOBODY)
    rules.add(declared, "cache_ttl", {"user": "b", "environment": "c"}, 2, {}, NOBODY)
    return declared


FIRST = {"rule_id": 1, "value": 1, "context_features": [["user", "a"]]}
SECOND = {"rule_id": 2, "value": 2, "context_features": [["environment", "c"], ["user", "b"]]}


def test_everything_is_found(ruled: Storage):
    """With the order that the conditions are written in."""
    result = query(ruled, None, None, include_metadata=False)
    assert {"cache_ttl": {"default_value": 60, "rules": [FIRST, SECOND]}} == result.settings
    assert ("environment", "user", "theme") == result.feature_order


@pytest.mark.parametrize(
    ("filters", "expected"),
    [({}, []), ({"user": None}, [FIRST]), ({"user": frozenset("b"), "environment": None}, [SECOND])],
)
def test_filters_are_applied(ruled: Storage, filters: dict, expected: list):
    """A rule stays when each of its conditions is let through."""
    result = query(ruled, ["cache_ttl"], filters, include_metadata=False)
    assert expected == result.settings["cache_ttl"]["rules"]


def test_metadata_is_added_on_demand(ruled: Storage):
    """To each rule."""
    result = query(ruled, None, None, include_metadata=True)
    assert [{**FIRST, "metadata": {"k": 1}}, {**SECOND, "metadata": {}}] == result.settings["cache_ttl"]["rules"]


def test_unknown_names_are_told(ruled: Storage):
    """All of them, the empty one too, and none that is known."""
    with pytest.raises(NotFoundError, match=r"^there are no settings named x, '', y$") as raised:
        query(ruled, ["x", "cache_ttl", "", "y", "x"], None, include_metadata=False)
    assert "setting" == raised.value.kind
