"""The change log as people read it."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from heksher.server.access.grants import EVERYTHING
from heksher.server.errors import NotFoundError, NotPermittedError, PrunedError
from heksher.server.operations import change_list, context_features, metadata, people, rules
from heksher.server.operations.change_list import ChangeCursor, WantedChanges, get_entry, list_changes
from heksher.server.operations.declaration import declare, declare_many
from heksher.server.storage.base import NOBODY, LoggedChange, Origin, Storage
from heksher.server.storage.memory import MemoryStorage
from tests.support.operations import SOMEBODY, declaring, read_revision

BEGIN = datetime(2026, 11, 28, 12, tzinfo=UTC)
BY_BOB = metadata.overwrite({"added_by": "bob", "date": "today"})
EVERY = WantedChanges()


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.now = BEGIN

    def __call__(self) -> datetime:
        return self.now

    def move(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


@pytest.fixture
def clock() -> Clock:
    """The clock of the storage."""
    return Clock()


@pytest.fixture
def ruled(clock: Clock) -> Storage:
    """A storage with a setting and three rules, at revision 6, which was 60 seconds ago."""
    storage = MemoryStorage(clock)
    storage.open()
    for feature in ("environment", "user"):
        context_features.add_feature(storage, feature, NOBODY)
    declare(storage, declaring(), SOMEBODY)
    for user in "xyz":
        rules.add(storage, "cache_ttl", {"user": user}, 1, {}, SOMEBODY)
    clock.move(60)
    return storage


def read_page(
    storage: Storage, wanted: WantedChanges = EVERY, cursor: ChangeCursor | None = None, limit: int = 100
) -> tuple[list[dict[str, Any]], ChangeCursor | None]:
    return list_changes(storage, wanted, cursor, limit, is_admin=True)  # type: ignore[return-value]


def read_all(storage: Storage, wanted: WantedChanges = EVERY, limit: int = 100) -> list[dict[str, Any]]:
    """Return what all pages tell; each but the last has what its limit allows."""
    told, cursor = read_page(storage, wanted, None, limit)
    while cursor is not None:
        assert told
        page, cursor = read_page(storage, wanted, cursor, limit)
        told += page
    return told


def list_revisions(told: list[dict[str, Any]]) -> list[list[int]]:
    """Return the revisions of each entry that is told."""
    return [[each["revision"], *each["merged"]] for each in told]


def edit(storage: Storage, rule_id: int, value: int, origin: Origin = NOBODY) -> None:
    """Change the value of a rule, as the existing management page begins to."""
    rules.set_value(storage, rule_id, value, origin)


def sign(storage: Storage, rule_id: int, origin: Origin = NOBODY) -> None:
    """Say who has changed a rule, as the existing management page does next."""
    metadata.edit_of_rule(storage, rule_id, BY_BOB, origin)


def test_an_entry_says_who_when_why_and_what(ruled: Storage, clock: Clock):
    """And of a rule under which conditions it is."""
    edit(ruled, 2, 5, Origin("ada", "because", actor_kind="token"))
    told = read_page(ruled)[0][0]
    stamp = ruled.read(lambda reader: reader.revision_id()).stamp
    assert {
        "revision": 7,
        "revision_id": f"7-{stamp}",
        "merged": [],
        "at": "2026-11-28T12:01:00.000+00:00",
        "actor": "ada",
        "actor_kind": "token",
        "is_from_metadata": False,
        "reason": "because",
        "is_batch": False,
        "size": 1,
        "parts": [
            {
                "action": "set value",
                "kind": "rule",
                "key": "2",
                "setting": "cache_ttl",
                "feature_values": [["user", "y"]],
                "before": {"value": 1},
                "after": {"value": 5},
            }
        ],
    } == told


def test_what_nobody_says_is_null(ruled: Storage):
    """Neither is a name made up, nor a reason."""
    edit(ruled, 1, 5)
    told = read_page(ruled)[0][0]
    assert (None, "nobody", False, None) == tuple(
        told[key] for key in ("actor", "actor_kind", "is_from_metadata", "reason")
    )


def test_rules_that_are_gone_have_their_conditions(ruled: Storage):
    """As long as the log knows them; then they are null."""
    edit(ruled, 1, 5)
    rules.delete(ruled, 1, NOBODY)
    deleted, changed = read_page(ruled, limit=2)[0]
    assert [[["user", "x"]]] * 2 == [each["parts"][0]["feature_values"] for each in (deleted, changed)]
    ruled.write(lambda writer: writer.record(LoggedChange("set value", "rule", "99", {}, {}, "cache_ttl")))
    assert read_page(ruled)[0][0]["parts"][0]["feature_values"] is None


@pytest.mark.parametrize("is_signed_first", [False, True])
def test_value_and_metadata_of_a_rule_within_a_second_are_one_change(
    ruled: Storage, clock: Clock, is_signed_first: bool
):
    """That of the existing management page, made by whom it has put there."""
    steps = [lambda: edit(ruled, 2, 5), lambda: sign(ruled, 2)]
    first, second = steps[::-1] if is_signed_first else steps
    first()
    clock.move(1)
    second()
    told, cursor = read_page(ruled, limit=1)
    assert ([[8, 7]], ChangeCursor(8, frozenset({7}))) == (list_revisions(told), cursor)
    (merged,) = told
    (part,) = merged["parts"]
    assert ("bob", "nobody", True, 1, "2026-11-28T12:01:01.000+00:00") == tuple(
        merged[key] for key in ("actor", "actor_kind", "is_from_metadata", "size", "at")
    )
    assert ("set value", {"value": 1, "metadata": {}}) == (part["action"], part["before"])
    assert {"value": 5, "metadata": {"added_by": "bob", "date": "today"}} == part["after"]


def test_changes_that_are_not_one_are_told_apart(ruled: Storage, clock: Clock):
    """Of two rules, after more than a second, by somebody who is known, and two of values."""
    edit(ruled, 1, 5)
    sign(ruled, 2)
    clock.move(5)
    edit(ruled, 1, 6)
    clock.move(1.001)
    sign(ruled, 1)
    clock.move(5)
    edit(ruled, 3, 5, Origin("ada"))
    sign(ruled, 3, Origin("ada"))
    clock.move(5)
    edit(ruled, 1, 7)
    edit(ruled, 1, 8)
    told = read_page(ruled, WantedChanges(after=6))[0]
    assert [[revision] for revision in range(14, 6, -1)] == list_revisions(told)
    assert {8: "bob", 10: "bob", 11: "ada", 12: "ada"} == {
        each["revision"]: each["actor"] for each in told if each["actor"]
    }


def test_an_edit_is_one_change_with_its_nearest_counterpart(ruled: Storage):
    """Two edits within a second are two."""
    for value in (5, 6):
        edit(ruled, 1, value)
        metadata.edit_of_rule(ruled, 1, metadata.overwrite({"added_by": "bob", "date": value}), NOBODY)
    assert [[10, 9], [8, 7]] == list_revisions(read_page(ruled, WantedChanges(after=6))[0])


@pytest.mark.parametrize("limit", range(1, 8))
def test_edits_among_each_other_are_told_once_each(ruled: Storage, limit: int):
    """Whatever the size of the page, and whoever writes meanwhile."""
    for rule_id in (1, 2, 3):
        edit(ruled, rule_id, 5)
    context_features.add_feature(ruled, "theme", SOMEBODY)
    for rule_id in (2, 1, 3):
        sign(ruled, rule_id)
    told = read_all(ruled, WantedChanges(after=6), limit)
    assert [[13, 9], [12, 7], [11, 8], [10]] == list_revisions(told)
    revisions = [revision for each in list_revisions(read_all(ruled, limit=limit)) for revision in each]
    assert list(range(1, 14)) == sorted(revisions)


def test_a_rule_says_who_has_added_it(ruled: Storage):
    """Unless somebody else is known, or what stands there is no name."""
    for user, given, origin in (
        ("q", {"added_by": "bob"}, NOBODY),
        ("r", {"added_by": "bob"}, Origin("ada")),
        ("s", {"added_by": ["bob"]}, NOBODY),
        ("t", {}, NOBODY),
    ):
        rules.add(ruled, "cache_ttl", {"user": user}, 1, given, origin)
    told = read_page(ruled, WantedChanges(after=6))[0][::-1]
    assert [("bob", True), ("ada", False), (None, False), (None, False)] == [
        (each["actor"], each["is_from_metadata"]) for each in told
    ]


def test_a_batch_has_its_first_changes(ruled: Storage):
    """And says how many it has; nobody is claimed to have made it by one of them."""
    declare_many(ruled, [declaring(f"s{number}") for number in range(12)], NOBODY)
    (batch, *_) = read_page(ruled)[0]
    assert (True, 12, [f"s{number}" for number in range(10)], None) == (
        batch["is_batch"],
        batch["size"],
        [part["key"] for part in batch["parts"]],
        batch["actor"],
    )
    (part,) = read_page(ruled, WantedChanges(setting="s11"))[0][0]["parts"]
    assert "s11" == part["key"]


WANTED: list[tuple[WantedChanges, list[int]]] = [
    (WantedChanges(setting="cache_ttl", after=5), [8, 6]),
    (WantedChanges(rule_id=2), [8, 5]),
    (WantedChanges(actor="grace"), [9, 7]),
    (WantedChanges(actor="grace", kind="rule"), []),
    (WantedChanges(kind="context_features"), [7, 2, 1]),
    (WantedChanges(kind="unheard of"), []),
    (WantedChanges(after=7), [9, 8]),
    (WantedChanges(before=3), [2, 1]),
    (WantedChanges(after=3, before=6), [5, 4]),
    (WantedChanges(after=BEGIN), [9, 8, 7, 6, 5, 4, 3, 2, 1]),
    (WantedChanges(after=BEGIN + timedelta(seconds=60)), [9, 8, 7]),
    (WantedChanges(after=BEGIN + timedelta(seconds=60.5)), [9, 8]),
    (WantedChanges(after=(BEGIN + timedelta(seconds=61)).astimezone(timezone(timedelta(hours=5)))), [9, 8]),
    (WantedChanges(after=BEGIN + timedelta(hours=1)), []),
    (WantedChanges(before=BEGIN + timedelta(seconds=60)), [6, 5, 4, 3, 2, 1]),
    (WantedChanges(before=BEGIN), []),
    (WantedChanges(before=BEGIN + timedelta(days=1), kind="setting"), [9, 3]),
    (WantedChanges(setting="unheard of"), []),
]


@pytest.mark.parametrize(("wanted", "expected"), WANTED)
@pytest.mark.parametrize("limit", [1, 2, 100])
def test_changes_are_narrowed(ruled: Storage, clock: Clock, wanted: WantedChanges, expected: list[int], limit: int):
    """By what they are about, by whom they are, and by when they were made, in pages of any size."""
    context_features.add_feature(ruled, "theme", Origin("grace"))
    clock.move(1)
    edit(ruled, 2, 5)
    declare(ruled, declaring("other"), Origin("grace"))
    assert expected == [each["revision"] for each in read_all(ruled, wanted, limit)]


def test_a_page_ends_where_its_values_are_large(ruled: Storage, monkeypatch: pytest.MonkeyPatch):
    """And the next one goes on there; also if that is the end."""
    monkeypatch.setattr(change_list, "_MAX_BYTES", 30_000)
    declare(ruled, declaring("text", type="str", default_value="x" * 20_000), NOBODY)
    for number in range(4):
        rules.add(ruled, "text", {"user": str(number)}, str(number) * 20_000, {}, NOBODY)
    sizes, cursor = [], None
    while not sizes or cursor is not None:
        page, cursor = read_page(ruled, EVERY, cursor)
        sizes.append(len(page))
    assert [1, 1, 1, 1, 7] == sizes
    assert [1] * 5 == [
        len(read_page(ruled, WantedChanges(setting="text"), ChangeCursor(at))[0]) for at in range(12, 7, -1)
    ]


def test_what_only_admins_may_know_is_shown_to_admins(ruled: Storage):
    """The others get pages without it, and are told so where they ask for it."""
    people.add(ruled, "ada", EVERYTHING, None, NOBODY)
    edit(ruled, 1, 5)
    people.remove(ruled, "ada", NOBODY, ways_in=None)
    shown, _ = list_changes(ruled, EVERY, None, 2, is_admin=False)
    assert [8, 6] == [each["revision"] for each in shown]
    assert [9, 8, 7] == [each["revision"] for each in read_page(ruled, limit=3)[0]]
    for ask in (
        lambda: list_changes(ruled, WantedChanges(kind="person"), None, 2, is_admin=False),
        lambda: get_entry(ruled, 7, 0, 10, is_admin=False),
    ):
        with pytest.raises(NotPermittedError, match="admins"):
            ask()
    assert "person" == get_entry(ruled, 7, 0, 10, is_admin=True)[0]["parts"][0]["kind"]


def test_an_entry_has_its_changes_in_pages(ruled: Storage):
    """In the order in which they were made."""
    declare_many(ruled, [declaring(f"s{number}") for number in range(5)], SOMEBODY)
    pages = [get_entry(ruled, 7, first, 2, is_admin=False) for first in (0, 2, 4, 6)]
    assert [2, 4, None, None] == [end for _, end in pages]
    assert [["s0", "s1"], ["s2", "s3"], ["s4"], []] == [[part["key"] for part in page["parts"]] for page, _ in pages]
    assert [(7, 5, True, "ada", "because")] * 4 == [
        tuple(page[key] for key in ("revision", "size", "is_batch", "actor", "reason")) for page, _ in pages
    ]


@pytest.mark.parametrize("revision", [0, 7, 10**30])
def test_there_is_no_entry_that_was_not_written(ruled: Storage, revision: int):
    """The message says which the newest one is."""
    with pytest.raises(NotFoundError, match="the newest one is 6"):
        get_entry(ruled, revision, 0, 10, is_admin=True)


def test_an_entry_that_was_removed_from_the_log_is_told_to_be(ruled: Storage, clock: Clock):
    """The list ends before it."""
    edit(ruled, 1, 5)
    ruled.prune(clock.now)
    assert ([7], 7) == ([each["revision"] for each in read_all(ruled)], read_revision(ruled))
    with pytest.raises(PrunedError, match="goes back to 7"):
        get_entry(ruled, 6, 0, 10, is_admin=True)
    assert [7] == [each["revision"] for each in read_all(ruled, WantedChanges(after=BEGIN))]
