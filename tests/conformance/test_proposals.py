"""Proposals on every storage: applied once, whoever looks, and wholly or not at all."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

from heksher.server.api.proposed import make_reader
from heksher.server.api.routes.bulk_routes import V1_WRITES
from heksher.server.config import Config
from heksher.server.operations.applying import Applier
from heksher.server.operations.deletion_protection import NO_PROTECTION
from heksher.server.storage.base import Storage
from heksher.server.storage.proposal_records import PROPOSAL, ProposalContent, ProposalRecord
from heksher.value_type import JSON
from tests.support.storages import read_revision

NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)
APPLIERS = 3
PROPOSALS = 12


def add_feature(name: str) -> JSON:
    return {"method": "POST", "path": "/api/v1/context_features", "body": {"context_feature": name}}


def propose(storage: Storage, *operations: JSON, after: int | None = None) -> int:
    """Propose something that is due, and remembers nothing."""
    record = ProposalRecord(
        0, "open", "ada", "nobody", "", NOON, NOON, after, needs_approval=False, size=len(operations)
    )
    return storage.note(lambda notes: notes.add_proposal(record, ProposalContent(operations, ())))


def make_applier(storage: Storage) -> Applier:
    return Applier(storage, make_reader(V1_WRITES, Config("unused"), lambda: NO_PROTECTION), has_access=False)


def test_of_several_one_applies_it(storage: Storage) -> None:
    """Chains in their order; each is one entry of the log, and a part of it says which proposal it was."""
    ids: list[int] = []
    for number in range(PROPOSALS):
        ids.append(propose(storage, add_feature(f"f{number}"), after=ids[-1] if number % 3 else None))
    with ThreadPoolExecutor(APPLIERS) as pool:
        work = [pool.submit(make_applier(storage).apply, each) for each in ids for _ in range(APPLIERS)]
        ended = [record.proposal_id for future in work for record in future.result()]
    assert ids == sorted(ended)
    assert PROPOSALS == read_revision(storage)
    entries = storage.read(lambda reader: reader.log())
    assert ids == sorted(int(entry.changes[-1].key) for entry in entries)
    assert {(2, PROPOSAL)} == {(entry.size, entry.changes[-1].kind) for entry in entries}
    found = storage.read(lambda reader: reader.proposals())
    assert sorted((entry.revision, int(entry.changes[-1].key)) for entry in entries) == sorted(
        (record.end.revision or 0, record.proposal_id) for record in found if record.end is not None
    )


def test_one_that_is_refused_at_its_end_leaves_nothing(storage: Storage) -> None:
    """It is stale, and so are those that come after it."""
    first = propose(storage, add_feature("a"), add_feature("b"), add_feature("a"))
    second = propose(storage, add_feature("c"), after=first)
    assert ["stale"] == [record.state for record in make_applier(storage).apply(first)]
    assert ((), 0) == (storage.read(lambda reader: reader.context_features()), read_revision(storage))
    stale = storage.read(lambda reader: reader.find_proposal(second))
    assert stale is not None
    assert stale.end is not None
    reason = f"proposal {first}, which was to come first, is stale: it is refused now: operation 2: "
    assert ("stale", True) == (stale.state, stale.end.reason.startswith(reason))
