"""A query on a picture."""

import json

import pytest

from heksher.server.catalog.query import CatalogQuery, build_answer, find_settings
from heksher.server.errors import NotFoundError
from tests.support.catalogs import a_picture, a_rule
from tests.support.storages import a_setting

PICTURE = a_picture(
    a_setting("b", default_value=1.0, aliases=["old"]),
    a_setting("A"),
    rules=[
        a_rule(1, "b", {"user": "a"}, 1, {"k": 1}),
        a_rule(2, "b", {"user": "b", "environment": "c"}, 2),
    ],
)
FIRST = {"rule_id": 1, "value": 1, "context_features": [["user", "a"]]}
SECOND = {"rule_id": 2, "value": 2, "context_features": [["environment", "c"], ["user", "b"]]}


def ask(query: CatalogQuery) -> dict:
    return json.loads(build_answer(PICTURE, query))


def list_rules(query: CatalogQuery) -> list:
    return ask(query)["settings"]["b"]["rules"]


def test_everything_is_found():
    """Settings by name, rules by id, conditions in the service's order."""
    answer = build_answer(PICTURE, CatalogQuery())
    expected = {"A": {"default_value": 60, "rules": []}, "b": {"default_value": 1.0, "rules": [FIRST, SECOND]}}
    assert {"settings": expected} == json.loads(answer)
    assert json.dumps({"settings": expected}, separators=(",", ":")).encode() == answer


@pytest.mark.parametrize(
    ("names", "expected"),
    [(None, ["A", "b"]), ((), []), (("b",), ["b"]), (("old", "b"), ["b"]), (("b", "A"), ["A", "b"])],
)
def test_settings_are_found_by_any_name(names: tuple[str, ...] | None, expected: list[str]):
    """Each once, sorted by its canonical name."""
    assert expected == list(ask(CatalogQuery(names))["settings"])
    assert expected == [setting.record.name for setting in find_settings(PICTURE, CatalogQuery(names))]


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        (None, [FIRST, SECOND]),
        ({}, []),
        ({"user": None}, [FIRST]),
        ({"user": frozenset("b"), "environment": None}, [SECOND]),
        ({"user": frozenset(), "environment": None}, []),
        ({"user": frozenset("ab"), "environment": frozenset("c"), "unheard_of": None}, [FIRST, SECOND]),
    ],
)
def test_filters_are_applied(filters: dict | None, expected: list):
    """A rule stays when each of its conditions is let through."""
    assert expected == list_rules(CatalogQuery(("b",), filters))


def test_metadata_is_added_on_demand():
    """To each rule, also an empty one."""
    expected = [{**FIRST, "metadata": {"k": 1}}, {**SECOND, "metadata": {}}]
    assert expected == list_rules(CatalogQuery(include_metadata=True))


def test_aliases_are_added_on_demand():
    """Those that were asked for, none where all settings were."""
    assert {"old": "b"} == ask(CatalogQuery(("A", "old", "b"), include_aliases=True))["aliases"]
    assert {} == ask(CatalogQuery(include_aliases=True))["aliases"]


def test_unknown_names_are_told():
    """All of them, the empty one too, and none that is known."""
    with pytest.raises(NotFoundError, match=r"^the following are not setting names: \['x', '', 'y'\]$") as raised:
        build_answer(PICTURE, CatalogQuery(("x", "b", "", "y")))
    assert "setting" == raised.value.kind


def test_many_unknown_names_are_counted():
    """The first fifty are told."""
    with pytest.raises(NotFoundError, match=r"'s48', 's49'\] and 1 more$"):
        find_settings(PICTURE, CatalogQuery(tuple(f"s{number}" for number in range(51))))
