"""Models of requests about proposals and policies, and of their answers."""

from datetime import datetime
from typing import Annotated, ClassVar, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, JsonValue, WithJsonSchema

from heksher.server.api.access_models import read_time
from heksher.server.api.bulk_models import BulkOperation, ReasonField
from heksher.server.api.dry_run import DryRunAnswer
from heksher.server.api.history_models import ChangeResponse
from heksher.server.api.models import RequestModel
from heksher.server.limits import MAX_BULK_OPERATIONS
from heksher.server.operations.proposing import NewProposal
from heksher.server.storage.proposal_records import ProposalState
from heksher.server.storage.records import ActorKind

_HIGHEST_ID = 2**53 - 1

DueTime = Annotated[
    datetime | None,
    BeforeValidator(read_time),
    WithJsonSchema({"type": ["string", "null"], "format": "date-time", "examples": ["2027-06-30T12:00:00Z"]}),
]


class ProposalRequest(RequestModel):
    """Writes that are to be made later, or after another person has approved of them."""

    model_config: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    operations: Annotated[list[BulkOperation], Field(min_length=1, max_length=MAX_BULK_OPERATIONS)]
    reason: ReasonField = ""
    at: DueTime = Field(None, description="before which time they are not made; null for any time")
    after: Annotated[int | None, Field(strict=True, ge=1, le=_HIGHEST_ID)] = Field(
        None, description="the id of a proposal that has to be applied first"
    )
    needs_approval: bool = Field(
        False, strict=True, description="whether another person has to approve, though no policy demands it"
    )

    def to_proposal(self) -> NewProposal:
        """Return what the operation takes."""
        operations = tuple(operation.model_dump(exclude_unset=True) for operation in self.operations)
        return NewProposal(operations, self.at, self.after, self.needs_approval)


class Ending(RequestModel):
    """Why a proposal is ended."""

    model_config: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    reason: ReasonField = ""


class Declining(RequestModel):
    """Why a proposal is declined: its author is to know."""

    model_config: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    reason: Annotated[ReasonField, Field(min_length=1)]


class ApprovalResponse(BaseModel):
    """That somebody has approved: without a second person, if it was forced."""

    actor: str
    actor_kind: ActorKind
    at: datetime
    is_forced: bool


class ObjectConflict(BaseModel):
    """An object that is not what a proposal remembers of it, with the changes that have made it so, newest first."""

    kind: str
    key: str | None
    setting: str | None
    message: str
    changes: list[ChangeResponse]


class EndResponse(BaseModel):
    """How a proposal has ended; the revision is that of the change that it has become."""

    at: datetime
    actor: str | None
    reason: str | None
    revision: int | None
    conflicts: list[ObjectConflict]


class ProposalResponse(BaseModel):
    """A proposal. Times are in UTC."""

    id: int
    state: ProposalState
    author: str | None
    author_kind: ActorKind
    reason: str | None
    created_at: datetime
    at: datetime | None
    after: int | None
    needs_approval: bool
    is_waiting_for_approval: bool
    size: int
    approvals: list[ApprovalResponse]
    end: EndResponse | None


class MadeProposalResponse(ProposalResponse):
    """A proposal that was made, and which other open ones are about the same."""

    open_conflicts: list[int]


class ProposedOperation(BaseModel):
    """A write of a proposal."""

    method: Literal["POST", "PUT", "PATCH", "DELETE"]
    path: str
    body: JsonValue = None
    if_match: str | None = None


class RememberedObject(BaseModel):
    """What a proposal remembers of an object: of a rule to add, the key is not known, and the content is null."""

    kind: str
    key: str | None
    setting: str | None = None
    has_rules: bool = False
    feature_values: list[tuple[str, str]] | None = None
    content: dict[str, JsonValue] | None


class WholeProposal(MadeProposalResponse):
    """A proposal with its writes, and what they would do now: null if it is not open, or cannot be applied."""

    operations: list[ProposedOperation]
    objects: list[RememberedObject]
    preview: DryRunAnswer | None
    problem: str | None = Field(description="why it could not be applied now; null if it could, or is not open")


class ProposalPage(BaseModel):
    """A page of proposals, newest first."""

    proposals: list[ProposalResponse]
    next_cursor: str | None


class PolicyResponse(BaseModel):
    """A policy: a second person has to approve of changes of the settings whose names begin with the prefix."""

    prefix: str
    creator: str
    created_at: datetime


class Policies(BaseModel):
    """All policies, sorted by prefix."""

    policies: list[PolicyResponse]
