"""Changes that are taken back. That any sequence of them can be, ``tests/conformance`` says."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from heksher.server.access.grants import EVERYTHING, parse_grants
from heksher.server.catalog.picture import take_picture
from heksher.server.catalog.trial import TrialStorage
from heksher.server.errors import ConflictError, FullError, NotFoundError, NotPermittedError, RevertConflictError
from heksher.server.operations import context_features, metadata, people, rules, settings
from heksher.server.operations.bulk import run_all
from heksher.server.operations.change_list import WantedChanges, list_changes
from heksher.server.operations.declaration import declare
from heksher.server.operations.loading import Contents, load
from heksher.server.operations.reverting import revert
from heksher.server.storage.base import NOBODY, Origin, RuleRecord, Storage
from heksher.server.storage.ceilings import Ceilings, Counts
from heksher.server.storage.memory import MemoryStorage
from heksher.value_type import parse_value_type
from tests.support.operations import SOMEBODY, declaring, read_last, read_revision
from tests.support.random_writes import see_state
from tests.support.storages import a_setting

LIMITS = {"value-schema": {"maximum": 10}}


@pytest.fixture
def ruled(declared: Storage) -> Storage:
    """A storage with a setting, declared at revision 4, and a rule with the id 1, added at revision 5."""
    rules.add(declared, "cache_ttl", {"user": "a"}, 1, {"by": "me"}, SOMEBODY)
    return declared


def undo(storage: Storage, revision: int, *, is_forced: bool = False) -> int:
    """Take a change back, and return the revision of that."""
    return revert(storage, revision, SOMEBODY, is_forced=is_forced).revision


def fail(storage: Storage, revision: int, *, is_forced: bool = False) -> RevertConflictError:
    """Fail to take a change back, which changes nothing, and return why."""
    before = (read_revision(storage), see_state(storage))
    with pytest.raises(RevertConflictError) as caught:
        undo(storage, revision, is_forced=is_forced)
    assert before == (read_revision(storage), see_state(storage))
    return caught.value


def list_between(error: RevertConflictError) -> list[int]:
    return [change["revision"] for change in error.changes]


def test_a_revert_is_a_change_of_its_own(ruled: Storage):
    """In effect at once, by whoever made it, and why; the log says which change it takes back."""
    rules.set_value(ruled, 1, 2, NOBODY)
    written = revert(ruled, 6, SOMEBODY)
    assert (7, 1, True) == (written.revision, written.result, written.is_change)
    entry = read_last(ruled)
    assert (SOMEBODY, "revert 6", {"value": 2}, {"value": 1}) == (
        entry.origin,
        entry.change.action,
        entry.change.before,
        entry.change.after,
    )
    assert 1 == rules.get(ruled, 1).content["value"]


def test_a_database_that_has_lost_the_change_is_told_of(ruled: Storage):
    """The picture of it, on which a revert is tried, still has the revision."""
    picture = ruled.read(take_picture)
    before = MemoryStorage()
    before.open()
    context_features.add_feature(before, "user", NOBODY)
    with pytest.raises(NotFoundError, match="no revision 5 in the change log any more"):
        undo(TrialStorage(picture, before), 5)


def test_a_revert_of_a_revert_is_what_was_there_before_it(ruled: Storage):
    """As often as anybody likes."""
    rules.set_value(ruled, 1, 2, NOBODY)
    values = []
    for revision in (6, 7, 8, 9):
        undo(ruled, revision)
        values.append(rules.get(ruled, 1).content["value"])
    assert [1, 2, 1, 2] == values


def test_what_is_there_already_is_left(ruled: Storage):
    """If all of it is, nothing is changed."""
    rules.set_value(ruled, 1, 2, NOBODY)
    rules.set_value(ruled, 1, 1, NOBODY)
    assert (7, 0, False) == (
        (written := revert(ruled, 6, SOMEBODY)).revision,
        written.result,
        written.is_change,
    )
    rules.delete(ruled, 1, NOBODY)
    assert 0 == revert(ruled, 5, SOMEBODY).result


def test_only_what_the_change_has_changed_is_taken_back(ruled: Storage):
    """Other fields and other objects may be others since."""
    rules.set_value(ruled, 1, 2, NOBODY)
    metadata.edit_of_rule(ruled, 1, metadata.overwrite({"by": "you"}), SOMEBODY)
    rules.add(ruled, "cache_ttl", {"user": "b"}, 1, {}, SOMEBODY)
    settings.rename(ruled, "cache_ttl", "ttl", "1.1", SOMEBODY)
    undo(ruled, 6)
    assert (1, {"by": "you"}) == (rules.get(ruled, 1).content["value"], rules.get(ruled, 1).content["metadata"])


def test_what_was_changed_since_is_refused_with_what_came_between(ruled: Storage):
    """Newest first, with who made it."""
    rules.set_value(ruled, 1, 2, NOBODY)
    rules.set_value(ruled, 1, 3, Origin("ada", "faster"))
    metadata.edit_of_rule(ruled, 1, metadata.overwrite({}), Origin("bob"))
    rules.add(ruled, "cache_ttl", {"user": "b"}, 1, {}, SOMEBODY)
    error = fail(ruled, 6)
    assert ("value of rule 1 was changed since",) == error.conflicts
    assert [(8, "bob", None), (7, "ada", "faster")] == [
        (change["revision"], change["actor"], change["reason"]) for change in error.changes
    ]


def test_several_reasons_are_told_together(ruled: Storage):
    """Of all parts of a change, with all that came between, each entry once."""
    rules.add(ruled, "cache_ttl", {"user": "b"}, 1, {}, NOBODY)
    steps: list[Callable[[Storage], Any]] = [
        lambda storage: rules.set_value(storage, 1, 5, NOBODY),
        lambda storage: rules.set_value(storage, 2, 5, NOBODY),
        lambda storage: metadata.edit_of_setting(storage, "cache_ttl", metadata.overwrite({"a": 1}), "1.1", NOBODY),
    ]
    revision = run_all(ruled, steps, NOBODY).revision
    run_all(
        ruled,
        [lambda storage, rule_id=rule_id: rules.set_value(storage, rule_id, 6, NOBODY) for rule_id in (1, 2)],
        NOBODY,
    )
    error = fail(ruled, revision)
    assert ("value of rule 2 was changed since", "value of rule 1 was changed since") == error.conflicts
    assert [revision + 1] == list_between(error)
    for rule_id in (1, 2):
        rules.set_value(ruled, rule_id, 5, NOBODY)
    assert 3 == revert(ruled, revision, SOMEBODY).result
    assert ({}, "1.0") == (
        settings.get(ruled, "cache_ttl").content["metadata"],
        settings.get(ruled, "cache_ttl").content["version"],
    )


def test_a_deleted_rule_comes_back_with_its_id(ruled: Storage):
    """Its conditions and metadata; also if its setting is called otherwise since."""
    rules.delete(ruled, 1, NOBODY)
    settings.rename(ruled, "cache_ttl", "ttl", "1.1", NOBODY)
    undo(ruled, 6)
    assert [RuleRecord(1, "ttl", {"user": "a"}, 1, {"by": "me"})] == ruled.read(lambda reader: reader.rules())


def test_a_deleted_setting_comes_back_with_its_rules(ruled: Storage):
    """Aliases, versions, metadata and ids are what they were, and its history goes on."""
    settings.rename(ruled, "cache_ttl", "ttl", "1.1", NOBODY)
    metadata.edit_of_setting(ruled, "ttl", metadata.overwrite({"unit": "s"}), "1.2", NOBODY)
    before = see_state(ruled)
    settings.delete(ruled, "cache_ttl", NOBODY)
    assert 2 == revert(ruled, 8, SOMEBODY).result
    assert before == see_state(ruled)
    told, _ = list_changes(ruled, WantedChanges(setting="ttl"), None, 100, is_admin=True)
    assert [9, 8, 7, 6, 5, 4] == [change["revision"] for change in told]


def test_an_added_rule_is_deleted(ruled: Storage):
    """Unless it is another one by now."""
    rules.set_value(ruled, 1, 2, NOBODY)
    assert ("rule 1 was changed since", [6]) == ((error := fail(ruled, 5)).conflicts[0], list_between(error))
    rules.set_value(ruled, 1, 1, NOBODY)
    undo(ruled, 5)
    assert [] == ruled.read(lambda reader: reader.rules())


def test_an_added_setting_is_deleted_only_if_that_is_said(declared: Storage):
    """And as long as it is what it was, and has no rules."""
    assert ("setting 'cache_ttl' would be deleted: if it is to be, say so with force=true",) == fail(
        declared, 4
    ).conflicts
    rules.add(declared, "cache_ttl", {"user": "a"}, 1, {}, NOBODY)
    error = fail(declared, 4, is_forced=True)
    assert (("setting 'cache_ttl' has rules since: [1]",), [5]) == (error.conflicts, list_between(error))
    rules.delete(declared, 1, NOBODY)
    settings.rename(declared, "cache_ttl", "ttl", "1.1", NOBODY)
    assert ("setting 'ttl' was changed since",) == fail(declared, 4, is_forced=True).conflicts
    undo(declared, 7)
    undo(declared, 4, is_forced=True)
    assert [] == declared.read(lambda reader: reader.settings())
    undo(declared, 9)
    assert ["cache_ttl"] == [setting.name for setting in declared.read(lambda reader: reader.settings())]


def test_a_renaming_is_taken_back(ruled: Storage):
    """With its alias, if nobody else has the name by now."""
    settings.rename(ruled, "cache_ttl", "ttl", "1.1", NOBODY)
    undo(ruled, 6)
    setting = settings.get(ruled, "cache_ttl").content
    assert ("cache_ttl", [], "1.0") == (setting["name"], setting["aliases"], setting["version"])


def test_a_name_that_somebody_else_has_is_refused(ruled: Storage):
    """With what gave it to them."""
    settings.delete(ruled, "cache_ttl", NOBODY)
    declare(ruled, declaring("other"), SOMEBODY)
    settings.rename(ruled, "other", "cache_ttl", "1.1", Origin("ada"))
    error = fail(ruled, 6)
    assert "the name 'cache_ttl' belongs to setting 'cache_ttl' now" == error.conflicts[0]
    assert [8, 7] == list_between(error)
    assert "the setting of rule 1 is gone" in error.conflicts


def test_the_context_features_are_taken_back(ruled: Storage):
    """As a whole list, unless a setting needs what would go, or the list is another one since."""
    context_features.add_feature(ruled, "tier", NOBODY)
    context_features.move_feature(ruled, "tier", "before", "user", NOBODY)
    assert (("the list of context features was changed since",), [7]) == (
        (error := fail(ruled, 6)).conflicts,
        list_between(error),
    )
    undo(ruled, 7)
    undo(ruled, 6)
    assert ("environment", "user", "theme") == context_features.list_features(ruled).content
    undo(ruled, 9)
    declare(ruled, declaring("needing", features=("tier",)), NOBODY)
    assert "settings ['needing'] are configurable by the context features ['tier']" in fail(ruled, 6).conflicts


def test_a_rule_whose_conditions_another_one_has_is_refused(ruled: Storage):
    """With the change that has added that one."""
    rules.delete(ruled, 1, NOBODY)
    rules.add(ruled, "cache_ttl", {"user": "a"}, 9, {}, NOBODY)
    error = fail(ruled, 6)
    assert (("rule 2 has the conditions of rule 1 now",), [7]) == (error.conflicts, list_between(error))


def test_what_does_not_fit_any_more_is_refused(ruled: Storage):
    """A value to another type, a rule to other context features, a type and features to rules."""
    rules.set_value(ruled, 1, 2.5, NOBODY)
    rules.set_value(ruled, 1, 2, NOBODY)
    settings.set_type(ruled, "cache_ttl", parse_value_type("int"), "2.0", NOBODY)
    assert "setting 'cache_ttl': setting type incompatible with values for rules: [1]" in fail(ruled, 7).conflicts
    rules.delete(ruled, 1, NOBODY)
    settings.set_configurable_features(ruled, "cache_ttl", ["environment"], "3.0", NOBODY)
    assert "setting 'cache_ttl' is not configurable any more by ['user'], as rule 1 needs" in fail(ruled, 9).conflicts
    settings.set_configurable_features(ruled, "cache_ttl", ["environment", "theme"], "4.0", NOBODY)
    rules.add(ruled, "cache_ttl", {"theme": "x"}, 1, {}, NOBODY)
    error = fail(ruled, 11)
    assert "setting 'cache_ttl': configurable features ['theme'] are still in use by rules [2]" in error.conflicts


def test_values_outside_limits_are_refused(ruled: Storage):
    """Where the limits came later, or where they would come back."""
    rules.set_value(ruled, 1, 20, NOBODY)
    rules.set_value(ruled, 1, 2, NOBODY)
    declare(ruled, declaring(type="float", default_value=5, metadata=LIMITS, version="1.1"), NOBODY)
    assert "limits of values (value-schema) broken by the values of rules [1]" in fail(ruled, 7).conflicts[0]
    declare(ruled, declaring(type="float", default_value=5, version="1.2"), NOBODY)
    rules.set_value(ruled, 1, 20, NOBODY)
    assert "limits of values (value-schema) broken by the values of rules [1]" in fail(ruled, 9).conflicts[0]
    settings.delete(ruled, "cache_ttl", NOBODY)
    undo(ruled, 11)
    assert 20 == rules.get(ruled, 1).content["value"]


def test_a_default_outside_limits_is_refused(ruled: Storage):
    """As a declaration with it would be."""
    declare(ruled, declaring(type="float", default_value=50, version="1.1"), NOBODY)
    declare(ruled, declaring(type="float", default_value=5, metadata=LIMITS, version="1.1"), NOBODY)
    metadata.edit_of_setting(ruled, "cache_ttl", metadata.overwrite({}), "1.2", NOBODY)
    declare(ruled, declaring(type="float", default_value=5, metadata=LIMITS, version="1.3"), NOBODY)
    declare(ruled, declaring(type="float", default_value=5, version="1.4"), NOBODY)
    declare(ruled, declaring(type="float", default_value=50, version="1.5"), NOBODY)
    newest = read_revision(ruled)
    assert 0 < newest
    error = fail(ruled, newest - 1)
    assert "version, metadata of setting 'cache_ttl' was changed since" not in error.conflicts
    assert [newest] == list_between(error)


@pytest.mark.parametrize("revision", [6, 7])
def test_a_change_that_is_told_as_one_is_taken_back_as_one(ruled: Storage, revision: int):
    """That of the existing management page, which makes it in two requests."""
    rules.set_value(ruled, 1, 2, NOBODY)
    metadata.edit_of_rule(ruled, 1, metadata.overwrite({"added_by": "bob"}), NOBODY)
    assert 2 == revert(ruled, revision, SOMEBODY).result
    assert (1, {"by": "me"}) == (rules.get(ruled, 1).content["value"], rules.get(ruled, 1).content["metadata"])


def test_some_changes_cannot_be_taken_back(storage: Storage):
    """Imports, and who may do what; the message says so."""
    load(storage, Contents(("user",), [a_setting("a")], [], 1), NOBODY)
    people.add(storage, "ada", EVERYTHING, None, NOBODY)
    for revision, message in ((4, "revision 4 is an import"), (5, "revision 5 is about person")):
        with pytest.raises(ConflictError, match=message):
            undo(storage, revision)


def test_what_is_not_in_the_log_cannot_be_taken_back(ruled: Storage):
    """It was removed, or never was there."""
    for revision in (0, 6, 10**30):
        with pytest.raises(NotFoundError, match="newest one is 5"):
            undo(ruled, revision)
    ruled.prune(datetime.now(UTC) + timedelta(hours=1))
    with pytest.raises(ConflictError, match="cannot be taken back: revision 4 is not known any more"):
        undo(ruled, 4)


def test_there_has_to_be_room_for_what_comes_back(ruled: Storage):
    """As for what is new."""
    rules.delete(ruled, 1, NOBODY)
    ruled.ceilings = Ceilings(Counts(1, 0), lambda: None)
    with pytest.raises(FullError):
        undo(ruled, 6)


GRANTED: list[tuple[Callable[[Storage], Any], str, str]] = [
    (lambda storage: rules.set_value(storage, 1, 2, NOBODY), "edit:a.", "declare"),
    (lambda storage: rules.delete(storage, 1, NOBODY), "edit:a.", "declare"),
    (lambda storage: rules.add(storage, "a.b", {"user": "x"}, 2, {}, NOBODY), "edit", "edit:b."),
    (lambda storage: settings.rename(storage, "a.b", "b.b", "1.1", NOBODY), "declare", "declare:b."),
    (lambda storage: settings.delete(storage, "c.d", NOBODY), "declare:c.", "edit"),
    (lambda storage: declare(storage, declaring("e"), NOBODY), "admin", "declare"),
    (lambda storage: context_features.add_feature(storage, "tier", NOBODY), "admin", "edit"),
]


@pytest.mark.parametrize(("write", "enough", "other"), GRANTED)
def test_a_revert_needs_what_its_writes_need(
    storage: Storage, write: Callable[[Storage], Any], enough: str, other: str
):
    """For the settings that they change, under all of their names."""
    declare(storage, declaring("a.b"), NOBODY)
    declare(storage, declaring("c.d"), NOBODY)
    rules.add(storage, "a.b", {"user": "y"}, 1, {}, NOBODY)
    write(storage)
    revision = read_revision(storage)
    with pytest.raises(NotPermittedError):
        revert(storage, revision, Origin("ada", grants=parse_grants([other])), is_forced=True)
    assert revision == read_revision(storage)
    assert revert(storage, revision, Origin("ada", grants=parse_grants([enough])), is_forced=True).is_change


def test_a_long_way_back_has_the_changes_of_the_last(ruled: Storage):
    """There may be hundreds in between."""
    rules.set_value(ruled, 1, 100, NOBODY)
    for value in range(50):
        rules.set_value(ruled, 1, value, NOBODY)
    assert list(range(56, 36, -1)) == list_between(fail(ruled, 6))


def test_names_lead_to_the_setting_that_was_changed(storage: Storage):
    """Though another one has the name by now."""
    clock = iter(datetime(2026, 11, 1, tzinfo=UTC) + timedelta(minutes=minute) for minute in range(100))
    storage = MemoryStorage(lambda: next(clock))
    storage.open()
    context_features.add_feature(storage, "user", NOBODY)
    declare(storage, declaring("a", features=("user",)), NOBODY)
    rules.add(storage, "a", {"user": "x"}, 1, {}, NOBODY)
    settings.delete(storage, "a", NOBODY)
    declare(storage, declaring("b", features=("user",)), NOBODY)
    settings.rename(storage, "b", "a", "1.1", NOBODY)
    settings.delete(storage, "a", NOBODY)
    undo(storage, 4)
    assert [("a", "1.0", frozenset())] == [
        (setting.name, setting.version, setting.aliases) for setting in storage.read(lambda reader: reader.settings())
    ]
    assert [1] == [rule.rule_id for rule in storage.read(lambda reader: reader.rules())]
    assert "the name 'a' belongs to setting 'a' now" == fail(storage, 7).conflicts[0]
