"""The change log of every storage: its form, and how it is read. The units of work are in ``test_storage_units``."""

from collections.abc import Callable, Sequence

import pytest

from heksher.revision_id import RevisionId
from heksher.server.storage.base import (
    LogEntry,
    LoggedChange,
    Origin,
    Reader,
    RuleRecord,
    SettingRecord,
    Storage,
    Writer,
)
from heksher.server.storage.storage_errors import ContractError
from tests.support.logged_steps import (
    ORDER,
    add_rule,
    add_setting,
    delete_rule,
    delete_setting,
    history,
    note,
    rename,
    set_value,
    write,
)
from tests.support.storages import SOME_CHANGE, Place, see_everything, store

LONG = "x" * 5000


def test_several_changes_are_one_entry(storage: Storage) -> None:
    """A unit of work may record any number of changes: one entry has all of them, in their order."""

    def work(writer: Writer) -> None:
        for number in range(3):
            writer.record(note(number))
            assert writer.revision() == 1
            assert [entry.size for entry in writer.log()] == [number + 1]
        writer.record_all(map(note, range(3, 2500)))

    written = storage.write(work)
    (entry,) = storage.read(lambda reader: reader.log(max_changes=10_000))
    assert written.revision == entry.revision == 1
    assert entry.changes == tuple(map(note, range(2500)))
    assert (entry.size, entry.is_whole) == (2500, True)


def test_no_changes_at_all_are_no_entry(storage: Storage) -> None:
    """To record an empty list is to record nothing, and then there must be nothing to record."""
    assert storage.write(lambda writer: writer.record_all([])).revision == 0
    with pytest.raises(ContractError, match="call record"):
        storage.write(lambda writer: (writer.set_context_features(["a"]), writer.record_all([])))
    assert see_everything(storage) == (0, (), [], [], 0, [])


def test_changes_that_fail_half_way_are_not_stored(storage: Storage) -> None:
    """When a later change of an entry cannot be recorded, or the work raises, there is no entry."""
    bad = LoggedChange("bad", "rule", "1", None, {"value": float("nan")})
    changes = [*map(note, range(1500)), bad]
    with pytest.raises(ContractError):
        storage.write(lambda writer: writer.record_all(changes))

    def fail() -> object:
        yield note(1)
        raise KeyError

    with pytest.raises(KeyError):
        storage.write(lambda writer: writer.record_all(fail()))  # type: ignore[arg-type]
    assert see_everything(storage) == (0, (), [], [], 0, [])


@pytest.mark.parametrize("max_changes", [-1, 0, 1, 2, 10])
def test_large_entries_are_cut(storage: Storage, max_changes: int) -> None:
    """Of each entry at most so many changes are given, at least one; the entry says how many it has."""
    storage.write(lambda writer: writer.record_all(map(note, range(3))))
    storage.write(lambda writer: writer.record(note(9)))
    for entries in (
        storage.read(lambda reader: reader.log(max_changes=max_changes)),
        storage.read(lambda reader: reader.history(max_changes=max_changes))[::-1],
    ):
        assert [entry.size for entry in entries] == [3, 1]
        shown = min(max(max_changes, 1), 3)
        assert [entry.changes for entry in entries] == [tuple(map(note, range(shown))), (note(9),)]
        assert [entry.is_whole for entry in entries] == [shown == 3, True]


@pytest.mark.parametrize(
    ("revision", "first", "limit", "numbers"),
    [
        (1, 0, 1000, range(5)),
        (1, 2, 2, range(2, 4)),
        (1, 4, 10, range(4, 5)),
        (1, 5, 10, ()),
        (1, -3, 2, range(2)),
        (1, 0, 0, ()),
        (2, 0, 10, range(9, 10)),
        (3, 0, 10, ()),
        (0, 0, 10, ()),
        (-1, 0, 10, ()),
        (10**30, 10**30, 10**30, ()),
    ],
)
def test_changes_of_an_entry_are_read_in_pages(
    storage: Storage, revision: int, first: int, limit: int, numbers: Sequence[int]
) -> None:
    """By any whole numbers; an entry that is not there has none."""
    storage.write(lambda writer: writer.record_all(map(note, range(5))))
    storage.write(lambda writer: writer.record(note(9)))
    assert storage.read(lambda reader: reader.changes(revision, first, limit)) == list(map(note, numbers))


