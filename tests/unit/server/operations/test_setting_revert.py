"""Settings that are made what they were. That they can be, whatever was written, ``tests/conformance`` says."""

from datetime import UTC, datetime, timedelta

import pytest

from heksher.server.access.grants import parse_grants
from heksher.server.errors import ConflictError, NotFoundError, NotPermittedError, RevertConflictError
from heksher.server.operations import context_features, metadata, past, rules, settings
from heksher.server.operations.declaration import declare
from heksher.server.operations.setting_revert import revert_setting
from heksher.server.storage.base import NOBODY, Origin, Storage
from tests.support.operations import SOMEBODY, declaring, read_last, read_revision
from tests.support.random_writes import see_state


@pytest.fixture
def ruled(declared: Storage) -> Storage:
    """A storage with a setting that had two rules at revision 6, and was changed since."""
    rules.add(declared, "cache_ttl", {"user": "a"}, 1, {"by": "me"}, NOBODY)
    rules.add(declared, "cache_ttl", {"user": "b"}, 2, {}, NOBODY)
    rules.delete(declared, 1, NOBODY)
    rules.set_value(declared, 2, 3, Origin("ada"))
    rules.add(declared, "cache_ttl", {"user": "a"}, 4, {}, NOBODY)
    settings.rename(declared, "cache_ttl", "ttl", "1.1", NOBODY)
    metadata.edit_of_setting(declared, "ttl", metadata.merge({"a": 1}), "1.2", NOBODY)
    return declared


def test_a_setting_is_what_it_was_with_its_rules(ruled: Storage):
    """As one change, by whoever made it; the rules that came since are gone, and the others have their ids."""
    then = past.get_setting(ruled, "ttl", 6)
    written = revert_setting(ruled, "ttl", 6, SOMEBODY)
    now = past.get_setting(ruled, "cache_ttl", written.revision)
    assert (then["setting"], then["rules"]) == (now["setting"], now["rules"])
    entry = read_last(ruled)
    assert (written.revision, 4, 4, SOMEBODY) == (entry.revision, entry.size, written.result, entry.origin)
    assert [("rule", "3"), ("setting", "cache_ttl"), ("rule", "1"), ("rule", "2")] == [
        (change.kind, change.key) for change in entry.changes
    ]
    assert {"revert to 6"} == {change.action for change in entry.changes}
    assert (0, False) == ((again := revert_setting(ruled, "cache_ttl", 6, SOMEBODY)).result, again.is_change)
    assert 4 == revert_setting(ruled, "cache_ttl", 11, SOMEBODY).result
    assert "ttl" == settings.get(ruled, "cache_ttl").content["name"]


def test_a_deleted_setting_comes_back(ruled: Storage):
    """As it was at any time, under the name that it had then."""
    before = see_state(ruled)
    settings.delete(ruled, "ttl", NOBODY)
    revert_setting(ruled, "ttl", 11, SOMEBODY)
    assert before == see_state(ruled)
    settings.delete(ruled, "ttl", NOBODY)
    revert_setting(ruled, "ttl", 6, SOMEBODY)
    assert [1, 2] == [rule.rule_id for rule in ruled.read(lambda reader: reader.rules())]
    assert "cache_ttl" == settings.get(ruled, "cache_ttl").content["name"]


def test_a_setting_that_was_not_there_is_deleted_only_if_that_is_said(ruled: Storage):
    """By an admin, with its rules."""
    with pytest.raises(RevertConflictError, match="not as it was left") as caught:
        revert_setting(ruled, "ttl", 3, SOMEBODY)
    assert "force=true" in caught.value.conflicts[0]
    with pytest.raises(NotPermittedError):
        revert_setting(ruled, "ttl", 3, Origin("ada", grants=parse_grants(["declare", "edit"])), is_forced=True)
    assert 3 == revert_setting(ruled, "ttl", 3, SOMEBODY, is_forced=True).result
    assert [] == ruled.read(lambda reader: reader.settings())


def test_what_stands_against_it_is_told(ruled: Storage):
    """A name that somebody else has, and a context feature that is gone; nothing is changed."""
    settings.delete(ruled, "ttl", NOBODY)
    declare(ruled, declaring("cache_ttl", features=("environment",)), Origin("grace"))
    context_features.delete_feature(ruled, "user", NOBODY)
    before = (read_revision(ruled), see_state(ruled))
    with pytest.raises(RevertConflictError) as caught:
        revert_setting(ruled, "ttl", 6, SOMEBODY)
    assert before == (read_revision(ruled), see_state(ruled))
    assert (
        "the name 'cache_ttl' belongs to setting 'cache_ttl' now",
        "the context features ['user'] of setting 'cache_ttl' are not there any more",
    ) == caught.value.conflicts
    assert [14, 13] == [change["revision"] for change in caught.value.changes]


@pytest.mark.parametrize(("name", "revision"), [("unheard_of", 6), ("ttl", 12), ("ttl", 10**30)])
def test_there_has_to_be_such_a_state(ruled: Storage, name: str, revision: int):
    """Of this setting, at this revision."""
    with pytest.raises(NotFoundError):
        revert_setting(ruled, name, revision, SOMEBODY)
    settings.delete(ruled, "ttl", NOBODY)
    with pytest.raises(NotFoundError, match="there was none at revision 3"):
        revert_setting(ruled, "ttl", 3, SOMEBODY)


def test_what_was_removed_from_the_log_cannot_come_back(ruled: Storage):
    """The message says how far the log goes back."""
    ruled.prune(datetime.now(UTC) + timedelta(hours=1))
    with pytest.raises(ConflictError, match="cannot be taken back so far: revision 6 is not known any more"):
        revert_setting(ruled, "ttl", 6, SOMEBODY)


@pytest.mark.parametrize(
    ("grants", "is_enough"), [(["declare", "edit"], True), (["edit"], False), (["declare"], False)]
)
def test_it_needs_what_its_writes_need(ruled: Storage, grants: list[str], is_enough: bool):
    """For the setting, and for its rules."""
    origin = Origin("ada", grants=parse_grants(grants))
    if is_enough:
        assert revert_setting(ruled, "ttl", 6, origin).is_change
    else:
        with pytest.raises(NotPermittedError):
            revert_setting(ruled, "ttl", 6, origin)
