"""Metadata of settings and rules: edits, and what is stored. The answers are in the tests of the routes."""

import pytest

from heksher.server.errors import ConflictError, NotAcceptableError, NotFoundError
from heksher.server.operations import metadata, rules
from heksher.server.storage.base import NOBODY, Storage, Written
from tests.support.operations import SOMEBODY, find, read_last


@pytest.mark.parametrize(
    ("edit", "expected"),
    [
        (metadata.merge({"b": 3, "c": None}), {"a": 1, "b": 3, "c": None}),
        (metadata.overwrite({"c": 3}), {"c": 3}),
        (metadata.overwrite({}), {}),
        (metadata.remove_key("a"), {"b": 2}),
        (metadata.remove_key("c"), {"a": 1, "b": 2}),
    ],
)
def test_edits_make_new_metadata(edit: metadata.Edit, expected: dict):
    """The old object stays as it was."""
    old = {"a": 1, "b": 2}
    assert expected == edit(old)
    assert {"a": 1, "b": 2} == old


def test_metadata_of_a_setting_takes_a_newer_version(declared: Storage):
    """Which is stored with it, and logged."""
    edit = metadata.merge({"k": 1})
    assert Written(None, 5) == metadata.edit_of_setting(declared, "cache_ttl", edit, "1.1", SOMEBODY)
    assert ({"k": 1}, "1.1") == (
        metadata.get_of_setting(declared, "cache_ttl").content,
        find(declared, "cache_ttl").version,
    )
    assert SOMEBODY == read_last(declared).origin
    with pytest.raises(ConflictError):
        metadata.edit_of_setting(declared, "cache_ttl", edit, "1.1", NOBODY)


def test_equal_metadata_of_a_rule_is_not_logged(declared: Storage):
    """Equal as JSON: 1 is 1.0, but not true."""
    rule_id = rules.add(declared, "cache_ttl", {"user": "a"}, 1, {"k": 1}, NOBODY).result
    assert Written(None, 5) == metadata.edit_of_rule(declared, rule_id, metadata.merge({"k": 1.0}), NOBODY)
    assert Written(None, 6) == metadata.edit_of_rule(declared, rule_id, metadata.merge({"k": True}), NOBODY)
    assert {"k": True} == metadata.get_of_rule(declared, rule_id).content


@pytest.mark.parametrize(
    "call",
    [
        lambda storage: metadata.get_of_setting(storage, "x"),
        lambda storage: metadata.get_of_rule(storage, 1),
        lambda storage: metadata.edit_of_setting(storage, "x", metadata.overwrite({}), "2.0", NOBODY),
        lambda storage: metadata.edit_of_rule(storage, 1, metadata.overwrite({}), NOBODY),
    ],
)
def test_unknown_objects_are_not_found(declared: Storage, call):
    """Neither settings nor rules."""
    with pytest.raises(NotFoundError):
        call(declared)


def test_there_is_a_limit_on_keys(declared: Storage):
    """For settings and rules."""
    rule_id = rules.add(declared, "cache_ttl", {"user": "a"}, 1, {}, NOBODY).result
    edit = metadata.merge({f"k{number}": 1 for number in range(1001)})
    with pytest.raises(NotAcceptableError, match="1000"):
        metadata.edit_of_setting(declared, "cache_ttl", edit, "1.1", NOBODY)
    with pytest.raises(NotAcceptableError, match="1000"):
        metadata.edit_of_rule(declared, rule_id, edit, NOBODY)
