"""The records of proposals: writes that wait, for a second person, for a time, or both."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

from heksher.server.storage.records import ActorKind
from heksher.value_type import JSON

# The kind of logged objects, besides those of the other records.
PROPOSAL: Final = "proposal"

ProposalState = Literal["open", "applied", "stale", "declined", "withdrawn"]
OPEN: Final = "open"


@dataclass(frozen=True, slots=True)
class Approval:
    """That somebody has approved of a proposal.

    Attributes:
        actor, actor_kind: who it was.
        at: when, in UTC.
        is_forced: whether an admin has done without a second person.
    """

    actor: str
    actor_kind: ActorKind
    at: datetime
    is_forced: bool = False


@dataclass(frozen=True, slots=True)
class ProposalEnd:
    """How a proposal has ended.

    Attributes:
        at: when, in UTC.
        actor: who has ended it; empty for the service itself.
        reason: why, in words; empty if nobody has said it.
        revision: of the change that it has become; ``None`` if it has become none.
        conflicts: what was changed since it was made, with who did that, as JSON.
    """

    at: datetime
    actor: str = ""
    reason: str = ""
    revision: int | None = None
    conflicts: tuple[JSON, ...] = ()


@dataclass(frozen=True, slots=True)
class ProposalRecord:
    """A proposal as stored, without what it would do.

    Attributes:
        proposal_id: unique, and never given again; the storage gives it, and ignores the value of one that is added.
        author, author_kind: who has made it.
        reason: why it is to be done.
        created_at: in UTC.
        at: before which time it is not applied, in UTC; ``None`` for any time.
        after: the id of the proposal that has to be applied first; ``None`` if there is none.
        needs_approval: whether a second person has to approve of it.
        size: how many writes it has.
        seen_revision: the newest revision when it was made, of which is what it remembers.
        end: ``None`` while it is open.
    """

    proposal_id: int
    state: ProposalState
    author: str
    author_kind: ActorKind
    reason: str
    created_at: datetime
    at: datetime | None
    after: int | None
    needs_approval: bool
    size: int
    seen_revision: int = 0
    approvals: tuple[Approval, ...] = ()
    end: ProposalEnd | None = None

    @property
    def is_ready(self) -> bool:
        """Whether it waits for nobody any more, only for its time and for what comes first."""
        return self.state == OPEN and bool(self.approvals or not self.needs_approval)


@dataclass(frozen=True, slots=True)
class ProposalContent:
    """What a proposal would do, and on what.

    Attributes:
        operations: the writes, as JSON.
        objects: what is remembered of each object that they change, as JSON.
    """

    operations: tuple[JSON, ...]
    objects: tuple[JSON, ...]
