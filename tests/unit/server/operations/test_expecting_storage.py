"""Writes that expect an object to be what was read."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from heksher.revision_id import RevisionId
from heksher.server.errors import NotFoundError, OutdatedError
from heksher.server.operations import context_features, metadata, rules, settings
from heksher.server.operations.declaration import declare
from heksher.server.operations.expecting_storage import ExpectingStorage
from heksher.server.operations.tagged import Tagged
from heksher.server.storage.base import CONTEXT_FEATURES, NOBODY, RULE, SETTING, Expectation, Origin, Storage
from heksher.server.storage.joined_storage import JoinedStorage
from tests.support.operations import SOMEBODY, declaring, read_last, read_revision

ADA = Origin("ada", "incident 4711", actor_kind="person")


def knowing(storage: Storage, kind: str, key: str, read: Tagged[object]) -> Storage:
    """Return the storage as somebody writes to it who has read an object."""
    return ExpectingStorage(storage, Expectation(kind, key, frozenset({read.tag})))


@pytest.fixture
def ruled(declared: Storage) -> Storage:
    """A storage with a setting, and a rule with the id 1."""
    rules.add(declared, "cache_ttl", {"user": "a"}, 1, {}, NOBODY)
    return declared


def fail(write: Any) -> OutdatedError:
    with pytest.raises(OutdatedError) as caught:
        write()
    return caught.value


def test_an_object_that_is_what_was_read_is_changed(ruled: Storage):
    """Each has a tag of its own: changes of others make no difference."""
    rule, setting, features = (
        rules.get(ruled, 1),
        settings.get(ruled, "cache_ttl"),
        context_features.list_features(ruled),
    )
    assert [5, 4, 3] == [read.tag.number for read in (rule, setting, features)]
    assert (rule.tag, setting.tag) == (
        metadata.get_of_rule(ruled, 1).tag,
        metadata.get_of_setting(ruled, "cache_ttl").tag,
    )
    rules.set_value(knowing(ruled, RULE, "1", rule), 1, 2, ADA)
    rules.add(ruled, "cache_ttl", {"user": "b"}, 1, {}, NOBODY)
    settings.rename(knowing(ruled, SETTING, "cache_ttl", setting), "cache_ttl", "ttl", "1.1", ADA)
    context_features.add_feature(knowing(ruled, CONTEXT_FEATURES, "", features), "tier", ADA)
    assert [9, 8, 6] == [
        read.tag.number
        for read in (context_features.list_features(ruled), settings.get(ruled, "ttl"), rules.get(ruled, 1))
    ]


def test_an_object_that_was_changed_since_is_not(ruled: Storage):
    """The error has what it is now, its tag, and who changed it, when and why; nothing is stored."""
    read = rules.get(ruled, 1)
    rules.set_value(ruled, 1, 2, ADA)
    revision = read_revision(ruled)
    error = fail(lambda: rules.set_value(knowing(ruled, RULE, "1", read), 1, 3, SOMEBODY))
    now = rules.get(ruled, 1)
    assert (now.content, now.tag, revision) == (error.current, error.tag, read_revision(ruled))
    assert (6, "ada", "person", "incident 4711", str(now.tag)) == tuple(
        error.last_change[key] for key in ("revision", "actor", "actor_kind", "reason", "revision_id")
    )
    assert [{"value": 1}, {"value": 2}] == [error.last_change["parts"][0][side] for side in ("before", "after")]
    assert "rule '1' is not what it was expected to be: ada made the last change of it, revision 6, at" in str(error)
    assert "(incident 4711)" in str(error)


def test_each_kind_of_object_says_what_it_is(ruled: Storage):
    """As its route answers it."""
    setting, features = settings.get(ruled, "cache_ttl"), context_features.list_features(ruled)
    metadata.edit_of_setting(ruled, "cache_ttl", metadata.overwrite({"a": 1}), "1.1", ADA)
    context_features.move_feature(ruled, "user", "before", "environment", NOBODY)
    error = fail(lambda: settings.delete(knowing(ruled, SETTING, "cache_ttl", setting), "cache_ttl", SOMEBODY))
    assert settings.get(ruled, "cache_ttl").content == error.current
    assert "set metadata" == error.last_change["parts"][0]["action"]
    error = fail(lambda: context_features.add_feature(knowing(ruled, CONTEXT_FEATURES, "", features), "tier", SOMEBODY))
    assert {"context_features": ["user", "environment", "theme"]} == error.current
    assert "the list of context features" in str(error)
    assert "somebody unknown" in str(error)


def test_a_change_by_the_existing_management_page_has_its_user(ruled: Storage):
    """As far as the metadata say it."""
    read = rules.get(ruled, 1)
    metadata.edit_of_rule(ruled, 1, metadata.overwrite({"added_by": "bob"}), NOBODY)
    error = fail(lambda: rules.delete(knowing(ruled, RULE, "1", read), 1, SOMEBODY))
    assert ("bob", True) == (error.last_change["actor"], error.last_change["is_from_metadata"])
    assert "bob made the last change" in str(error)


@pytest.mark.parametrize(("kind", "key"), [(RULE, "1"), (RULE, "001"), (SETTING, "cache_ttl")])
def test_an_object_that_is_gone_says_who_deleted_it(ruled: Storage, kind: str, key: str):
    """Also a rule that was deleted with its setting."""
    read = rules.get(ruled, 1) if kind == RULE else settings.get(ruled, "cache_ttl")
    settings.delete(ruled, "cache_ttl", ADA)
    error = fail(lambda: rules.delete(knowing(ruled, kind, key, read), 1, SOMEBODY))
    assert (None, None, 6, "ada", "incident 4711") == (
        error.current,
        error.tag,
        *(error.last_change[field] for field in ("revision", "actor", "reason")),
    )
    (part,) = error.last_change["parts"]
    assert ("delete", kind, None) == tuple(part[field] for field in ("action", "kind", "after"))
    assert "is gone: ada" in str(error)


def test_what_the_log_does_not_have_any_more_is_not_told(ruled: Storage):
    """But what is known without it."""
    read, setting = rules.get(ruled, 1), settings.get(ruled, "cache_ttl")
    rules.delete(ruled, 1, ADA)
    metadata.edit_of_setting(ruled, "cache_ttl", metadata.overwrite({"a": 1}), "1.1", ADA)
    context_features.add_feature(ruled, "tier", NOBODY)
    ruled.prune(datetime.now(UTC) + timedelta(hours=1))
    gone = fail(lambda: rules.delete(knowing(ruled, RULE, "1", read), 1, SOMEBODY))
    assert (None, "does not say any more" in str(gone)) == (gone.last_change, True)
    changed = fail(lambda: settings.delete(knowing(ruled, SETTING, "cache_ttl", setting), "cache_ttl", SOMEBODY))
    assert (7, "ada", None, []) == tuple(
        changed.last_change[field] for field in ("revision", "actor", "reason", "parts")
    )
    assert changed.tag == settings.get(ruled, "cache_ttl").tag


def test_what_never_was_is_not_found(ruled: Storage):
    """As without expecting anything."""
    for kind, key, write in (
        (RULE, "99", lambda storage: rules.delete(storage, 99, SOMEBODY)),
        (RULE, "9" * 5000, lambda storage: rules.delete(storage, 99, SOMEBODY)),
        (SETTING, "unheard_of", lambda storage: settings.delete(storage, "unheard_of", SOMEBODY)),
        (SETTING, "\0", lambda storage: settings.delete(storage, "\0", SOMEBODY)),
    ):
        for expected in (None, frozenset({RevisionId(1)})):
            with pytest.raises(NotFoundError):
                write(ExpectingStorage(ruled, Expectation(kind, key, expected)))


def test_one_of_several_tags_is_enough(ruled: Storage):
    """Or any, where the object only has to be there."""
    read, other = rules.get(ruled, 1).tag, settings.get(ruled, "cache_ttl").tag
    rules.set_value(ExpectingStorage(ruled, Expectation(RULE, "1", frozenset({other, read}))), 1, 2, ADA)
    rules.set_value(ExpectingStorage(ruled, Expectation(RULE, "1", None)), 1, 3, ADA)
    assert 3 == rules.get(ruled, 1).content["value"]


def test_what_changes_nothing_is_no_entry_and_makes_no_new_tag(ruled: Storage):
    """The tag that was read still holds."""
    declare(ruled, declaring("other"), NOBODY)
    revision, tag = read_revision(ruled), rules.get(ruled, 1).tag
    for write in (
        lambda: rules.set_value(ruled, 1, 1, ADA),
        lambda: metadata.edit_of_rule(ruled, 1, metadata.overwrite({}), ADA),
        lambda: metadata.edit_of_rule(ruled, 1, metadata.remove_key("a"), ADA),
        lambda: settings.rename(ruled, "cache_ttl", "cache_ttl", "1.0", ADA),
        lambda: settings.set_configurable_features(ruled, "cache_ttl", ["user", "environment"], "1.0", ADA),
        lambda: context_features.move_feature(ruled, "user", "after", "environment", ADA),
        lambda: declare(ruled, declaring("other"), ADA),
    ):
        written = write()
        assert (revision, False, revision) == (written.revision, written.is_change, read_revision(ruled))
    assert tag == rules.get(ruled, 1).tag
    assert rules.set_value(ruled, 1, 2, ADA).is_change


def test_a_part_of_a_unit_of_work_expects_what_was_there_before_it(ruled: Storage):
    """Though other parts have changed it; the error says what there is within the unit."""
    read = rules.get(ruled, 1)

    def edit(storage: Storage) -> None:
        rules.set_value(knowing(storage, RULE, "1", read), 1, 2, ADA)
        metadata.edit_of_rule(knowing(storage, RULE, "1", read), 1, metadata.overwrite({"a": 1}), ADA)

    ruled.write(lambda writer: edit(JoinedStorage(writer)), ADA)
    assert (2, {"a": 1}, 2) == (
        rules.get(ruled, 1).content["value"],
        rules.get(ruled, 1).content["metadata"],
        read_last(ruled).size,
    )
    error = fail(lambda: ruled.write(lambda writer: edit(JoinedStorage(writer)), ADA))
    assert rules.get(ruled, 1).tag == error.tag
