"""What every storage keeps of proposals."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest

from heksher.server.storage.base import Storage
from heksher.server.storage.proposal_records import (
    Approval,
    ProposalContent,
    ProposalEnd,
    ProposalRecord,
    ProposalState,
)
from heksher.server.storage.storage_errors import ContractError
from tests.support.storages import SOME_CHANGE, Place, read_revision, store, write_something

NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)
LATER = NOON + timedelta(hours=1)
SOME = ProposalRecord(0, "open", "ada", "person", "because", NOON, None, None, needs_approval=False, size=1)
CONTENT = ProposalContent(
    ({"method": "PUT", "path": "/api/v1/rules/1/value", "body": {"value": 1.0}},), ({"kind": "rule", "key": "1"},)
)


def add(storage: Storage, record: ProposalRecord = SOME) -> int:
    return storage.note(lambda notes: notes.add_proposal(record, CONTENT))


def find(storage: Storage, proposal_id: int) -> ProposalRecord | None:
    return storage.read(lambda reader: reader.find_proposal(proposal_id))


def list_ids(storage: Storage, *arguments: object) -> list[int]:
    return [record.proposal_id for record in storage.read(lambda reader: reader.proposals(*arguments))]


def list_due(storage: Storage, now: datetime = NOON, limit: int = 100) -> list[int]:
    return storage.read(lambda reader: reader.due_proposals(now, limit))


def end(storage: Storage, proposal_id: int, state: ProposalState, at: datetime = NOON) -> None:
    record = find(storage, proposal_id)
    assert record is not None
    storage.note(lambda notes: notes.replace_proposal(replace(record, state=state, end=ProposalEnd(at))))


def test_there_are_none_at_first(storage: Storage) -> None:
    assert ([], [], None, None) == (
        list_ids(storage),
        list_due(storage),
        find(storage, 1),
        storage.read(lambda reader: reader.proposal_content(1)),
    )
    assert None is storage.read(lambda reader: reader.next_proposal_time(NOON))


def test_keeps_every_attribute(place: Place, storage: Storage) -> None:
    """Also after a restart, and whatever anybody types; without a revision."""
    text = 'x\x00"\U0001f600\ud800'
    record = ProposalRecord(
        7, "stale", text, "token", text, NOON, LATER, 3, needs_approval=True, size=2, seen_revision=5,
        approvals=(Approval(text, "person", NOON), Approval("bob", "token", LATER, is_forced=True)),
        end=ProposalEnd(LATER, text, text, 17, ({"key": text, "n": 1.0},)),
    )  # fmt: skip
    before = read_revision(storage)
    proposal_id = add(storage, record)
    storage.close()
    reopened = place.connect()
    reopened.open()
    assert (1, replace(record, proposal_id=1), CONTENT) == (
        proposal_id,
        find(reopened, 1),
        reopened.read(lambda reader: reader.proposal_content(1)),
    )
    assert before == read_revision(reopened)
    reopened.close()


def test_keeps_times_of_any_zone(storage: Storage) -> None:
    """As what they are in UTC."""
    at = NOON.astimezone(timezone(timedelta(hours=-2)))
    record = replace(SOME, created_at=at, at=at, approvals=(Approval("bob", "person", at),), end=ProposalEnd(at))
    found = find(storage, add(storage, record))
    assert found is not None
    assert found.end is not None
    times = [found.created_at, found.at, found.approvals[0].at, found.end.at]
    assert [(NOON, timedelta())] * 4 == [(time, time and time.utcoffset()) for time in times]


def test_what_was_read_is_a_copy(storage: Storage) -> None:
    """Nobody can change what is stored by changing that."""
    proposal_id = add(storage)
    content = storage.read(lambda reader: reader.proposal_content(proposal_id))
    assert content is not None
    content.operations[0]["path"] = "another"  # type: ignore[index,call-overload]
    assert CONTENT == storage.read(lambda reader: reader.proposal_content(proposal_id))


def test_one_is_replaced(storage: Storage) -> None:
    """What it would do stays; one that is not there cannot be."""
    first, second = add(storage), add(storage)
    changed = replace(SOME, proposal_id=first, state="withdrawn", end=ProposalEnd(LATER, "ada"))
    storage.note(lambda notes: notes.replace_proposal(changed))
    assert (changed, replace(SOME, proposal_id=second)) == (find(storage, first), find(storage, second))
    assert CONTENT == storage.read(lambda reader: reader.proposal_content(first))
    with pytest.raises(ContractError):
        storage.note(lambda notes: notes.replace_proposal(replace(SOME, proposal_id=9)))


def test_pages_are_newest_first(storage: Storage) -> None:
    """Of all, or of those with a state, from any on."""
    for _ in range(5):
        add(storage)
    end(storage, 2, "applied")
    end(storage, 4, "declined")
    assert [5, 4, 3, 2, 1] == list_ids(storage)
    assert [5, 3, 1] == list_ids(storage, "open")
    assert [4] == list_ids(storage, "declined")
    assert [3, 2] == list_ids(storage, None, 4, 2)
    assert [3, 1] == list_ids(storage, "open", 5)
    assert ([], [5, 4, 3, 2, 1], []) == (
        list_ids(storage, None, 1),
        list_ids(storage, None, 2**70),
        list_ids(storage, None, -5),
    )
    assert [] == list_ids(storage, None, None, 0)
    assert (None, None) == (find(storage, -1), find(storage, 2**70))


def test_those_are_due_that_wait_for_nothing(storage: Storage) -> None:
    """Neither for a person, nor for a time, nor for one that comes first."""
    second = timedelta(seconds=1)
    at_last = add(storage, replace(SOME, at=NOON))
    before = add(storage, replace(SOME, at=NOON - second))
    add(storage, replace(SOME, at=NOON + second / 1000))
    add(storage, replace(SOME, needs_approval=True))
    approved = add(storage, replace(SOME, needs_approval=True, approvals=(Approval("bob", "person", NOON),)))
    add(storage, replace(SOME, after=at_last))
    gone = add(storage)
    end(storage, gone, "withdrawn")
    after_gone = add(storage, replace(SOME, after=gone, at=NOON - second / 2))
    unknown = add(storage, replace(SOME, after=99))
    due = [approved, unknown, before, after_gone, at_last]
    assert due == list_due(storage)
    assert due[:2] == list_due(storage, limit=2)
    assert [] == list_due(storage, limit=0)
    end(storage, at_last, "applied")
    assert [approved, at_last + 5, unknown, before, after_gone] == list_due(storage)


def test_the_next_time_is_that_of_one_that_waits_for_nobody(storage: Storage) -> None:
    second = timedelta(seconds=1)
    add(storage, replace(SOME, at=NOON + second, needs_approval=True))
    add(storage, replace(SOME, at=NOON))
    add(storage, replace(SOME, at=NOON + 3 * second))
    later = add(storage, replace(SOME, at=NOON + 2 * second))
    assert NOON + 2 * second == storage.read(lambda reader: reader.next_proposal_time(NOON))
    end(storage, later, "stale")
    assert NOON + 3 * second == storage.read(lambda reader: reader.next_proposal_time(NOON))
    assert None is storage.read(lambda reader: reader.next_proposal_time(NOON + 3 * second))


def test_open_ones_are_found_by_what_they_are_about(storage: Storage) -> None:
    """Whatever that is called; those that have ended are not."""
    odd = 'x\x00"\ud800' * 1000
    for subjects in (["a", odd], ["b"], ["a", "b", "a"], []):
        storage.note(lambda notes, subjects=subjects: notes.add_proposal(SOME, CONTENT, subjects))
    storage.note(lambda notes: notes.add_proposal(replace(SOME, state="stale"), CONTENT, ["a"]))

    def find_about(*subjects: str) -> list[int]:
        return storage.read(lambda reader: reader.proposals_about(subjects))

    assert ([1, 3], [1, 2, 3], [1], []) == (find_about("a"), find_about("b", "a"), find_about(odd), find_about("c"))
    assert ([], 4) == (find_about(), storage.read(lambda reader: reader.count_open_proposals()))
    end(storage, 1, "applied")
    assert [5, 3, 1] == list_ids(storage, None, None, 100, ["a"])
    assert ([3], [3, 2, 1], []) == (
        list_ids(storage, "open", None, 100, ["a"]),
        list_ids(storage, None, 4, 9, ["b", odd]),
        list_ids(storage, None, None, 100, []),
    )
    assert ([3], [], 3) == (
        find_about("a"),
        find_about(odd),
        storage.read(lambda reader: reader.count_open_proposals()),
    )


def test_those_are_found_that_come_next(storage: Storage) -> None:
    """While they are open."""
    first = add(storage)
    for after in (first, 99, first):
        add(storage, replace(SOME, after=after))

    def find_after(proposal_id: int) -> list[int]:
        return storage.read(lambda reader: reader.proposals_after(proposal_id))

    assert ([2, 4], [3], [], []) == (find_after(first), find_after(99), find_after(2), find_after(2**70))
    end(storage, 2, "stale")
    assert [4] == find_after(first)


def test_old_ones_are_removed_with_the_old_log(storage: Storage) -> None:
    """Those that have ended before; the newest one stays, so that its id is not given again."""
    write_something(storage)
    for _ in range(4):
        add(storage)
    end(storage, 1, "applied", NOON)
    end(storage, 2, "applied", LATER)
    end(storage, 4, "applied", NOON)
    storage.prune(LATER)
    assert [4, 3, 2] == list_ids(storage)
    assert None is storage.read(lambda reader: reader.proposal_content(1))
    assert 5 == add(storage)


def test_one_ends_with_what_it_has_become(storage: Storage) -> None:
    """Both are stored, or neither."""
    proposal_id = add(storage)
    ended = replace(SOME, proposal_id=proposal_id, state="applied", end=ProposalEnd(NOON, revision=1))
    with pytest.raises(ZeroDivisionError):
        store(storage, lambda writer: writer.replace_proposal(ended), lambda _: 1 // 0)
    found = find(storage, proposal_id)
    assert ("open", 0) == (found and found.state, read_revision(storage))
    store(storage, lambda writer: writer.replace_proposal(ended), change=SOME_CHANGE)
    assert (ended, 1) == (find(storage, proposal_id), read_revision(storage))
