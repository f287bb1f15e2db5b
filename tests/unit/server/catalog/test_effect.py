"""What a write shows in."""

from dataclasses import replace

import pytest

from heksher.server.catalog.effect import EVERYWHERE, Effect, find_effect, find_effects, shows_any
from heksher.server.catalog.query import CatalogQuery
from heksher.server.operations import logged_change
from heksher.server.storage.base import LoggedChange
from tests.support.catalogs import ORDER, a_picture, a_rule
from tests.support.storages import a_setting

SETTING = a_setting("b", default_value=1, aliases=["old"])
RULE = a_rule(7, "b", {"user": "ada", "theme": "dark"})
PICTURE = a_picture(SETTING, rules=[RULE])


def find_setting_effect(before: object, after: object) -> Effect | None:
    return find_effect(logged_change.change_setting("declare", before, after, ORDER), PICTURE)


def test_a_change_of_the_context_features_shows_everywhere():
    """Even in an answer without a setting, whose header has the features."""
    effect = find_effect(logged_change.change_features("move", ORDER, ORDER[::-1]), PICTURE)
    assert effect is EVERYWHERE
    assert effect.shows_in(CatalogQuery(()))


def test_a_new_setting_shows_by_all_its_names():
    """So does one that was deleted."""
    added = find_setting_effect(None, SETTING)
    *_, last = logged_change.delete_setting(SETTING, [RULE], ORDER)
    assert Effect(frozenset({"b", "old"})) == added == find_effect(last, PICTURE)


def test_a_renamed_setting_shows_by_old_and_new_names():
    """Queries by the old name are answered with the new one now."""
    renamed = replace(SETTING, name="new", aliases=frozenset({"b", "old"}))
    assert Effect(frozenset({"new", "b", "old"})) == find_setting_effect(SETTING, renamed)


@pytest.mark.parametrize(
    ("before", "after"),
    [(1, 2), (1, 1.0), (1, True), (0.0, -0.0), ([1], [1.0]), ({"k": 1, "l": 2}, {"l": 2, "k": 1})],
)
def test_another_default_shows(before: object, after: object):
    """Also where only its bytes are others."""
    effect = find_setting_effect(replace(SETTING, default_value=before), replace(SETTING, default_value=after))
    assert Effect(frozenset({"b", "old"})) == effect


def test_what_is_never_answered_shows_nowhere():
    """Type, features, version and metadata of a setting."""
    changed = replace(SETTING, type="float", configurable_features=frozenset(), version="2.0", metadata={"k": 1})
    assert find_setting_effect(SETTING, changed) is None


def test_a_rule_shows_where_its_setting_and_its_conditions_do():
    """By each name of the setting; added, changed or deleted."""
    conditions = (("user", "ada"), ("theme", "dark"))
    effect = Effect(frozenset({"b", "old"}), conditions)
    several = [
        logged_change.add_rule(RULE, ORDER),
        logged_change.change_rule("set value", RULE, replace(RULE, value=11), ORDER),
        logged_change.delete_rule(RULE, ORDER),
    ]
    assert [effect] * 3 == [find_effect(change, PICTURE) for change in several]


def test_metadata_of_a_rule_shows_as_such():
    """Unless the value changes, too: one that is equal to Python is another value."""
    changed = replace(RULE, metadata={"by": "me"})
    assert find_effect(logged_change.change_rule("set metadata", RULE, changed, ORDER), PICTURE).is_metadata_only
    other = replace(changed, value=10.0)
    assert not find_effect(logged_change.change_rule("set value", RULE, other, ORDER), PICTURE).is_metadata_only


def test_a_rule_of_a_setting_that_is_gone_shows_by_its_name():
    """What became of the setting since shows by itself."""
    effect = find_effect(logged_change.add_rule(a_rule(7, "gone"), ORDER), PICTURE)
    assert frozenset({"gone"}) == effect.names


