"""What differs between a declaration and a setting, beyond what the tests of the declare route show."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heksher.server.operations.differences import (
    Comparison,
    Difference,
    find_features_in_use,
    find_misfits,
    tell_features_in_use,
)
from heksher.server.storage.base import RuleRecord, SettingRecord
from heksher.value_type import parse_value_type
from tests.support.operations import declaring

ORDER = ("environment", "user", "theme")
TYPES = ["int", "float", "str", "Enum[1]", "Enum[1,2]"]
RULES = [
    RuleRecord(1, "a", {"user": "x"}, 1),
    RuleRecord(2, "a", {"user": "x", "theme": "y"}, 1.5),
    RuleRecord(3, "a", {"environment": "z"}, 2.0),
]


def test_a_difference_is_written_with_an_attribute_or_a_message():
    """Never with both; a latest value may be null."""
    assert {"level": "minor", "attribute": "metadata", "latest_value": None} == Difference(
        "minor", "metadata"
    ).to_json()
    assert {"level": "mismatch", "message": "no"} == Difference("mismatch", message="no").to_json()


def test_rules_that_do_not_fit_a_type_are_found():
    """By their values: 2.0 is a whole number."""
    assert [2] == find_misfits(parse_value_type("int"), RULES)
    assert [] == find_misfits(parse_value_type("float"), RULES)


def test_features_in_use_are_told_with_their_rules():
    """Sorted by bytes, rules by id."""
    assert frozenset({"theme", "user"}) == find_features_in_use({"user", "theme", "trust"}, RULES)
    assert "configurable features ['theme', 'user'] are still in use by rules [1, 2]" == tell_features_in_use(
        {"user", "theme"}, RULES
    )


feature_sets = st.sets(st.sampled_from(ORDER), min_size=1).map(tuple)
attributes = st.tuples(feature_sets, st.sampled_from(TYPES), st.sampled_from([1, 1.0, True, 2]), st.booleans())


@given(old=attributes, new=attributes, is_renamed=st.booleans())
def test_looking_back_is_the_reverse_of_looking_forward(old, new, is_renamed: bool):
    """Without rules, an outdated declaration sees the levels of the upgrade that has led away from it."""

    def declaration(parts, name, alias=None):
        features, value_type, default, has_metadata = parts
        metadata = {"k": 1} if has_metadata else {}
        return declaring(
            name, type=value_type, features=features, default_value=default, metadata=metadata, alias=alias
        )

    def record(parts, name):
        features, value_type, default, has_metadata = parts
        metadata = {"k": 1} if has_metadata else {}
        return SettingRecord(name, value_type, default, frozenset(features), "1.0", metadata)

    new_name = "b" if is_renamed else "a"
    upgrade = Comparison(declaration(new, new_name, "a" if is_renamed else None), record(old, "a"), ORDER, ())
    outdated = Comparison(declaration(old, "a"), record(new, new_name), ORDER, ())

    def shape(differences):
        return [(difference.level, difference.attribute, difference.message) for difference in differences]

    assert shape(upgrade.list_for_upgrade()) == shape(outdated.list_for_outdated())


@given(stored=attributes, declared=attributes)
def test_differences_come_by_level(stored, declared):
    """Minor, then major, then mismatch; and an outdated declaration has no mismatch."""
    features, value_type, default, _ = stored
    setting = SettingRecord("a", value_type, default, frozenset(features), "1.0")
    declaration = declaring("a", features=declared[0], type=declared[1], default_value=declared[2])
    comparison = Comparison(declaration, setting, ORDER, RULES)
    levels = [difference.level for difference in comparison.list_for_upgrade()]
    assert sorted(levels, key=["minor", "major", "mismatch"].index) == levels
    assert "mismatch" not in {difference.level for difference in comparison.list_for_outdated()}


@pytest.mark.parametrize("value_type", TYPES)
def test_nothing_differs_from_itself(value_type: str):
    """In either direction."""
    setting = SettingRecord("a", value_type, 1, frozenset({"user"}), "1.0", {"k": [1]})
    declaration = declaring("a", features=("user",), type=value_type, default_value=1.0, metadata={"k": [1.0]})
    comparison = Comparison(declaration, setting, ORDER, RULES)
    assert ((), ()) == (comparison.list_for_upgrade(), comparison.list_for_outdated())
