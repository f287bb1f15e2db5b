"""Routes of proposals: writes that wait for a second person, for a time, for another proposal, or all of them."""

from contextlib import suppress
from dataclasses import replace
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Path, Query, Response

from heksher.server.access.grants import Role
from heksher.server.api.paging import PageDependency, write_cursor
from heksher.server.api.proposal_models import (
    Declining,
    Ending,
    MadeProposalResponse,
    ProposalPage,
    ProposalRequest,
    ProposalResponse,
    WholeProposal,
)
from heksher.server.api.proposed import make_reader
from heksher.server.api.responses import (
    DETAILED_CALL_FAILURES,
    DETAILED_READ_FAILURES,
    DETAILED_WRITE_FAILURES,
    JSONAnswer,
    Responses,
    document,
    model,
    problem_details,
)
from heksher.server.api.routes.bulk_routes import V1_WRITES
from heksher.server.api.routing import (
    CatalogDependency,
    ConfigDependency,
    EditOriginDependency,
    OriginDependency,
    ServicesDependency,
    StorageDependency,
    make_router,
    read_digits,
)
from heksher.server.asgi.access import reads, writes
from heksher.server.config import Config
from heksher.server.errors import ConflictError
from heksher.server.operations import applying, proposals, proposing, reviewing
from heksher.server.operations.proposal_form import proposal_to_json
from heksher.server.operations.proposed_writes import WritesReader
from heksher.server.queries.proposal_answer import tell_proposal
from heksher.server.storage.base import Storage
from heksher.server.storage.proposal_records import ProposalRecord, ProposalState
from heksher.server.storage.storage_errors import StorageUnavailableError
from heksher.wire import PROPOSALS_PATH, REVISION_HEADER

router: APIRouter = make_router("proposals", has_problem_details=True)

PROPOSAL_PATH: Final = f"{PROPOSALS_PATH}/{{proposal_id}}"

ProposalIdInPath = Annotated[int, read_digits("a proposal's id"), Path(ge=1, examples=[7])]

_NO_REASON: Final = Ending()
_NO_PROPOSAL: Final[Responses] = problem_details(404, "There is no such proposal.")
_ENDED: Final[Responses] = problem_details(409, "It is not open any more, or it is stale: the answer says why.")
_REFUSED: Final[Responses] = document(
    problem_details(400, "One of its writes would be refused: `operation` says which, counted from 0."),
    problem_details(404, "Likewise."),
    problem_details(409, "Likewise; or what comes first will not be applied, or nobody could approve."),
)


async def _get_writes_reader(services: ServicesDependency) -> WritesReader:
    return make_reader(V1_WRITES, services.config, services.make_protection)


_WritesReaderDependency = Annotated[WritesReader, Depends(_get_writes_reader)]


@router.get(
    PROPOSALS_PATH,
    summary="List proposals, newest first",
    responses=document(model(200, ProposalPage, "A page of the list."), DETAILED_READ_FAILURES),
)
@reads
def list_proposals(
    storage: StorageDependency,
    page: PageDependency,
    state: Annotated[ProposalState | None, Query(description="only those in this state")] = None,
    setting: Annotated[str | None, Query(description="only those about this setting or its rules")] = None,
) -> Response:
    """Those that are open, and those that have ended, as long as the change log is kept."""
    shown, end = proposals.list_page(storage, state, setting, page.read_number() or None, page.limit)
    return JSONAnswer({"proposals": shown, "next_cursor": None if end is None else write_cursor(str(end))})


@router.post(
    PROPOSALS_PATH,
    status_code=201,
    summary="Propose writes",
    responses=document(model(201, MadeProposalResponse, "The proposal."), _REFUSED, DETAILED_WRITE_FAILURES),
)
@writes(Role.READ)  # each write needs what it needs alone
def make_proposal(
    body: ProposalRequest,
    storage: StorageDependency,
    config: ConfigDependency,
    origin: OriginDependency,
    catalog: CatalogDependency,
    read_writes: _WritesReaderDependency,
) -> Response:
    """They are tried first. One that waits for nothing is applied at once.

    It is applied, as one change, only if all that it is about is still as it was; else it is `stale`.
    """
    if body.reason:
        origin = replace(origin, reason=body.reason)
    picture = catalog.load().picture
    made = proposing.make(storage, picture, read_writes, body.to_proposal(), origin, has_access=config.has_access)
    record = _apply(storage, read_writes, made.record, config)
    headers = {"Location": f"{PROPOSALS_PATH}/{record.proposal_id}", **_tell_revision(record)}
    return JSONAnswer({**proposal_to_json(record), "open_conflicts": list(made.conflicts)}, 201, headers)


