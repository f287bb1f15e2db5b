"""The change log of every storage, read backwards by what its changes are about, and by who made them."""

import pytest

from heksher.server.storage.base import LogEntry, LoggedChange, Origin, Selection, Storage, Writer
from heksher.server.storage.records import MAX_SUBJECTS
from heksher.server.storage.storage_errors import ContractError
from tests.support.logged_steps import (
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

ADA, BOB = Origin("ada"), Origin('"b\0b"')


def select(storage: Storage, selection: Selection, *page: int | None) -> list[tuple[int, list[str]]]:
    """Return a page as revisions with the actions of their changes."""
    entries = storage.read(lambda reader: reader.select(selection, *page))  # type: ignore[arg-type]
    return [(entry.revision, [change.action for change in entry.changes]) for entry in entries]


@pytest.fixture
def told(featured: Storage) -> Storage:
    """A storage with two settings, of which each has a rule, changed by two people."""
    featured.write(lambda writer: (add_setting(writer, "a"), add_setting(writer, "b")), ADA)
    featured.write(lambda writer: (add_rule(writer, "a", "x"), add_rule(writer, "b", "x")), BOB)
    featured.write(lambda writer: set_value(writer, 1, 2), ADA)
    featured.write(lambda writer: (set_value(writer, 2, 2), rename(writer, "b", "c", ["b"]), note(1)), BOB)
    featured.write(lambda writer: (set_value(writer, 1, 3), writer.record(note(2))), ADA)
    return featured


SELECTED: list[tuple[Selection, list[tuple[int, list[str]]]]] = [
    (Selection(actor="ada"), [(6, ["set value", "note 2"]), (4, ["set value"]), (2, ["declare", "declare"])]),
    (Selection(actor='"b\0b"'), [(5, ["set value", "rename"]), (3, ["add", "add"])]),
    (Selection(actor=""), [(1, ["add"])]),
    (Selection(actor="ad"), []),
    (Selection(kinds={"setting"}), [(5, ["rename"]), (2, ["declare", "declare"])]),
    (Selection(kinds={"context_features"}), [(6, ["note 2"]), (1, ["add"])]),
    (
        Selection(kinds=["context_features", "setting", "setting"]),
        [(6, ["note 2"]), (5, ["rename"]), (2, ["declare", "declare"]), (1, ["add"])],
    ),
    (Selection(kinds=["token", "\0", "\ud800"]), []),
    (Selection(kinds=[]), []),
    (Selection(after_revision=4), [(6, ["set value", "note 2"]), (5, ["set value", "rename"])]),
    (Selection(after_revision=6), []),
    (Selection(after_revision=10**30), []),
    (Selection(after_revision=5, setting="b"), []),
    (Selection(after_revision=2, setting="b"), [(5, ["set value", "rename"]), (3, ["add"])]),
    (Selection(setting="b", kinds={"rule"}), [(5, ["set value"]), (3, ["add"])]),
    (Selection(setting="b", actor="ada"), [(2, ["declare"])]),
    (Selection(setting="b", actor="ada", kinds={"rule"}), []),
    (Selection(setting="b", rule_id=2), [(5, ["set value"]), (3, ["add"])]),
    (Selection(setting="b", rule_id=1), []),
    (Selection(rule_id=1, actor="ada"), [(6, ["set value"]), (4, ["set value"])]),
    (Selection(rule_id=1, kinds={"setting"}), []),
    (Selection(actor="ada", kinds={"rule", "setting"}),
     [(6, ["set value"]), (4, ["set value"]), (2, ["declare", "declare"])]),
    (Selection(subjects=[]), []),
    (Selection(subjects=[99]), []),
]  # fmt: skip


@pytest.mark.parametrize(("selection", "expected"), SELECTED)
def test_changes_are_selected(told: Storage, selection: Selection, expected: list[tuple[int, list[str]]]) -> None:
    """Those of which all is so that is asked for, in pages of any size."""
    assert expected == select(told, selection)
    assert [entry[0] for entry in expected][:1] == [entry[0] for entry in select(told, selection, None, 1)]
    assert [entry[0] for entry in expected if entry[0] < 5] == [entry[0] for entry in select(told, selection, 5)]
    assert [entry[1][:1] for entry in expected] == [entry[1] for entry in select(told, selection, None, 100, 1)]


def test_an_entry_says_how_many_changes_it_has_of_which_some_are_selected(told: Storage) -> None:
    """And everything else that it says when all are."""
    (selected, *_) = told.read(lambda reader: reader.select(Selection(kinds={"setting"})))
    (whole,) = told.read(lambda reader: reader.log(4, 1))
    assert (2, 1, whole.changes[1:]) == (selected.size, len(selected.changes), selected.changes)
    assert (whole.revision, whole.at, whole.origin, whole.stamp) == (
        selected.revision,
        selected.at,
        selected.origin,
        selected.stamp,
    )


def test_large_entries_are_cut_where_some_of_their_changes_are_selected(featured: Storage) -> None:
    """Those that are selected are counted, not those between them."""

    def work(writer: Writer) -> None:
        add_setting(writer, "a")
        for _ in range(700):
            writer.record(note(1))
            writer.record(LoggedChange("other", "note", "", None, {}))
        add_rule(writer, "a", "x")

    featured.write(work)
    kinds = Selection(kinds={"note", "rule"})
    assert [(2, ["other"] * 3)] == select(featured, kinds, None, 100, 3)
    assert [(2, ["other"] * 700 + ["add"])] == select(featured, kinds, None, 100, 1000)
    assert [(2, ["declare", "add"])] == select(featured, Selection(setting="a"), None, 100, 1000)
    assert [(2, ["declare"])] == select(featured, Selection(setting="a"), None, 100, 1)


def list_subjects(storage: Storage, *span: int) -> list[list[str]]:
    """Return the names of the settings that were changed, of each all that it has had."""
    subjects = storage.read(lambda reader: reader.changed_subjects(*span))
    assert subjects == sorted(set(subjects))
    found = (
        storage.read(lambda reader, subject=subject: reader.select(Selection(subjects=[subject])))
        for subject in subjects
    )
    return [
        sorted({change.setting or change.key for entry in entries for change in entry.changes}) for entries in found
    ]


def test_it_is_known_which_settings_were_changed_between_two_revisions(told: Storage) -> None:
    """Or rules of theirs; each under all of its names."""
    assert [["a"], ["b", "c"]] == list_subjects(told, 0, 6)
    assert [[], [["a"]], [["b", "c"]], [["a"]], []] == [
        list_subjects(told, after, until) for after, until in ((0, 1), (3, 4), (4, 5), (5, 10**30), (5, 4))
    ]
    first, second = told.read(lambda reader: reader.changed_subjects(1, 6))
    assert [[second], [], [first], [first, second]] == told.read(
        lambda reader: [
            reader.changed_subjects(1, 6, first),
            reader.changed_subjects(1, 6, second),
            reader.changed_subjects(1, 6, 0, 7),
            reader.changed_subjects(1, 6, 0, 8),
        ]
    )
    assert [(6, ["set value"]), (5, ["set value", "rename"])] == select(
        told, Selection(after_revision=4, subjects=[first, second])
    )
    assert [(5, ["set value", "rename"])] == select(told, Selection(after_revision=4, subjects=[second], setting="b"))
    assert [] == select(told, Selection(subjects=[first], setting="b"))


def test_long_histories_have_the_same_changed_settings(told: Storage) -> None:
    """However the storage finds them."""
    for number in range(3):
        told.write(lambda writer, number=number: set_value(writer, 1, 10 + number))
    near, far = told.read(lambda reader: (reader.changed_subjects(6, 9), reader.changed_subjects(6, 10**6)))
    assert near == far == told.read(lambda reader: reader.changed_subjects(3, 4))


def test_a_page_has_so_many_changed_settings_at_most(featured: Storage) -> None:
    """Whoever wants more goes on after the last one."""
    featured.write(lambda writer: [add_setting(writer, f"s{number:03}") for number in range(MAX_SUBJECTS + 1)])
    found = featured.read(lambda reader: reader.changed_subjects(0, 10, 0, 10**6))
    assert MAX_SUBJECTS == len(found)
    assert 1 == len(featured.read(lambda reader: reader.changed_subjects(0, 10, found[-1], 10**6)))


def test_a_page_has_so_many_bytes_of_long_values_at_most(featured: Storage) -> None:
    """Each value counts once, short ones do not, and the first entry is there in any case."""
    long, other = "x" * 5000, "y" * 5000
    values = [(None, long), (long, other), (other, "short"), ("short", long)]
    for before, after in values:
        fields = {"value": before}, {"value": after, "note": "short"}
        featured.write(lambda writer, fields=fields: writer.record(LoggedChange("note", "note", "", *fields)))

    def page(most: int | None, before: int | None = None) -> list[int]:
        entries = featured.read(lambda reader: reader.select(Selection(), before, 100, 100, most))
        return [entry.revision for entry in entries]

    size = len(long) + 2
    assert [5, 4, 3, 2, 1] == page(None) == page(2 * size)
    assert [5] == page(0) == page(size - 1) == page(size)
    assert [3] == page(size, 4)
    assert [5, 4, 3, 2, 1] == page(2 * size + 1)
    assert [1] == page(0, 2)


def test_changes_of_an_entry_have_so_many_bytes_at_most(storage: Storage) -> None:
    """As pages of entries have."""
    values = ["a" * 5000, "b" * 5000, "a" * 5000, "c" * 5000]
    changes = [LoggedChange("note", "note", "", None, {"value": value}) for value in values]
    storage.write(lambda writer: writer.record_all(changes))
    read = [storage.read(lambda reader, most=most: reader.changes(1, 0, 10, most)) for most in (0, 5002, 10004, None)]
    assert [changes[:1], changes[:1], changes[:3], changes] == read
    assert changes[1:2] == storage.read(lambda reader: reader.changes(1, 1, 10, 0))


def test_the_conditions_of_rules_are_known_when_they_are_gone(told: Storage) -> None:
    """As long as the log has their deletion."""
    told.write(lambda writer: add_rule(writer, "a", "z"))
    told.write(lambda writer: delete_rule(writer, 1))
    told.write(lambda writer: delete_setting(writer, "c"))
    ids = [1, 2, 3, 4, 0, -1, 10**30]
    assert {1: {"user": "x"}, 2: {"user": "x"}, 3: {"user": "z"}} == told.read(
        lambda reader: reader.find_conditions(ids)
    )
    assert {} == told.read(lambda reader: reader.find_conditions([]))


def test_a_deleted_setting_can_be_told_to_be_the_one_that_comes_back(featured: Storage) -> None:
    """Though another one has had its name since; its rules get their ids."""
    write(
        featured,
        lambda writer: (add_setting(writer, "a"), add_rule(writer, "a", "x")),
        lambda writer: delete_setting(writer, "a"),
        lambda writer: (add_setting(writer, "b"), add_rule(writer, "b", "x")),
        lambda writer: rename(writer, "b", "a", []),
        lambda writer: rename(writer, "a", "c", []),
    )

    def come_back(writer: Writer) -> None:
        (deletion,) = writer.log(2, 1)
        add_setting(writer, "a", subject=deletion.changes[0].subject)
        add_rule(writer, "a", "x", 1)

    featured.write(come_back)
    assert [(7, ["declare", "add"]), (3, ["delete", "delete"]), (2, ["declare", "add"])] == history(
        featured, setting="a"
    )
    assert [6, 5, 4] == [revision for revision, _ in history(featured, setting="c")]
    assert [(1, "a"), (2, "c")] == featured.read(
        lambda reader: [(each.rule_id, each.setting) for each in reader.rules()]
    )


@pytest.mark.parametrize("subject", [0, -1, 3, 10**30, 2])
def test_a_setting_comes_back_only_as_one_that_was_deleted(featured: Storage, subject: int) -> None:
    """Not as one that never was, and not as one that is there."""
    write(
        featured,
        lambda writer: add_setting(writer, "a"),
        lambda writer: delete_setting(writer, "a"),
        lambda writer: add_setting(writer, "b"),
    )
    with pytest.raises(ContractError, match="cannot come back"):
        featured.write(lambda writer: add_setting(writer, "a", subject=subject))
    featured.write(lambda writer: add_setting(writer, "new", subject=1))
    assert [5, 3, 2] == [revision for revision, _ in history(featured, setting="new")]


def test_history_of_everything_is_that_of_no_selection(told: Storage) -> None:
    """Both are the whole log."""
    whole: list[LogEntry] = told.read(lambda reader: reader.log())
    assert (
        whole[::-1]
        == told.read(lambda reader: reader.select(Selection()))
        == told.read(lambda reader: reader.history())
    )
