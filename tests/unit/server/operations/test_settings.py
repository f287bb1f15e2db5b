"""Settings: what is stored, logged and raised. The answers are in the tests of the routes."""

import pytest

from heksher.server.errors import ConflictError, NotFoundError
from heksher.server.operations import rules, settings
from heksher.server.operations.declaration import declare
from heksher.server.storage.base import NOBODY, Storage, Written
from heksher.value_type import parse_value_type
from tests.support.operations import SOMEBODY, declaring, find, read_last, read_revision


def test_settings_are_listed_and_read(declared: Storage):
    """As pictures, by name or alias."""
    declare(declared, declaring("A"), NOBODY)
    assert ["A", "cache_ttl"] == [picture["name"] for picture in settings.list_all(declared)]
    settings.rename(declared, "cache_ttl", "ttl", "1.0", NOBODY)
    assert settings.get(declared, "ttl") == settings.get(declared, "cache_ttl")


@pytest.mark.parametrize(
    "call",
    [
        lambda storage: settings.get(storage, "x"),
        lambda storage: settings.delete(storage, "x", NOBODY),
        lambda storage: settings.set_type(storage, "x", parse_value_type("int"), "2.0", NOBODY),
        lambda storage: settings.rename(storage, "x", "y", "2.0", NOBODY),
        lambda storage: settings.set_configurable_features(storage, "x", ["user"], "2.0", NOBODY),
    ],
)
def test_an_unknown_setting_is_not_found(declared: Storage, call):
    """Whatever it is asked for."""
    with pytest.raises(NotFoundError) as raised:
        call(declared)
    assert "setting" == raised.value.kind


@pytest.mark.parametrize(
    ("action", "call"),
    [
        ("set type", lambda storage: settings.set_type(storage, "cache_ttl", parse_value_type("int"), "1.1", SOMEBODY)),
        ("rename", lambda storage: settings.rename(storage, "cache_ttl", "ttl", "1.1", SOMEBODY)),
        (
            "set configurable features",
            lambda storage: settings.set_configurable_features(storage, "cache_ttl", ["user"], "1.1", SOMEBODY),
        ),
        ("delete", lambda storage: settings.delete(storage, "cache_ttl", SOMEBODY)),
    ],
)
def test_each_change_is_logged_once(declared: Storage, action: str, call):
    """With its origin, and the revision that the caller is given."""
    assert Written(None, 5) == call(declared)
    entry = read_last(declared)
    assert (5, SOMEBODY, action, "setting") == (entry.revision, entry.origin, entry.change.action, entry.change.kind)


def test_a_rename_keeps_everything_else(declared: Storage):
    """Rules, type, default and features; the log files it under the new name."""
    rules.add(declared, "cache_ttl", {"user": "a"}, 1, {}, NOBODY)
    before = find(declared, "cache_ttl")
    settings.rename(declared, "cache_ttl", "ttl", "1.0", NOBODY)
    after = find(declared, "cache_ttl")
    assert ("ttl", frozenset({"cache_ttl"}), before.type, before.default_value, before.version) == (
        after.name,
        after.aliases,
        after.type,
        after.default_value,
        after.version,
    )
    assert "ttl" == read_last(declared).change.key
    assert ["ttl"] == [rule.setting for rule in declared.read(lambda reader: reader.rules())]


@pytest.mark.trap(33)
def test_all_conflicts_of_a_type_are_told(declared: Storage):
    """The default value, the rules, and the kind of upgrade."""
    values = {"a": 1, "b": 0.5}
    ids = [rules.add(declared, "cache_ttl", {"user": user}, values[user], {}, NOBODY).result for user in values]
    with pytest.raises(ConflictError) as raised:
        settings.set_type(declared, "cache_ttl", parse_value_type("Enum[1]"), "1.1", NOBODY)
    default, misfits, minor = raised.value.conflicts
    assert "default value" in default
    assert f"setting type incompatible with values for rules: {ids[1:]}" == misfits
    assert "not a subtype" in minor


@pytest.mark.trap(33)
def test_a_whole_float_is_an_int(declared: Storage):
    """A rule's value 2.0 stays as it is when the type becomes int."""
    rules.add(declared, "cache_ttl", {"user": "a"}, 2.0, {}, NOBODY)
    settings.set_type(declared, "cache_ttl", parse_value_type("int"), "1.1", NOBODY)
    assert "int" == find(declared, "cache_ttl").type


def test_both_conflicts_of_features_are_told(declared: Storage):
    """A removed feature in use, and an addition in a minor version."""
    rules.add(declared, "cache_ttl", {"user": "a"}, 1, {}, NOBODY)
    with pytest.raises(ConflictError, match=r"still in use by rules.*needs a new major version"):
        settings.set_configurable_features(declared, "cache_ttl", ["theme"], "1.1", NOBODY)
    assert 5 == read_revision(declared)


@pytest.mark.parametrize("name", [".", ".."])
def test_a_setting_from_before_such_names_were_refused_can_be_renamed(storage: Storage, name: str):
    """A database may have one: it is found, and goes on to be known by its old name."""
    declare(storage, declaring(name), NOBODY)
    settings.rename(storage, name, "dots", "1.1", NOBODY)
    assert ["dots", "dots"] == [settings.get(storage, known).content["name"] for known in (name, "dots")]
    settings.delete(storage, name, NOBODY)
    assert [] == settings.list_all(storage)