CONDITIONS = (("user", "ada"), ("theme", "dark"))


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        (CatalogQuery(), True),
        (CatalogQuery(("old", "other")), True),
        (CatalogQuery(("other",)), False),
        (CatalogQuery(()), False),
        (CatalogQuery(filters={"user": None}), False),
        (CatalogQuery(filters={"user": None, "theme": frozenset({"dark"})}), True),
        (CatalogQuery(filters={"user": frozenset({"bob"}), "theme": None}), False),
        (CatalogQuery(filters={}), False),
        (CatalogQuery(("other",), {"user": None, "theme": None}), False),
    ],
)
def test_a_rule_shows_in_queries_that_let_it_through(query: CatalogQuery, *, expected: bool):
    """By name and by filters."""
    assert expected == Effect(frozenset({"b", "old"}), CONDITIONS).shows_in(query)


def test_metadata_shows_where_it_is_asked_for():
    """And only where the rule is in the answer at all."""
    effect = Effect(frozenset({"b"}), CONDITIONS, is_metadata_only=True)
    several = [CatalogQuery(), CatalogQuery(include_metadata=True), CatalogQuery(filters={}, include_metadata=True)]
    assert [False, True, False] == [effect.shows_in(query) for query in several]


def test_a_setting_shows_whatever_is_let_through():
    """Its default is in every answer that it is in."""
    assert Effect(frozenset({"b"})).shows_in(CatalogQuery(("b",), {}))


def test_of_several_effects_one_is_enough():
    """And none is not."""
    several = [Effect(frozenset({"a"})), Effect(frozenset({"b"}))]
    assert [True, False] == [shows_any(several, CatalogQuery((name,))) for name in "bc"]
    assert not shows_any([], CatalogQuery())


@pytest.mark.parametrize("kind", ["token", "person", "signing_key", "webhook"])
def test_a_change_of_access_shows_nowhere(kind: str):
    """Whatever fields it has: queries are answered with settings and rules."""
    assert find_effect(LoggedChange("create", kind, "b", None, {"grants": ["read"], "unheard_of": 1}), PICTURE) is None


def test_a_change_of_an_unknown_kind_is_an_error():
    """It cannot be said what it shows in."""
    with pytest.raises(ValueError, match="unknown kind 'unheard_of': some"):
        find_effect(LoggedChange("add", "unheard_of", "some", None, None), PICTURE)


@pytest.mark.parametrize("kind", ["setting", "rule"])
def test_a_change_of_an_unknown_field_is_an_error(kind: str):
    """A later version may have fields that show."""
    for before, after in (({"odd": 1}, {"odd": 2}), (None, None)):
        with pytest.raises(ValueError, match="odd fields"):
            find_effect(LoggedChange("change", kind, "7", before, after, "b"), PICTURE)


def test_a_change_of_a_rule_that_is_gone_shows_wherever_its_setting_does():
    """Its conditions are not known any more."""
    change = logged_change.change_rule("set value", a_rule(8, "b"), a_rule(8, "b", value=11), ORDER)
    assert Effect(frozenset({"b", "old"})) == find_effect(change, PICTURE)


def test_a_rule_shows_by_the_present_names_of_its_setting():
    """The log has the name that the setting had then, which may be an alias now."""
    renamed = replace(SETTING, name="new", aliases=frozenset({"b", "old"}))
    picture = a_picture(renamed, rules=[replace(RULE, setting="new")])
    change = logged_change.change_rule("set value", RULE, replace(RULE, value=11), ORDER)
    assert Effect(frozenset({"new", "b", "old"}), (("user", "ada"), ("theme", "dark"))) == find_effect(change, picture)


def test_the_changes_of_an_entry_show_together():
    """Each effect once; one that is everywhere is enough."""
    rules = [logged_change.add_rule(RULE, ORDER)] * 2
    features = logged_change.change_features("move", ORDER, ORDER[::-1])
    silent = logged_change.change_setting("declare", SETTING, replace(SETTING, version="2.0"), ORDER)
    assert [1, 1, 0] == [len(find_effects(several, PICTURE)) for several in (rules, [*rules, features], [silent])]
    assert (EVERYWHERE,) == find_effects([*rules, features], PICTURE)


def test_many_changes_show_in_their_settings():
    """To look at each of them for each query would take longer than to make answers anew."""
    rules = [logged_change.add_rule(a_rule(number, "b"), ORDER) for number in range(100, 200)]
    assert (Effect(frozenset({"b", "old"})),) == find_effects(rules, PICTURE)
