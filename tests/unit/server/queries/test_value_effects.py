"""What is told of the effects of a change. That they are all, and right, is in the tests of properties."""

import itertools
from collections.abc import Sequence
from typing import Any

from heksher.server.catalog.advance import advance
from heksher.server.catalog.picture import Picture
from heksher.server.operations import logged_change
from heksher.server.queries.value_effects import MAX_EXAMPLES, MAX_EXCEPTIONS, find_value_effects
from heksher.server.storage.base import LoggedChange
from tests.support.catalogs import ORDER, a_picture, a_rule, an_entry
from tests.support.storages import a_setting

SETTING = a_setting(features=ORDER)


def find(picture: Picture, *changes: LoggedChange, new_rule_ids: Sequence[int] = ()) -> list[dict[str, Any]]:
    after, _ = advance(picture, (an_entry(picture.revision + 1, *changes),))
    return list(find_value_effects(picture, after, changes, new_rule_ids))


def side(value: object, rule_id: int | None = None) -> dict[str, object]:
    return {"value": value, "source": "default" if rule_id is None else "rule", "rule_id": rule_id}


def tell(effects: list[dict[str, Any]]) -> list[tuple[object, ...]]:
    return [tuple(effect[name] for name in ("setting", "conditions", "before", "after")) for effect in effects]


def test_a_changed_rule_has_another_value_where_it_wins():
    """With what makes exceptions of it, and contexts to look at."""
    before, after = a_rule(1, conditions={"user": "ada"}), a_rule(1, conditions={"user": "ada"}, value=11)
    rules = [before, a_rule(2, conditions={"theme": "dark"}), a_rule(3, conditions={"environment": "dev"})]
    change = logged_change.change_rule("set value", before, after, ORDER)
    assert [
        {
            "setting": "cache_ttl",
            "conditions": {"user": "ada"},
            "except": [{"theme": "dark"}],
            "has_more_except": False,
            "before": side(10, 1),
            "after": side(11, 1),
            "examples": [{"user": "ada"}, {"user": "ada", "environment": "dev"}],
            "has_more_examples": False,
        }
    ] == find(a_picture(SETTING, rules=rules), change)


def test_a_new_setting_has_a_value_where_there_was_none():
    """And one that is deleted has none any more."""
    added = logged_change.change_setting("declare", None, SETTING, ORDER)
    assert [("cache_ttl", {}, None, side(60))] == tell(find(a_picture(), added))
    deleted = logged_change.delete_setting(SETTING, [], ORDER)
    assert [("cache_ttl", {}, side(60), None)] == tell(find(a_picture(SETTING), *deleted))


def test_a_setting_that_is_made_anew_is_the_same():
    """Its values are compared with those that it had."""
    changes = [
        *logged_change.delete_setting(SETTING, [], ORDER),
        logged_change.change_setting("declare", None, a_setting(features=ORDER, default_value=61), ORDER),
    ]
    assert [("cache_ttl", {}, side(60), side(61))] == tell(find(a_picture(SETTING), *changes))


def test_a_new_name_has_no_effect():
    """However many there are; what else is changed has one, under the last name."""
    names = ["cache_ttl", "second", "third"]
    settings = [a_setting(name, ORDER, aliases=names[:place]) for place, name in enumerate(names)]
    renamed = [logged_change.change_setting("rename", *pair, ORDER) for pair in itertools.pairwise(settings)]
    rule = a_rule(1, conditions={"user": "ada"})
    picture = a_picture(SETTING, rules=[rule])
    assert [] == find(picture, *renamed)
    deleted = logged_change.delete_rule(a_rule(1, "third", {"user": "ada"}), ORDER)
    assert [("third", {"user": "ada"}, side(10, 1), side(60))] == tell(find(picture, *renamed, deleted))


def test_a_name_that_goes_on_to_another_setting_is_told_for_both():
    """The one that had it is gone, and the one that has it is as it was."""
    other = a_setting("other", ORDER, default_value=5)
    changes = [
        *logged_change.delete_setting(SETTING, [], ORDER),
        logged_change.change_setting("rename", other, a_setting("cache_ttl", ORDER, default_value=5), ORDER),
    ]
    assert [("cache_ttl", {}, side(60), None)] == tell(find(a_picture(SETTING, other), *changes))


def test_the_order_of_features_can_change_any_setting():
    """Where the winner is another one now."""
    rules = [a_rule(1, conditions={"user": "ada"}), a_rule(2, conditions={"environment": "dev"}, value=20)]
    change = logged_change.change_features("move", ORDER, ("user", "environment", "theme"))
    both = {"user": "ada", "environment": "dev"}
    assert [("cache_ttl", both, side(10, 1), side(20, 2))] == tell(find(a_picture(SETTING, rules=rules), change))


def test_what_no_value_depends_on_has_no_effect():
    """Metadata of a rule, and values that are equal as JSON."""
    before = a_rule(1)
    for after in (a_rule(1, metadata={"by": "me"}), a_rule(1, value=10.0)):
        change = logged_change.change_rule("edit", before, after, ORDER)
        assert [] == find(a_picture(SETTING, rules=[before]), change)


def test_new_rules_are_told_without_an_id():
    """They have none yet."""
    change = logged_change.add_rule(a_rule(7, conditions={"user": "ada"}), ORDER)
    (effect,) = find(a_picture(SETTING), change, new_rule_ids=[7])
    assert {"value": 10, "source": "rule", "rule_id": None} == effect["after"]


def test_of_many_exceptions_and_examples_the_first_are_told():
    """And that there are more."""
    stronger = [a_rule(number, conditions={"theme": f"t{number}"}) for number in range(10, 40)]
    weaker = [a_rule(number, conditions={"environment": f"e{number}"}) for number in range(40, 70)]
    before, after = a_rule(1, conditions={"user": "ada"}), a_rule(1, conditions={"user": "ada"}, value=11)
    change = logged_change.change_rule("set value", before, after, ORDER)
    (effect,) = find(a_picture(SETTING, rules=[before, *stronger, *weaker]), change)
    assert (MAX_EXCEPTIONS, True, MAX_EXAMPLES, True) == (
        len(effect["except"]),
        effect["has_more_except"],
        len(effect["examples"]),
        effect["has_more_examples"],
    )
