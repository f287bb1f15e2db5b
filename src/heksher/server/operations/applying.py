"""Applies proposals whose turn has come: each once, as one change, if all that it remembers still holds."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final, NamedTuple

from heksher.server.access.grants import EVERYTHING, Grants, read_grants
from heksher.server.errors import HeldBackError, OperationError, StepError
from heksher.server.json_form import JSONObject
from heksher.server.operations.proposal_form import change_applied, tell_reason
from heksher.server.operations.proposed_writes import WritesReader
from heksher.server.operations.remembered import find_conflicts
from heksher.server.storage.access_records import PersonRecord, TokenRecord
from heksher.server.storage.base import Notes, Origin, Reader, Storage, Writer
from heksher.server.storage.joined_storage import JoinedStorage
from heksher.server.storage.proposal_records import (
    OPEN,
    ProposalContent,
    ProposalEnd,
    ProposalRecord,
    ProposalState,
)

APPLIED: Final = "applied"
STALE: Final = "stale"


class StaleError(OperationError):
    """A proposal cannot be applied any more; the message says why.

    Attributes:
        conflicts: what was changed since it was made, and by whom.
    """

    def __init__(self, message: str, conflicts: Sequence[JSONObject] = ()) -> None:
        super().__init__(message)
        self.conflicts: tuple[JSONObject, ...] = tuple(conflicts)


@dataclass(frozen=True, slots=True)
class Applier:
    """Applies proposals.

    Attributes:
        storage: has the proposals.
        read_writes: reads their writes.
        has_access: whether the service checks who may do what.
        find_now: returns the time.
    """

    storage: Storage
    read_writes: WritesReader
    has_access: bool
    find_now: Callable[[], datetime] = lambda: datetime.now(UTC)

    def apply(self, proposal_id: int) -> list[ProposalRecord]:
        """Apply a proposal if its turn has come, and then those that come after it; one that cannot be is stale.

        Of several who do that at once, one does it.

        Returns:
            The proposals of which something has become here.

        Raises:
            StorageUnavailableError: the storage cannot be reached.
        """
        record = self.storage.read(lambda reader: reader.find_proposal(proposal_id))
        return [] if record is None else self.apply_known(record)

    def apply_known(self, record: ProposalRecord) -> list[ProposalRecord]:
        """Apply a proposal as ``apply`` does; what is known of it may have been read before."""
        done: list[ProposalRecord] = []
        waiting = [record]
        while waiting:
            first = waiting.pop()
            if is_due(first, self.find_now()) and (outcome := self._apply_one(first)) is not None:
                done.append(outcome.record)
                waiting.extend(outcome.following)
        return done

    def _apply_one(self, record: ProposalRecord) -> "_Outcome | None":
        """Apply a proposal; return what has become of it, or ``None`` if nothing has here."""
        now, proposal_id = self.find_now(), record.proposal_id
        origin = Origin(record.author, tell_reason(record), record.author_kind)
        try:
            return self.storage.write(lambda writer: self._make(writer, proposal_id, origin, now), origin).result
        except HeldBackError:
            self.storage.note(lambda notes: _demand_approval(notes, proposal_id))
            return None
        except StaleError as error:
            stale = error
            ended = self.storage.note(lambda notes: make_stale(notes, proposal_id, stale, now))
            return None if ended is None else _Outcome(ended)

    def _make(self, writer: Writer, proposal_id: int, origin: Origin, now: datetime) -> "_Outcome | None":
        record = writer.find_proposal(proposal_id)
        if record is None or not is_due(record, now) or not _is_next(writer, record):
            return None
        content = writer.proposal_content(proposal_id)
        if content is None:
            return None
        grants = find_grants(writer, record, has_access=self.has_access, now=now)
        require_unchanged(writer, record, content)
        maker = replace(origin, grants=grants, is_reviewed=bool(record.approvals))
        try:
            self.read_writes(content.operations).make(JoinedStorage(writer), maker)
        except StepError as error:
            if isinstance(error.cause, HeldBackError):
                raise error.cause from error
            raise StaleError(f"it is refused now: {error}") from error
        writer.record(change_applied(record))
        ended = end(writer, record, APPLIED, ProposalEnd(now, revision=writer.revision()))
        following = (writer.find_proposal(number) for number in writer.proposals_after(proposal_id))
        return _Outcome(ended, tuple(each for each in following if each is not None))


class _Outcome(NamedTuple):
    """What has become of a proposal.

    Attributes:
        following: the proposals that come right after one that was applied.
    """

    record: ProposalRecord
    following: tuple[ProposalRecord, ...] = ()


def make_stale(notes: Notes, proposal_id: int, why: StaleError, now: datetime) -> ProposalRecord | None:
    """Note that a proposal cannot be applied any more; return it, or ``None`` if it was not open."""
    record = notes.find_proposal(proposal_id)
    if record is None or record.state != OPEN:
        return None
    return end(notes, record, STALE, ProposalEnd(now, reason=str(why), conflicts=why.conflicts))


def end(notes: Notes, record: ProposalRecord, state: ProposalState, ending: ProposalEnd) -> ProposalRecord:
    """End a proposal; those that come after one that was not applied are stale. Return it as it is then."""
    ended = replace(record, state=state, end=ending)
    notes.replace_proposal(ended)
    unapplied = [] if state == APPLIED else [ended]
    while unapplied:
        first = unapplied.pop()
        for proposal_id in notes.proposals_after(first.proposal_id):
            following = notes.find_proposal(proposal_id)
            if following is not None:
                reason = _tell_unapplied(first)
                stale = replace(following, state=STALE, end=ProposalEnd(ending.at, reason=reason))
                notes.replace_proposal(stale)
                unapplied.append(stale)
    return ended


def tell_state(record: ProposalRecord) -> str:
    """Say what has become of a proposal, and by whom."""
    by = f" by {record.end.actor}" if record.end is not None and record.end.actor else ""
    return f"{'is' if record.state in {OPEN, STALE} else 'was'} {record.state}{by}"


def find_grants(reader: Reader, record: ProposalRecord, *, has_access: bool, now: datetime) -> Grants:
    """Return what the author of a proposal may do now.

    Raises:
        StaleError: it is not known any more who that is.
    """
    if not has_access:
        return EVERYTHING
    if record.author_kind == "nobody":
        raise StaleError("nobody knows who has made it: it is of a time when the service let anybody do everything")
    kind = TokenRecord if record.author_kind == "token" else PersonRecord
    holder = next(
        (each for each in reader.access().list_holders() if each.name == record.author and isinstance(each, kind)), None
    )
    if holder is None:
        gone = "was revoked" if kind is TokenRecord else "was removed"
        raise StaleError(f"the {record.author_kind} {record.author!r}, who has made it, {gone} since")
    if isinstance(holder, TokenRecord) and holder.expires_at is not None and holder.expires_at <= now:
        raise StaleError(f"the token {record.author!r}, which has made it, has ended since")
    return read_grants(holder.grants)


def require_unchanged(reader: Reader, record: ProposalRecord, content: ProposalContent) -> None:
    """Check that all that a proposal remembers still holds, as far as what comes before it was applied.

    Raises:
        StaleError: something was changed since.
    """
    first = None if record.after is None else reader.find_proposal(record.after)
    if first is not None and first.state == OPEN:
        return
    became = 0 if first is None or first.end is None else first.end.revision or 0
    if conflicts := find_conflicts(reader, content.objects, max(record.seen_revision, became)):
        told = "; ".join(str(conflict["message"]) for conflict in conflicts)
        raise StaleError(f"what it would change is not what it was: {told}", conflicts)


def is_due(record: ProposalRecord, now: datetime) -> bool:
    """Return whether a proposal waits neither for a person nor for a time."""
    return record.is_ready and (record.at is None or record.at <= now)


def _is_next(reader: Reader, record: ProposalRecord) -> bool:
    """Return whether the proposal that comes before one was applied.

    Raises:
        StaleError: it will not be.
    """
    first = None if record.after is None else reader.find_proposal(record.after)
    if first is None or first.state == APPLIED:
        return True
    if first.state == OPEN:
        return False
    raise StaleError(_tell_unapplied(first))


def _tell_unapplied(first: ProposalRecord) -> str:
    why = f": {first.end.reason}" if first.end is not None and first.end.reason else ""
    return f"proposal {first.proposal_id}, which was to come first, {tell_state(first)}{why}"


def _demand_approval(notes: Notes, proposal_id: int) -> None:
    """Have a proposal wait for a second person, whom a policy has begun to demand since it was made."""
    record = notes.find_proposal(proposal_id)
    if record is not None and record.state == OPEN:
        notes.replace_proposal(replace(record, needs_approval=True))