@pytest.mark.parametrize(
    ("before_revision", "limit", "revisions"),
    [
        (None, 100, [5, 4, 3, 2, 1]),
        (None, 2, [5, 4]),
        (4, 2, [3, 2]),
        (2, 2, [1]),
        (1, 2, []),
        (99, 1, [5]),
        (-1, 2, []),
        (10**30, 10**30, [5, 4, 3, 2, 1]),
        (None, 0, []),
        (None, -1, []),
    ],
)
def test_history_is_newest_first(
    storage: Storage, before_revision: int | None, limit: int, revisions: list[int]
) -> None:
    """A page ends where it is told to, and the next one begins below it."""
    for number in range(5):
        storage.write(lambda writer, number=number: writer.record(note(number)))
    assert [revision for revision, _ in history(storage, before_revision, limit)] == revisions


def test_history_of_a_setting(featured: Storage) -> None:
    """It has the changes of the setting under all of its names, those of its rules, also of deleted ones, no others."""
    write(
        featured,
        lambda writer: (add_setting(writer, "a", "old"), add_setting(writer, "other")),
        lambda writer: (add_rule(writer, "a", "x"), add_rule(writer, "other", "x")),
        lambda writer: add_rule(writer, "other", "y"),
        lambda writer: (set_value(writer, 1, 2), rename(writer, "a", "b", ["a", "old"]), set_value(writer, 1, 3)),
        lambda writer: delete_rule(writer, 1),
    )
    expected = [
        (6, ["delete"]),
        (5, ["set value", "rename", "set value"]),
        (3, ["add"]),
        (2, ["declare"]),
    ]
    assert [history(featured, setting=name) for name in ("a", "b", "old")] == [expected] * 3
    assert history(featured, setting="other") == [(4, ["add"]), (3, ["add"]), (2, ["declare"])]
    assert [history(featured, setting=name) for name in ("unheard_of", "", "\0", "\ud800")] == [[]] * 4
    assert history(featured, 6, 1, 2, setting="b") == [(5, ["set value", "rename"])]
    assert history(featured, 5, 1, setting="b") == [(3, ["add"])]
    assert history(featured, 2, setting="b") == []
    (entry,) = featured.read(lambda reader: reader.history(3, 1, setting="a"))
    assert (entry.size, len(entry.changes), entry.is_whole) == (2, 1, False)


def test_history_of_a_rule(featured: Storage) -> None:
    """It has the changes of the rule with an id, and no others, also after it was deleted."""
    write(
        featured,
        lambda writer: add_setting(writer, "a"),
        lambda writer: (add_rule(writer, "a", "x"), add_rule(writer, "a", "y")),
        lambda writer: set_value(writer, 1, 2),
        lambda writer: delete_setting(writer, "a"),
    )
    assert history(featured, rule_id=1) == [(5, ["delete"]), (4, ["set value"]), (3, ["add"])]
    assert history(featured, 5, 1, rule_id=1) == [(4, ["set value"])]
    assert [history(featured, rule_id=rule_id) for rule_id in (0, -1, 3, 10**30)] == [[]] * 4


def test_a_deleted_setting_has_its_history(featured: Storage) -> None:
    """By each canonical name that it had; the deletions of its rules are changes of their own."""
    write(
        featured,
        lambda writer: add_setting(writer, "a"),
        lambda writer: (add_rule(writer, "a", "x"), add_rule(writer, "a", "y")),
        lambda writer: rename(writer, "a", "b", ["a"]),
        lambda writer: delete_setting(writer, "b"),
    )
    expected = [(5, ["delete"] * 3), (4, ["rename"]), (3, ["add"] * 2), (2, ["declare"])]
    assert [history(featured, setting=name) for name in "ab"] == [expected] * 2
    changes = featured.read(lambda reader: reader.history(setting="b"))[0].changes
    assert [(change.kind, change.key, change.setting) for change in changes] == [
        ("rule", "1", "b"),
        ("rule", "2", "b"),
        ("setting", "b", ""),
    ]


