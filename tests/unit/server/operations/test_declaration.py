"""Declaring a setting: what is stored, logged and raised. The outcomes are in the tests of the declare route."""

import pytest

from heksher.server.errors import ConflictError, InvalidInputError, NotAcceptableError, NotFoundError
from heksher.server.operations import rules
from heksher.server.operations.declaration import DeclarationResult, declare, declare_many
from heksher.server.operations.differences import Difference
from heksher.server.storage.base import NOBODY, SettingRecord, Storage, Written
from tests.support.operations import SOMEBODY, declaring, find, read_last, read_revision


def test_a_setting_is_created(storage: Storage):
    """All attributes are stored, the type in canonical form, with one entry in the log."""
    declaration = declaring(type='Enum [2, "a"]', default_value=2, metadata={"k": 1})
    assert Written(DeclarationResult("created"), 4) == declare(storage, declaration, SOMEBODY)
    created = SettingRecord("cache_ttl", 'Enum["a",2]', 2, frozenset({"environment", "user"}), "1.0", {"k": 1})
    assert created == find(storage, "cache_ttl")
    assert (4, SOMEBODY, "declare", "cache_ttl") == (
        read_last(storage).revision,
        read_last(storage).origin,
        read_last(storage).change.action,
        read_last(storage).change.key,
    )


def test_a_setting_is_upgraded_with_everything(declared: Storage):
    """Name, type, features, default, metadata, aliases and version at once; the result tells what was before."""
    rules.add(declared, "cache_ttl", {"user": "a"}, 2.0, {}, NOBODY)
    declaration = declaring(
        "ttl", features=("user", "theme"), default_value=0, version="2.0", metadata={"k": 1}, alias="cache_ttl"
    )
    written = declare(declared, declaration, NOBODY)
    assert (
        DeclarationResult(
            "upgraded",
            "1.0",
            (
                Difference("minor", message="removal of configurable features ['environment']"),
                Difference("minor", "type", "float"),
                Difference("minor", "name", "cache_ttl"),
                Difference("minor", "default_value", 60),
                Difference("minor", "metadata", {}),
                Difference("major", "configurable_features", ["environment", "user"]),
            ),
        )
        == written.result
    )
    assert SettingRecord(
        "ttl", "int", 0, frozenset({"user", "theme"}), "2.0", {"k": 1}, frozenset({"cache_ttl"})
    ) == find(declared, "cache_ttl")
    assert read_revision(declared) == written.revision


@pytest.mark.parametrize(
    ("declaration", "outcome"),
    [
        (declaring(type="float"), "uptodate"),
        (declaring(type="float", default_value=1), "mismatch"),
        (declaring(type="float", version="0.9"), "outdated"),
        (declaring(type="str", default_value="", version="1.1"), "rejected"),
    ],
)
def test_what_is_not_accepted_changes_nothing(declared: Storage, declaration, outcome: str):
    """Nothing is logged either, and the result has the version that the setting has."""
    before = find(declared, "cache_ttl")
    written = declare(declared, declaration, NOBODY)
    assert (outcome, "1.0", 4) == (written.result.outcome, written.result.stored_version, written.revision)
    assert (before, 4) == (find(declared, "cache_ttl"), read_revision(declared))


@pytest.mark.parametrize(
    ("declaration", "error"),
    [
        (declaring("x", version="1.1"), NotAcceptableError),
        (declaring("x", features=("unheard_of",)), NotFoundError),
        (declaring("x", alias="unknown"), NotFoundError),
        (declaring(alias="unknown"), NotFoundError),
        (declaring(features=("unheard_of",), version="1.1"), NotFoundError),
        (declaring(alias="other", version="1.1"), ConflictError),
        (declaring(default_value="a"), InvalidInputError),
        (declaring(alias="cache_ttl"), InvalidInputError),
    ],
)
def test_errors_change_nothing(declared: Storage, declaration, error: type[Exception]):
    """Whatever is wrong, nothing is stored."""
    declare(declared, declaring("other"), NOBODY)
    with pytest.raises(error):
        declare(declared, declaration, NOBODY)
    assert 5 == read_revision(declared)


def test_an_unknown_feature_is_told_apart_by_whether_the_setting_is_new(declared: Storage):
    """The API answers the two differently."""
    kinds = []
    for declaration in (declaring("x", features=("nope",)), declaring(features=("nope",), version="1.1")):
        with pytest.raises(NotFoundError, match="nope") as raised:
            declare(declared, declaration, NOBODY)
        kinds.append(raised.value.kind)
    assert ["configurable feature of a new setting", "configurable feature"] == kinds


def test_many_declarations_are_one_entry(storage: Storage):
    """What is accepted is stored, with one part of the entry each; what is refused is an error in its place."""
    before = read_revision(storage)
    declarations = [declaring("a"), declaring("b", version="2.0"), declaring("c"), declaring("a", version="1.1")]
    written = declare_many(storage, declarations, SOMEBODY)
    created, refused, *others = written.result
    assert (DeclarationResult("created"), NotAcceptableError) == (created, type(refused))
    assert [DeclarationResult("created"), DeclarationResult("upgraded", "1.0")] == others
    entry = read_last(storage)
    assert (before + 1, before + 1, SOMEBODY) == (written.revision, entry.revision, entry.origin)
    assert ["a", "c", "a"] == [change.key for change in entry.changes]
    assert ("1.1", None, "1.0") == (find(storage, "a").version, find(storage, "b"), find(storage, "c").version)


def test_many_declarations_that_change_nothing_are_no_entry(storage: Storage):
    """The revision is the newest one."""
    declare_many(storage, [declaring("a"), declaring("b")], NOBODY)
    before = read_revision(storage)
    written = declare_many(storage, [declaring("a"), declaring("b")], NOBODY)
    assert Written((DeclarationResult("uptodate", "1.0"),) * 2, before) == written
    assert before == read_revision(storage)
