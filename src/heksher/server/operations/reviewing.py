"""What becomes of proposals by people: they are approved, declined, or withdrawn."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

from heksher.server.access.grants import Role
from heksher.server.catalog.picture import Picture
from heksher.server.errors import ConflictError, NotPermittedError, OperationError, StepError
from heksher.server.operations.applying import StaleError, end, make_stale, require_unchanged
from heksher.server.operations.permission import require
from heksher.server.operations.proposals import get_open, get_with_content
from heksher.server.operations.proposed_writes import WritesReader, plan
from heksher.server.operations.proposing import require_approvals
from heksher.server.storage.base import Notes, Origin, Storage
from heksher.server.storage.proposal_records import Approval, ProposalContent, ProposalEnd, ProposalRecord

DECLINED: Final = "declined"
WITHDRAWN: Final = "withdrawn"


def approve(
    storage: Storage,
    picture: Picture,
    read_writes: WritesReader,
    proposal_id: int,
    origin: Origin,
    *,
    has_access: bool,
) -> ProposalRecord:
    """Note that somebody approves of a proposal, and return it; if it cannot be applied any more, it is stale.

    Args:
        storage: has the proposal.
        picture: what there is.
        read_writes: reads its writes.
        proposal_id: its id.
        origin: who approves: another one than the author, who may make each of its writes; or the author, as an admin
            who does without another person.
        has_access: whether the service checks who may do what.

    Raises:
        NotFoundError: there is no such proposal.
        ConflictError: it is not open any more, or what comes first cannot be applied, or nobody can approve.
        NotPermittedError: who asks is the author, or may not do without another person.
        StepError: who asks may not make one of its writes.
    """
    require_approvals(has_access=has_access)
    record = storage.read(lambda reader: get_open(reader, proposal_id))
    is_own = _is_author(record, origin)
    if is_own and not origin.is_forced:
        raise NotPermittedError(
            "another person has to approve of a proposal than who has made it; an admin can do without, with force=true"
        )
    if origin.is_forced:
        require(origin, Role.ADMIN)
    _require_reviewer(storage, picture, read_writes, record, origin)
    approval = Approval(origin.actor, origin.actor_kind, datetime.now(UTC), is_forced=is_own)
    return storage.note(lambda notes: _note_approval(notes, proposal_id, approval))


def decline(
    storage: Storage, picture: Picture, read_writes: WritesReader, proposal_id: int, reason: str, origin: Origin
) -> ProposalRecord:
    """End a proposal that is not to be applied, and return it. Whoever could approve of it may do so, and its author.

    Args:
        storage: has the proposal.
        picture: what there is.
        read_writes: reads its writes.
        proposal_id: its id.
        reason: why, for its author.
        origin: who declines it.

    Raises:
        NotFoundError: there is no such proposal.
        ConflictError: it is not open any more, or what comes first cannot be applied.
        StepError: who asks may not make one of its writes.
    """
    record = storage.read(lambda reader: get_open(reader, proposal_id))
    if not _is_author(record, origin):
        _require_reviewer(storage, picture, read_writes, record, origin)
    ending = ProposalEnd(datetime.now(UTC), origin.actor, reason)
    return storage.note(lambda notes: end(notes, get_open(notes, proposal_id), DECLINED, ending))


def withdraw(storage: Storage, proposal_id: int, reason: str, origin: Origin) -> ProposalRecord:
    """End a proposal that its author does not want any more, and return it.

    Raises:
        NotFoundError: there is no such proposal.
        ConflictError: it is not open any more.
        NotPermittedError: who asks is not its author.
    """

    def work(notes: Notes) -> ProposalRecord:
        record = get_open(notes, proposal_id)
        if not _is_author(record, origin):
            raise NotPermittedError(
                f"only its author withdraws a proposal, here {record.author or 'somebody unknown'}: others decline it"
            )
        return end(notes, record, WITHDRAWN, ProposalEnd(datetime.now(UTC), origin.actor, reason))

    return storage.note(work)


def _note_approval(notes: Notes, proposal_id: int, approval: Approval) -> ProposalRecord:
    record = get_open(notes, proposal_id)
    others = [
        each for each in record.approvals if (each.actor, each.actor_kind) != (approval.actor, approval.actor_kind)
    ]
    approved = replace(record, approvals=(*others, approval))
    notes.replace_proposal(approved)
    return approved


def _is_author(record: ProposalRecord, origin: Origin) -> bool:
    return (record.author, record.author_kind) == (origin.actor, origin.actor_kind)


def _require_reviewer(
    storage: Storage, picture: Picture, read_writes: WritesReader, record: ProposalRecord, origin: Origin
) -> None:
    """Check that somebody may make each write of a proposal: by trying them.

    Raises:
        StepError: they may not make one.
        ConflictError: it is stale now: for another reason one cannot be made, whoever makes it.
    """
    _, content = storage.read(lambda reader: get_with_content(reader, record.proposal_id))
    planned = plan(storage, picture, read_writes, record.after)
    try:
        planned.try_writes(read_writes(content.operations), storage, origin)
    except OperationError as error:
        cause = error.cause if isinstance(error, StepError) else error
        if isinstance(cause, NotPermittedError):
            raise
        stale = _find_reason(storage, record, content, error)
        storage.note(lambda notes: make_stale(notes, record.proposal_id, stale, datetime.now(UTC)))
        raise ConflictError(f"proposal {record.proposal_id} is stale: {stale}") from error


def _find_reason(
    storage: Storage, record: ProposalRecord, content: ProposalContent, refusal: OperationError
) -> StaleError:
    try:
        storage.read(lambda reader: require_unchanged(reader, record, content))
    except StaleError as error:
        return error
    return StaleError(f"it would be refused now: {refusal}")
