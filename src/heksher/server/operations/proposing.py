"""Makes proposals: writes that wait, for a second person, for a time, for another proposal, or all of them."""

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import NamedTuple

from heksher.server.catalog.picture import Picture
from heksher.server.catalog.reader import PictureReader
from heksher.server.catalog.trial import Tried
from heksher.server.errors import ConflictError, FullError, InvalidInputError
from heksher.server.limits import MAX_OPEN_PROPOSALS
from heksher.server.operations.applying import APPLIED, tell_state
from heksher.server.operations.policies import find_demanding, list_names
from heksher.server.operations.proposed_writes import ProposedWrites, WritesReader, plan
from heksher.server.operations.remembered import list_subjects, remember
from heksher.server.storage.base import CONTEXT_FEATURES, RULE, SETTING, Notes, Origin, Storage
from heksher.server.storage.proposal_records import OPEN, ProposalContent, ProposalRecord
from heksher.value_type import JSON


@dataclass(frozen=True, slots=True)
class NewProposal:
    """What is proposed.

    Attributes:
        operations: the writes, at least one.
        at: before which time it is not applied, with a time zone; ``None`` for any time.
        after: the id of the proposal that has to be applied first; ``None`` if there is none.
        needs_approval: whether a second person has to approve, though no policy demands it.
    """

    operations: tuple[JSON, ...]
    at: datetime | None = None
    after: int | None = None
    needs_approval: bool = False


class MadeProposal(NamedTuple):
    """A proposal that was made.

    Attributes:
        record: with its id.
        conflicts: the ids of other open proposals that are about the same.
    """

    record: ProposalRecord
    conflicts: tuple[int, ...]


def make(
    storage: Storage,
    picture: Picture,
    read_writes: WritesReader,
    new: NewProposal,
    origin: Origin,
    *,
    has_access: bool,
) -> MadeProposal:
    """Make a proposal, after its writes were tried on what there will be when what comes first is applied.

    Args:
        storage: keeps it.
        picture: what there is.
        read_writes: reads its writes.
        new: what is proposed.
        origin: who proposes it, and why.
        has_access: whether the service checks who may do what.

    Raises:
        StepError: one of the writes would be refused: also if the origin may not make it.
        InvalidInputError: there is no proposal that it could come after, or no such time.
        ConflictError: what comes first will not be applied, or nobody could approve.
        FullError: too many proposals are open.
    """
    if new.needs_approval:
        require_approvals(has_access=has_access)
    at = None if new.at is None else _read_time(new.at)
    writes = read_writes(new.operations)
    storage.read(lambda reader: _require_first(reader.find_proposal, new.after))
    planned = plan(storage, picture, read_writes, new.after)
    tried = planned.try_writes(writes, storage, origin).finish()
    content, subjects = _remember(planned.picture, writes, tried, new.operations)
    demanding = find_demanding(PictureReader(picture), list_names(tried.entry.changes))
    record = ProposalRecord(
        proposal_id=0,
        state=OPEN,
        author=origin.actor,
        author_kind=origin.actor_kind,
        reason=origin.reason,
        created_at=datetime.now(UTC),
        at=at,
        after=new.after,
        needs_approval=new.needs_approval or bool(demanding),
        size=len(new.operations),
        seen_revision=picture.revision,
    )
    return storage.note(lambda notes: _add(notes, record, content, subjects, planned.first))


def require_approvals(*, has_access: bool) -> None:
    """Check that there can be approvals.

    Raises:
        ConflictError: the service does not know who asks.
    """
    if not has_access:
        raise ConflictError("this service lets anybody do everything, so nobody can approve of anything: see --access")


def _add(
    notes: Notes, record: ProposalRecord, content: ProposalContent, subjects: Collection[str], first: Collection[int]
) -> MadeProposal:
    _require_first(notes.find_proposal, record.after)
    if notes.count_open_proposals() >= MAX_OPEN_PROPOSALS:
        raise FullError(
            f"{MAX_OPEN_PROPOSALS} proposals are open, and that is how many may be: decline or withdraw some first"
        )
    conflicts = tuple(number for number in notes.proposals_about(subjects) if number not in first)
    return MadeProposal(replace(record, proposal_id=notes.add_proposal(record, content, subjects)), conflicts)


def _remember(
    picture: Picture, writes: ProposedWrites, tried: Tried, operations: tuple[JSON, ...]
) -> tuple[ProposalContent, set[str]]:
    """Return what is kept of what writes would do, and the texts by which it is found."""
    changes = tried.entry.changes
    gone = {change.key for change in changes if change.kind == SETTING and change.is_deletion}
    deleted = [name for name in gone if name in picture.settings]
    has_features = writes.has_features or any(change.kind == CONTEXT_FEATURES for change in changes)
    objects = remember(PictureReader(picture), writes.lookups, deleted, has_features=has_features)
    rule_ids = [int(change.key) for change in changes if change.kind == RULE and change.setting in gone]
    return ProposalContent(operations, tuple(objects)), list_subjects(objects, rule_ids)


def _require_first(find: Callable[[int], ProposalRecord | None], after: int | None) -> None:
    """Check that the proposal which comes first can be applied still, or was."""
    if after is None:
        return
    first = find(after)
    if first is None:
        raise InvalidInputError(f"there is no proposal {after} that this one could come after", ("after",))
    if first.state not in {OPEN, APPLIED}:
        raise ConflictError(f"proposal {after} {tell_state(first)}, so nothing can come after it")


def _read_time(at: datetime) -> datetime:
    try:
        return at.astimezone(UTC)
    except OverflowError:
        raise InvalidInputError("in UTC there is no such time: it is too far away", ("at",)) from None
