"""Repeating an import: what is taken over, what is left, and what is logged."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from heksher.server.catalog.catalog import Catalog
from heksher.server.catalog.picture import take_picture
from heksher.server.operations import context_features, metadata, rules, settings
from heksher.server.operations.declaration import declare
from heksher.server.operations.imported import LeftOut
from heksher.server.operations.loading import Contents, load
from heksher.server.operations.update_plan import make_plan
from heksher.server.operations.updating import update
from heksher.server.storage.base import NOBODY, RuleRecord, Storage
from heksher.server.storage.memory import MemoryStorage
from heksher.value_type import JSON
from tests.support.operations import SOMEBODY, declaring, read_last, read_revision
from tests.support.storages import a_setting, see_everything

ORDER = ("environment", "user")
A = a_setting("a", ORDER, aliases=["old_a"])
B = a_setting("b", ORDER, default_value=1)
RULE_1 = RuleRecord(1, "a", {"user": "x"}, 10, {"by": "me"})
RULE_2 = RuleRecord(2, "a", {"user": "y"}, 20)
RULE_5 = RuleRecord(5, "b", {"environment": "dev"}, 50)
THERE = Contents(ORDER, [A, B], [RULE_1, RULE_2, RULE_5], next_rule_id=6)


@pytest.fixture
def storage() -> Storage:
    """What was imported once."""
    storage = MemoryStorage()
    storage.open()
    load(storage, THERE, SOMEBODY)
    return storage


def change(there: Contents = THERE, **parts: object) -> Contents:
    return replace(there, **parts)


def list_contents(storage: Storage) -> tuple[object, ...]:
    return storage.read(lambda reader: (reader.context_features(), reader.settings(), reader.rules()))


def take_over(storage: Storage, there: Contents) -> None:
    """Update, and check that a catalog follows, and that both are the same in the end."""
    catalog = Catalog(storage, 0)
    catalog.load()
    plan = update(storage, there, frozenset(), SOMEBODY).result
    assert [] == plan.left
    assert (there.features, list(there.settings), list(there.rules)) == list_contents(storage)
    assert storage.read(take_picture) == catalog.refresh().picture
    assert {"load"} == {each.action for each in read_last(storage).changes}


def test_nothing_new_is_nothing_written(storage: Storage):
    """Not even an entry of the log; the plan says how much is the same."""
    written = update(storage, THERE, frozenset(), SOMEBODY)
    assert (1, True, 2, 3) == (
        written.revision,
        written.result.is_empty,
        written.result.same_settings,
        written.result.same_rules,
    )
    assert 1 == read_revision(storage)


C = a_setting("c", ORDER)
CHANGES: dict[str, Contents] = {
    "values and metadata": change(rules=[replace(RULE_1, value=11), replace(RULE_2, metadata={"n": 1}), RULE_5]),
    "a number that is written in another way": change(rules=[replace(RULE_1, value=10.0), RULE_2, RULE_5]),
    "attributes": change(settings=[replace(A, default_value=61, version="1.1"), B]),
    "new ones": change(settings=[A, B, C], rules=[*THERE.rules, RuleRecord(9, "c", {"user": "z"}, 1)], next_rule_id=10),
    "a rule is gone": change(rules=[RULE_1, RULE_5]),
    "a setting is gone": change(settings=[B], rules=[RULE_5]),
    "a rule in the place of another": change(
        rules=[RULE_1, RULE_5, replace(RULE_2, rule_id=6)],
        next_rule_id=7,
    ),
    "renamed": change(
        settings=[B, replace(A, name="z", aliases=frozenset({"old_a", "a"}))],
        rules=[replace(RULE_1, setting="z"), replace(RULE_2, setting="z", value=21), RULE_5],
    ),
    "renamed into the place of one that is gone": change(
        settings=[replace(B, name="a", aliases=frozenset({"b"}))],
        rules=[replace(RULE_5, setting="a"), RuleRecord(7, "a", {"user": "x"}, 1)],
        next_rule_id=8,
    ),
    "an alias is gone": change(settings=[replace(A, aliases=frozenset()), B]),
    "another order": change(features=("user", "environment")),
    "another feature": change(
        features=("zone", "environment", "user"),
        settings=[replace(A, configurable_features=frozenset({"zone", "user"})), B],
    ),
    "a feature is gone": change(
        features=("user",),
        settings=[replace(A, configurable_features=frozenset({"user"}))],
        rules=[RULE_1, RULE_2],
    ),
    "everything is gone": Contents((), [], [], 1),
}  # fmt: skip


@pytest.mark.parametrize("there", CHANGES.values(), ids=CHANGES.keys())
def test_what_changed_there_is_taken_over(storage: Storage, there: Contents):
    """All of it, as one entry."""
    assert not storage.read(lambda reader: make_plan(reader, there)).is_empty
    take_over(storage, there)
    assert 2 == read_revision(storage)
    assert storage.read(lambda reader: make_plan(reader, there)).is_empty


def test_a_log_that_was_pruned_knows_what_was_imported():
    """What was changed or deleted here is left, and the rest taken over, as without that."""
    results = []
    for is_pruned in (False, True):
        storage = MemoryStorage()
        storage.open()
        load(storage, change(settings=[A, B, C], next_rule_id=1000), SOMEBODY)
        rules.set_value(storage, 1, 12, NOBODY)
        rules.delete(storage, 2, NOBODY)
        settings.delete(storage, "c", NOBODY)
        context_features.add_feature(storage, "late", NOBODY)
        if is_pruned:
            assert 4 == storage.prune(datetime.max.replace(tzinfo=UTC))
        changed = change(
            settings=[A, replace(B, default_value=2, version="1.1"), C],
            rules=[*THERE.rules, RuleRecord(7, "a", {"user": "z"}, 1)],
            next_rule_id=1000,
        )
        plan = update(storage, changed, frozenset(), SOMEBODY, is_skipping=True).result
        left = [(each.kind, each.key) for each in plan.left]
        results.append((left, storage.read(lambda reader: (reader.settings(), reader.rules()))))
    assert results[0] == results[1]
    assert {("rule", "2"), ("setting", "c")} <= set(results[1][0])
    assert [1, 5, 7] == [rule.rule_id for rule in results[1][1][1]]


def test_an_alias_moves_from_one_setting_to_another(storage: Storage):
    """Whichever of them comes first."""
    moved = change(settings=[replace(A, aliases=frozenset()), replace(B, aliases=A.aliases)])
    for there in (moved, THERE):
        take_over(storage, there)


@pytest.mark.parametrize("is_first", [True, False])
def test_an_alias_becomes_a_setting_of_its_own(storage: Storage, *, is_first: bool):
    """Nothing was changed here: the setting that had it loses it, and the other one is new."""
    own = a_setting("old_a" if is_first else "z", ORDER, default_value=7)
    load_again = change(settings=[replace(A, aliases=frozenset({own.name})), B])
    take_over(storage, load_again)
    settings_there = sorted([replace(A, aliases=frozenset()), B, own], key=lambda setting: setting.name)
    rules_there = [*THERE.rules, RuleRecord(8, own.name, {"user": "z"}, 8)]
    take_over(storage, change(settings=settings_there, rules=rules_there, next_rule_id=9))


def test_an_update_can_be_repeated(storage: Storage):
    """What an update has changed was not changed here."""
    for number in range(3):
        take_over(storage, change(rules=[replace(RULE_1, value=number), RULE_2, RULE_5]))


def set_value(rule_id: int, value: JSON) -> Callable[[Storage], object]:
    return lambda storage: rules.set_value(storage, rule_id, value, NOBODY)


def set_metadata(name: str) -> Callable[[Storage], object]:
    return lambda storage: metadata.edit_of_setting(storage, name, metadata.merge({"here": 1}), "1.1", NOBODY)


def add_rule(setting: str, user: str) -> Callable[[Storage], object]:
    return lambda storage: rules.add(storage, setting, {"user": user}, 7, {}, NOBODY)


def delete_setting(name: str) -> Callable[[Storage], object]:
    return lambda storage: settings.delete(storage, name, NOBODY)


CHANGED = "it was changed here, and is another one there"
ONLY_HERE = "it was added or changed here, and is not there"
GONE = "it was deleted here"
CONFLICTS: dict[str, tuple[Callable[[Storage], object], Contents, list[LeftOut]]] = {
    "a rule was changed": (set_value(1, 11), THERE, [LeftOut("rule", "1", CHANGED, "a")]),
    "a rule was changed here, and is gone there": (
        set_value(2, 21),
        change(rules=[RULE_1, RULE_5]),
        [LeftOut("rule", "2", ONLY_HERE, "a")],
    ),
    "a rule was added": (add_rule("a", "z"), THERE, [LeftOut("rule", "6", ONLY_HERE, "a")]),
    "a rule was added with an id that is given there, too": (
        add_rule("a", "z"),
        change(rules=[*THERE.rules, RuleRecord(6, "b", {"user": "z"}, 7)], next_rule_id=7),
        [LeftOut("rule", "6", "its id is that of another rule here", "b")],
    ),
    "a rule was added with the same conditions": (
        add_rule("b", "z"),
        change(rules=[*THERE.rules, RuleRecord(8, "b", {"user": "z"}, 8)], next_rule_id=9),
        [LeftOut("rule", "6", ONLY_HERE, "b"), LeftOut("rule", "8", "rule 6 here has the same conditions", "b")],
    ),
    "a rule was deleted": (
        lambda storage: rules.delete(storage, 5, NOBODY),
        THERE,
        [LeftOut("rule", "5", GONE, "b")],
    ),
    "a setting was changed": (set_metadata("b"), THERE, [LeftOut("setting", "b", CHANGED)]),
    "a setting was changed here, and is gone there": (
        set_metadata("b"),
        change(settings=[A], rules=[RULE_1, RULE_2]),
        [LeftOut("setting", "b", ONLY_HERE)],
    ),
    "a rule was added to a setting that is gone there": (
        add_rule("b", "z"),
        change(settings=[A], rules=[RULE_1, RULE_2]),
        [LeftOut("setting", "b", ONLY_HERE), LeftOut("rule", "6", ONLY_HERE, "b")],
    ),
    "a setting was deleted": (delete_setting("b"), THERE, [LeftOut("setting", "b", GONE)]),
    "a setting was deleted here, and renamed there": (
        delete_setting("b"),
        change(settings=[A, replace(B, name="z", aliases=frozenset({"b"}))], rules=[RULE_1, RULE_2]),
        [LeftOut("setting", "z", GONE)],
    ),
    "a rule was added that would not fit any more": (
        add_rule("b", "z"),
        change(settings=[A, replace(B, type="str", default_value="")], rules=[RULE_1, RULE_2]),
        [
            LeftOut("setting", "b", "rule 6, which stays as it is here, does not fit to it"),
            LeftOut("rule", "6", ONLY_HERE, "b"),
        ],
    ),
    "a setting was made another one, which new rules do not fit to": (
        lambda storage: settings.set_configurable_features(storage, "b", ["environment"], "1.1", NOBODY),
        change(rules=[*THERE.rules, RuleRecord(8, "b", {"user": "z"}, 8)], next_rule_id=9),
        [LeftOut("setting", "b", CHANGED), LeftOut("rule", "8", "it does not fit to its setting here", "b")],
    ),
    "a setting has a name that is another one's there": (
        lambda storage: settings.rename(storage, "b", "c", "1.1", NOBODY),
        change(settings=[A, B, C]),
        [LeftOut("setting", "b", "the name 'b' belongs to another setting here"), LeftOut("setting", "c", CHANGED)],
    ),
    "a setting has a name that is new there": (
        lambda storage: settings.rename(storage, "b", "c", "1.1", NOBODY),
        change(settings=[replace(A, aliases=frozenset({"old_a", "c"})), B]),
        [
            LeftOut("setting", "a", "the name 'c' belongs to another setting here"),
            LeftOut("setting", "b", CHANGED),
        ],
    ),
    "the order was changed": (
        lambda storage: context_features.move_feature(storage, "user", "before", "environment", NOBODY),
        THERE,
        [
            LeftOut(
                "context_features",
                "",
                "the order here is ['user', 'environment'], and ['environment', 'user'] there: something here depends"
                " on it",
            )
        ],
    ),
    "the order was changed, and there is a new feature there": (
        lambda storage: context_features.move_feature(storage, "user", "before", "environment", NOBODY),
        change(features=("environment", "user", "zone"), settings=[A, B, a_setting("c", ["zone"])]),
        [
            LeftOut(
                "context_features",
                "",
                "the order here is ['user', 'environment'], and ['environment', 'user', 'zone'] there: something here"
                " depends on it",
            ),
            LeftOut("setting", "c", "the context features ['zone'] are not here"),
        ],
    ),
    "a setting that stays needs a feature": (
        set_metadata("a"),
        change(features=("environment",), settings=[], rules=[]),
        [
            LeftOut(
                "context_features",
                "",
                "the order here is ['environment', 'user'], and ['environment'] there: something here depends on it",
            ),
            LeftOut("setting", "a", ONLY_HERE),
        ],
    ),
}


@pytest.mark.parametrize(("here", "there", "left"), CONFLICTS.values(), ids=CONFLICTS.keys())
def test_what_changed_here_is_left(
    storage: Storage, here: Callable[[Storage], object], there: Contents, left: list[LeftOut]
):
    """It is told; nothing is written, or, where that is to be skipped, the rest only."""
    here(storage)
    before = see_everything(storage)
    assert left == update(storage, there, frozenset(), SOMEBODY).result.left
    assert before == see_everything(storage)
    more = replace(there, settings=[*there.settings, a_setting("more", ["environment"])])
    skipping = update(storage, more, frozenset(), SOMEBODY, is_skipping=True).result
    assert left == skipping.left
    assert storage.read(lambda reader: reader.find_setting("more")) is not None
    again = storage.read(lambda reader: make_plan(reader, more))
    assert (left, []) == (again.left, list(again.list_objects()))


def test_what_was_changed_to_the_same_is_no_conflict(storage: Storage):
    """Whoever changed it."""
    set_value(1, 11)(storage)
    plan = update(storage, change(rules=[replace(RULE_1, value=11), RULE_2, RULE_5]), frozenset(), SOMEBODY).result
    assert ([], []) == (plan.left, list(plan.list_objects()))


def test_what_cannot_be_taken_stays_as_it_is(storage: Storage):
    """A rule or a setting that is there, but in a form that cannot be taken, is not gone there."""
    refused = {("rule", "2"), ("setting", "b"), ("rule", "5")}
    there = change(settings=[A], rules=[RULE_1])
    plan = update(storage, there, refused, SOMEBODY).result
    assert ([], []) == (plan.left, list(plan.list_objects()))


@pytest.mark.parametrize("rules", [[], [replace(RULE_5, setting="z")]], ids=["it is refused", "it is another one's"])
def test_a_setting_that_a_rule_which_stays_does_not_fit_to_is_left(storage: Storage, rules: list[RuleRecord]):
    """Nothing invalid is ever stored, though nobody has changed that rule here."""
    text = replace(B, type="str", default_value="")
    there = change(settings=[A, text, a_setting("z", ORDER)], rules=[RULE_1, RULE_2, *rules])
    refused = set() if rules else {("rule", "5")}
    plan = update(storage, there, refused, SOMEBODY, is_skipping=True).result
    assert LeftOut("setting", "b", "rule 5, which stays as it is here, does not fit to it") == plan.left[0]
    assert ["int", 50] == storage.read(lambda reader: [reader.find_setting("b").type, reader.find_rule(5).value])


def test_what_could_not_be_taken_before_is_taken_now():
    """Though its id is below the highest one by then."""
    storage = MemoryStorage()
    storage.open()
    load(storage, change(rules=[RULE_1, RULE_5]), SOMEBODY)
    take_over(storage, THERE)


def test_new_ids_are_above_all_that_were_given(storage: Storage):
    """Here and there."""
    there = change(settings=[A, B, C], next_rule_id=100)
    update(storage, there, frozenset(), SOMEBODY)
    assert 100 == rules.add(storage, "a", {"user": "z"}, 1, {}, NOBODY).result


def test_an_empty_service_is_updated_like_a_full_one():
    """Whatever features it was started with."""
    storage = MemoryStorage()
    storage.open()
    context_features.ensure_features(storage, ["user"], NOBODY)
    take_over(storage, THERE)


def test_a_setting_that_applications_declared_is_one_of_here():
    """The same as there, it is no conflict."""
    storage = MemoryStorage()
    storage.open()

    context_features.ensure_features(storage, ORDER, NOBODY)
    declare(storage, declaring("b", default_value=1), NOBODY)
    take_over(storage, THERE)
