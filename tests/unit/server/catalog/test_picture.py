"""The picture that queries are answered from."""

from heksher.server.catalog.picture import enter_rule, enter_setting, make_picture, reorder_rule, take_picture
from tests.support.catalogs import ORDER, a_rule, open_fragile
from tests.support.storages import SOME_CHANGE, a_setting


def test_a_picture_has_all_that_is_stored():
    """With the revision that the reader sees, and rules with their settings."""
    picture = open_fragile().read(take_picture)
    assert (1, ORDER, ["cache_ttl"]) == (picture.revision, picture.feature_order, list(picture.settings))
    setting = picture.settings["cache_ttl"]
    assert a_setting(features=ORDER) == setting.record
    assert {1: (("user", "u1"),), 2: (("environment", "dev"), ("user", "u2"))} == {
        rule_id: rule.conditions for rule_id, rule in setting.rules.items()
    }
    assert 2 == picture.count_rules()


def test_two_pictures_of_the_same_are_equal():
    """So they can be compared."""
    storage = open_fragile()
    assert storage.read(take_picture) == storage.read(take_picture)


def test_settings_are_sorted_and_found_by_each_of_their_names():
    """By bytes; an alias leads to the canonical name."""
    records = [a_setting("b", aliases=["old", "older"]), a_setting("a"), a_setting("B")]
    picture = make_picture(1, ORDER, [enter_setting(record, {}) for record in records])
    assert ["B", "a", "b"] == list(picture.settings)
    assert {"b": "b", "old": "b", "older": "b", "a": "a", "B": "B"} == picture.names


def test_a_setting_is_kept_as_it_is_answered():
    """Up to its list of rules, with its name and default as JSON."""
    setting = enter_setting(a_setting("b", default_value={"é": 1.0}, aliases=["old"]), {})
    assert '"b":{"default_value":{"é":1.0},"rules":['.encode() == setting.head
    assert {"b", "old"} == setting.all_names


def test_a_rule_is_kept_as_it_is_answered():
    """Its conditions stand in the service's order; what ends it is left out, as metadata may come before."""
    rule = enter_rule(a_rule(7, conditions={"theme": "dark", "environment": "dev"}, value=[1, 1.0]), ORDER)
    assert b'{"rule_id":7,"value":[1,1.0],"context_features":[["environment","dev"],["theme","dark"]]' == rule.head
    assert (b"{}", [1, 1.0]) == (rule.metadata, rule.read_value())
    assert b'{"by":"me"}' == enter_rule(a_rule(metadata={"by": "me"}), ORDER).metadata


def test_a_rule_is_reordered():
    """Only its conditions change their places: value and metadata stay, digit by digit."""
    record = a_rule(7, conditions={"theme": "dark", "environment": "dev"}, value=1.0, metadata={"by": "me"})
    reordered = reorder_rule(enter_rule(record, ORDER), ("theme", "user", "environment"))
    assert enter_rule(record, ("theme", "user", "environment")) == reordered
    assert (("theme", "dark"), ("environment", "dev")) == reordered.conditions


def test_a_picture_stays_what_it_is():
    """Whatever is written afterwards."""
    storage = open_fragile()
    picture = storage.read(take_picture)
    names, rules = dict(picture.names), dict(picture.settings["cache_ttl"].rules)
    storage.write(lambda writer: (writer.delete_rule(1), writer.record(SOME_CHANGE)))
    assert (names, rules) == (picture.names, picture.settings["cache_ttl"].rules)
