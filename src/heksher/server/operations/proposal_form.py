"""The JSON forms of proposals, for answers and for the change log."""

from collections.abc import Iterable

from heksher.server.json_form import JSONObject
from heksher.server.operations.change_form import write_time
from heksher.server.storage.base import LoggedChange
from heksher.server.storage.proposal_records import OPEN, PROPOSAL, Approval, ProposalEnd, ProposalRecord
from heksher.value_type import JSON


def proposal_to_json(record: ProposalRecord) -> JSONObject:
    """Return what lists tell of a proposal; times are in UTC."""
    return {
        "id": record.proposal_id,
        "state": record.state,
        "author": record.author or None,
        "author_kind": record.author_kind,
        "reason": record.reason or None,
        "created_at": write_time(record.created_at),
        "at": None if record.at is None else write_time(record.at),
        "after": record.after,
        "needs_approval": record.needs_approval,
        "is_waiting_for_approval": record.state == OPEN and not record.is_ready,
        "size": record.size,
        "approvals": list(_write_approvals(record.approvals)),
        "end": None if record.end is None else _write_end(record.end),
    }


def change_applied(record: ProposalRecord) -> LoggedChange:
    """Return the change by which the log tells that a proposal was applied: the first that it hears of it."""
    fields: JSONObject = {
        "author": record.author or None,
        "author_kind": record.author_kind,
        "created_at": write_time(record.created_at),
        "approvals": list(_write_approvals(record.approvals)),
    }
    return LoggedChange("apply", PROPOSAL, str(record.proposal_id), None, fields)


def tell_reason(record: ProposalRecord) -> str:
    """Return the reason that the change log has for what a proposal becomes: also which one it is, and who approved."""
    approvers = " and ".join(map(_tell_approval, record.approvals))
    head = f"proposal {record.proposal_id}" + (f", approved by {approvers}" if approvers else "")
    return f"{head}: {record.reason}" if record.reason else head


def _tell_approval(approval: Approval) -> str:
    return f"{approval.actor} (forced: without a second person)" if approval.is_forced else approval.actor


def _write_approvals(approvals: Iterable[Approval]) -> Iterable[JSON]:
    for approval in approvals:
        yield {
            "actor": approval.actor,
            "actor_kind": approval.actor_kind,
            "at": write_time(approval.at),
            "is_forced": approval.is_forced,
        }


def _write_end(end: ProposalEnd) -> JSONObject:
    return {
        "at": write_time(end.at),
        "actor": end.actor or None,
        "reason": end.reason or None,
        "revision": end.revision,
        "conflicts": list(end.conflicts),
    }