def test_a_setting_that_comes_back_has_its_history(featured: Storage) -> None:
    """One that is added under the last canonical name of a deleted one is that setting, in the same unit, too."""
    write(
        featured,
        lambda writer: add_setting(writer, "a"),
        lambda writer: rename(writer, "a", "b", ["a"]),
        lambda writer: delete_setting(writer, "b"),
        lambda writer: add_setting(writer, "b"),
        lambda writer: (delete_setting(writer, "b"), add_setting(writer, "b"), add_setting(writer, "a")),
    )
    revisions = [revision for revision, _ in history(featured, setting="b")]
    assert revisions == [6, 5, 4, 3, 2]
    assert history(featured, setting="a") == [(6, ["declare"])]


def test_a_name_that_was_given_up_is_another_setting(featured: Storage) -> None:
    """As long as the setting that had it is there under another name."""
    write(
        featured,
        lambda writer: add_setting(writer, "a"),
        lambda writer: rename(writer, "a", "b", []),
        lambda writer: add_setting(writer, "a"),
    )
    assert history(featured, setting="a") == [(4, ["declare"])]
    assert history(featured, setting="b") == [(3, ["rename"]), (2, ["declare"])]


def test_a_new_setting_never_takes_over_the_history_of_another(featured: Storage) -> None:
    """Not even the newest one's, which was deleted without a trace in the log."""
    write(
        featured,
        lambda writer: add_setting(writer, "a"),
        lambda writer: (writer.delete_setting("a"), writer.record(SOME_CHANGE)),
        lambda writer: add_setting(writer, "b"),
    )
    assert history(featured, setting="b") == [(4, ["declare"])]
    assert history(featured, setting="a") == [(2, ["declare"])]


def test_a_deleted_rule_can_come_back(featured: Storage) -> None:
    """With its id, once; rules stay in the order of ids, and the next new id is what it would have been."""
    write(
        featured,
        lambda writer: add_setting(writer, "a"),
        lambda writer: (add_rule(writer, "a", "x"), add_rule(writer, "a", "y"), add_rule(writer, "a", "z")),
        lambda writer: delete_rule(writer, 1),
        lambda writer: rename(writer, "a", "b", ["a"]),
    )
    rule = featured.write(lambda writer: add_rule(writer, "b", "x", 1)).result
    assert rule == RuleRecord(1, "b", {"user": "x"}, 1, {})
    assert featured.read(lambda reader: [rule.rule_id for rule in reader.rules()]) == [1, 2, 3]
    assert featured.read(lambda reader: reader.find_rule(1)) == rule
    with pytest.raises(ContractError):
        featured.write(lambda writer: add_rule(writer, "b", "q", 1))
    assert featured.write(lambda writer: add_rule(writer, "b", "new")).result.rule_id == 4


def test_a_rule_comes_back_with_its_setting(featured: Storage) -> None:
    """Also in the unit of work in which both were deleted."""

    def work(writer: Writer) -> None:
        delete_setting(writer, "a")
        add_setting(writer, "a")
        add_rule(writer, "a", "x", 1)

    write(featured, lambda writer: (add_setting(writer, "a"), add_rule(writer, "a", "x")), work)
    write(featured, lambda writer: delete_setting(writer, "a"), lambda writer: add_setting(writer, "a"))
    assert featured.write(lambda writer: add_rule(writer, "a", "x", 1)).result.rule_id == 1


REFUSED: dict[str, Callable[[Writer], object]] = {
    "other conditions": lambda writer: add_rule(writer, "a", "other", 1),
    "another setting": lambda writer: add_rule(writer, "b", "x", 1),
    "an id that is in use": lambda writer: add_rule(writer, "a", "other", 2),
    "an id that was never given": lambda writer: add_rule(writer, "a", "other", 3),
    "an id that can be none": lambda writer: add_rule(writer, "a", "other", -1),
    "an id that is too large": lambda writer: add_rule(writer, "a", "other", 10**30),
    "a rule that is there": lambda writer: (add_rule(writer, "a", "x"), add_rule(writer, "a", "x", 1)),
    "a deletion without a trace": lambda writer: (writer.delete_rule(2), add_rule(writer, "a", "y", 2)),
}