@router.get(
    PROPOSAL_PATH,
    summary="Get a proposal, and what it would do",
    responses=document(model(200, WholeProposal, "The proposal."), _NO_PROPOSAL, DETAILED_READ_FAILURES),
)
@reads
def get_proposal(
    proposal_id: ProposalIdInPath,
    storage: StorageDependency,
    catalog: CatalogDependency,
    read_writes: _WritesReaderDependency,
) -> Response:
    """With its writes, what it remembers of the objects that they are about, and what they would do now."""
    return JSONAnswer(tell_proposal(storage, catalog.load().picture, read_writes, proposal_id))


@router.post(
    PROPOSAL_PATH + "/approve",
    summary="Approve of a proposal",
    responses=document(
        model(200, ProposalResponse, "It is approved, and applied, if it waits for nothing else."),
        _REFUSED,
        _NO_PROPOSAL,
        _ENDED,
        DETAILED_CALL_FAILURES,
    ),
)
@writes(Role.READ)  # and what each of its writes needs
def approve_proposal(
    proposal_id: ProposalIdInPath,
    storage: StorageDependency,
    config: ConfigDependency,
    origin: EditOriginDependency,
    catalog: CatalogDependency,
    read_writes: _WritesReaderDependency,
) -> Response:
    """As another person than its author, who may make each of its writes."""
    picture = catalog.load().picture
    approved = reviewing.approve(storage, picture, read_writes, proposal_id, origin, has_access=config.has_access)
    record = _apply(storage, read_writes, approved, config)
    if record.state == applying.STALE:
        raise _refuse_stale(record)
    return JSONAnswer(proposal_to_json(record), headers=_tell_revision(record))


@router.post(
    PROPOSAL_PATH + "/decline",
    summary="Decline a proposal",
    responses=document(
        model(200, ProposalResponse, "It is declined."), _REFUSED, _NO_PROPOSAL, _ENDED, DETAILED_WRITE_FAILURES
    ),
)
@writes(Role.READ)  # and what each of its writes needs
def decline_proposal(
    proposal_id: ProposalIdInPath,
    body: Declining,
    storage: StorageDependency,
    origin: OriginDependency,
    catalog: CatalogDependency,
    read_writes: _WritesReaderDependency,
) -> Response:
    """Saying why. Those that were to come after it are stale."""
    picture = catalog.load().picture
    record = reviewing.decline(storage, picture, read_writes, proposal_id, body.reason, origin)
    return JSONAnswer(proposal_to_json(record))


@router.post(
    PROPOSAL_PATH + "/withdraw",
    summary="Withdraw a proposal",
    responses=document(model(200, ProposalResponse, "It is withdrawn."), _NO_PROPOSAL, _ENDED, DETAILED_WRITE_FAILURES),
)
@writes(Role.READ)
def withdraw_proposal(
    proposal_id: ProposalIdInPath,
    storage: StorageDependency,
    origin: OriginDependency,
    body: Ending = _NO_REASON,
) -> Response:
    """As its author. Those that were to come after it are stale."""
    return JSONAnswer(proposal_to_json(reviewing.withdraw(storage, proposal_id, body.reason, origin)))


def _apply(storage: Storage, read_writes: WritesReader, record: ProposalRecord, config: Config) -> ProposalRecord:
    """Apply a proposal if its turn has come; return it as it is then."""
    applier = applying.Applier(storage, read_writes, config.has_access)
    # It is kept: where the database has gone away meanwhile, the service applies it later.
    with suppress(StorageUnavailableError):
        applier.apply(record.proposal_id)
        return storage.read(lambda reader: reader.find_proposal(record.proposal_id)) or record
    return record


def _refuse_stale(record: ProposalRecord) -> ConflictError:
    reason = "" if record.end is None else record.end.reason
    return ConflictError(f"proposal {record.proposal_id} is stale: {reason}")


def _tell_revision(record: ProposalRecord) -> dict[str, str]:
    revision = None if record.end is None else record.end.revision
    return {} if revision is None else {REVISION_HEADER: str(revision)}