@pytest.mark.parametrize("step", REFUSED.values(), ids=REFUSED.keys())
def test_an_id_is_given_again_to_its_rule_alone(featured: Storage, step: Callable[[Writer], object]) -> None:
    """The log says which rule had it, and that it was deleted."""
    write(
        featured,
        lambda writer: (add_setting(writer, "a"), add_setting(writer, "b")),
        lambda writer: (add_rule(writer, "a", "x"), add_rule(writer, "a", "y")),
        lambda writer: delete_rule(writer, 1),
    )
    before = see_everything(featured)
    with pytest.raises(ContractError):
        featured.write(step)
    assert see_everything(featured) == before


def test_long_values_come_back(featured: Storage) -> None:
    """Values of any length, as often as they are logged, beside short ones."""
    fields = {"long": LONG, "short": 1, "list": [LONG, None], "": {"long": "x"}}
    changes = [LoggedChange("a", "rule", "1", fields, {**fields, "long": LONG + "y"}, "s") for _ in range(2)]
    featured.write(lambda writer: [writer.record(change) for change in changes])
    featured.write(lambda writer: writer.record(changes[0]))
    assert featured.read(lambda reader: [entry.changes for entry in reader.log(1)]) == [tuple(changes), (changes[0],)]
    assert featured.read(lambda reader: reader.history(rule_id=1)[0].changes) == (changes[0],)
    assert featured.read(lambda reader: reader.changes(2)) == changes


def test_no_caller_can_change_the_log(featured: Storage) -> None:
    """What was handed in or out is a copy."""
    fields: dict[str, object] = {"value": [1]}
    featured.write(lambda writer: writer.record(LoggedChange("a", "rule", "1", None, fields)))  # type: ignore[arg-type]
    before = see_everything(featured)
    fields["value"] = 2
    for entry in featured.read(lambda reader: reader.history()):
        for change in entry.changes:
            assert isinstance(change.after, dict)
            change.after.clear()
    assert see_everything(featured) == before


def test_any_kind_can_be_read(featured: Storage) -> None:
    """What a later version has written is there, whatever it is about."""
    change = LoggedChange("create", "token", "7", None, {"name": "ci"})
    featured.write(lambda writer: writer.record(change))
    assert featured.read(lambda reader: [reader.history()[0].change, reader.log(1)[0].change]) == [change] * 2


@pytest.mark.parametrize("field", ["action", "kind", "key", "setting"])
@pytest.mark.parametrize("character", ["\0", "\ud800"])
def test_what_no_column_takes_is_not_recorded(featured: Storage, field: str, character: str) -> None:
    """Each storage refuses it, so that any of them can be copied into another; values may have any character."""
    texts = {"action": "a", "kind": "token", "key": "7", "setting": "s"}
    before = see_everything(featured)
    for kind in ("token", "rule", "setting"):
        bad = LoggedChange(**{**texts, "kind": kind, field: f"x{character}"}, before=None, after={"a": 1})  # type: ignore[arg-type]
        with pytest.raises(ContractError, match=f"the {field} .* of a change"):
            featured.write(lambda writer, bad=bad: writer.record_all([SOME_CHANGE, bad]))
    assert see_everything(featured) == before
    fine = LoggedChange(**texts, before=None, after={f"x{character}": character})
    featured.write(lambda writer: writer.record(fine))
    assert featured.read(lambda reader: reader.history()[0].changes) == (fine,)


def list_revisions(reader: Reader) -> list[int | None]:
    """Return the revisions of the features, two settings and two rules."""
    found = [reader.find_setting("a"), reader.find_setting("b"), reader.find_rule(1), reader.find_rule(2)]
    listed = {record.name: record.revision for record in reader.settings()}
    listed_rules = {rule.rule_id: rule.revision for rule in reader.rules()}
    for record in found:
        if isinstance(record, SettingRecord):
            assert listed[record.name] == record.revision
        elif record is not None:
            assert listed_rules[record.rule_id] == record.revision
            assert reader.find_rule_by_conditions(record.setting, record.conditions) == record
    return [reader.features_revision(), *(record and record.revision for record in found)]


def test_each_object_has_the_revision_of_its_last_change(featured: Storage) -> None:
    """A change of a rule is none of its setting, and neither is that of a setting one of its rules."""
    steps: list[tuple[Callable[[Writer], object], list[int | None]]] = [
        (lambda writer: (add_setting(writer, "a", "old"), add_setting(writer, "b")), [1, 2, 2, None, None]),
        (lambda writer: (add_rule(writer, "a", "x"), add_rule(writer, "a", "y")), [1, 2, 2, 3, 3]),
        (lambda writer: set_value(writer, 1, 7), [1, 2, 2, 4, 3]),
        (lambda writer: rename(writer, "a", "old", ["a"]), [1, 5, 2, 4, 3]),
        (lambda writer: delete_rule(writer, 2), [1, 5, 2, 4, None]),
        (lambda writer: add_rule(writer, "old", "y", 2), [1, 5, 2, 4, 7]),
        (lambda writer: (writer.set_context_features(ORDER[::-1]), writer.record(SOME_CHANGE)), [8, 5, 2, 4, 7]),
        (lambda writer: delete_setting(writer, "b"), [8, 5, None, 4, 7]),
    ]
    for step, expected in steps:
        seen = featured.write(lambda writer, step=step: (step(writer), list_revisions(writer))).result[1]
        assert seen == featured.read(list_revisions) == expected


def test_what_is_added_has_its_revision_at_once(featured: Storage) -> None:
    """Adding a rule gives it with the revision that it will have, whatever was given."""
    featured.write(lambda writer: add_setting(writer, "a"))
    assert featured.write(lambda writer: add_rule(writer, "a", "x")).result.revision == 3


def test_stamps_stay(place: Place, featured: Storage) -> None:
    """The stamp of an entry is the same for everybody, also after a restart."""
    entries: list[LogEntry] = featured.read(lambda reader: reader.log())
    featured.close()
    reopened = place.connect()
    reopened.open()
    assert reopened.read(lambda reader: reader.log()) == entries
    reopened.close()


def test_the_newest_entry_is_told_with_its_stamp(storage: Storage) -> None:
    """By a reader, by the write that has made it, and within that; a write that records nothing tells the one before.

    There is no stamp before the first entry.
    """
    assert storage.read(lambda reader: reader.revision_id()) == RevisionId(0)
    assert storage.write(lambda _: None).revision_id == RevisionId(0)
    for revision in (1, 2):
        written = storage.write(lambda writer: (writer.record(SOME_CHANGE), writer.revision_id())[1])
        entry = storage.read(lambda reader: reader.log())[-1]
        assert RevisionId(revision, entry.stamp) == entry.revision_id
        assert [entry.revision_id] * 2 == [written.result, written.revision_id]
        assert [entry.revision_id] * 2 == [
            storage.read(lambda reader: reader.revision_id()),
            storage.write(lambda writer: writer.revision_id()).result,
        ]
        assert storage.write(lambda _: None).revision_id == entry.revision_id


def test_a_write_hands_on_its_entry(storage: Storage) -> None:
    """As a reader finds it, with the stamp of the one before; values are copies."""
    first = store(storage, lambda writer: writer.set_context_features(["user"]))
    value = {"b": [1, 1.0], "a": "x" * 5000}
    change = LoggedChange("act", "rule", "7", {"value": value}, {"value": [value], "n": None}, "cache_ttl")
    second = storage.write(lambda writer: [writer.record(change), writer.record(SOME_CHANGE)], Origin("ada", "because"))
    value["b"].append(2)
    assert [first.entry, second.entry] == storage.read(lambda reader: reader.log())
    assert (None, first.entry.stamp) == (first.previous_stamp, second.previous_stamp)
    assert list(value) == list(second.entry.changes[0].before["value"])
    nothing = storage.write(lambda _: None)
    assert (None, None) == (nothing.entry, nothing.previous_stamp)


def test_a_write_hands_on_no_large_entry(storage: Storage) -> None:
    """It has been stored in batches, and is not kept in memory."""
    for count, is_handed_on in ((1000, True), (1001, False)):
        written = storage.write(lambda writer, count=count: writer.record_all([SOME_CHANGE] * count))
        assert (written.entry is not None) == is_handed_on
