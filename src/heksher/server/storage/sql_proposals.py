"""Proposals in an SQL database, inside the transaction of a unit of work."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, cast

from sqlalchemy import BindParameter, and_, bindparam, delete, exists, func, insert, not_, or_, select, update

from heksher.server.storage.json_text import decode_json, encode_json
from heksher.server.storage.proposal_records import (
    OPEN,
    Approval,
    ProposalContent,
    ProposalEnd,
    ProposalRecord,
    ProposalState,
)
from heksher.server.storage.sql_statements import AnyRow, Statements, clip
from heksher.server.storage.sql_times import read_optional_time, read_time, write_time
from heksher.server.storage.storage_errors import ContractError
from heksher.server.storage.tables import PROPOSAL
from heksher.value_type import JSON

_CONTENT: Final = (PROPOSAL.c.operations, PROPOSAL.c.objects)
_LIGHT: Final = [column for column in PROPOSAL.c if column not in _CONTENT]
_LIMIT: Final[BindParameter[int]] = bindparam("max_rows")
_NOW: Final[BindParameter[str]] = bindparam("now")
_IS_NAMED: Final = PROPOSAL.c.id == bindparam("of_id")
_PAGE: Final = (
    select(*_LIGHT).where(PROPOSAL.c.id < bindparam("before_id")).order_by(PROPOSAL.c.id.desc()).limit(_LIMIT)
)
_PAGE_OF_STATE: Final = _PAGE.where(PROPOSAL.c.state == bindparam("of_state"))
_BY_ID: Final = select(*_LIGHT).where(_IS_NAMED)
_CONTENT_BY_ID: Final = select(*_CONTENT).where(_IS_NAMED)
_FIRST: Final = PROPOSAL.alias("first")
_IS_READY: Final = and_(PROPOSAL.c.state == OPEN, PROPOSAL.c.is_ready)
_DUE: Final = (
    select(PROPOSAL.c.id)
    .where(
        _IS_READY,
        or_(PROPOSAL.c.at.is_(None), PROPOSAL.c.at <= _NOW),
        not_(exists().where(_FIRST.c.id == PROPOSAL.c.after_id, _FIRST.c.state == OPEN)),
    )
    # Which end nulls come to is up to the database.
    .order_by(func.coalesce(PROPOSAL.c.at, ""), PROPOSAL.c.id)
    .limit(_LIMIT)
)
_NEXT_TIME: Final = select(func.min(PROPOSAL.c.at).label("at")).where(_IS_READY, PROPOSAL.c.at > _NOW)
_LAST_ID: Final = select(func.coalesce(func.max(PROPOSAL.c.id), 0).label("id"))

_ADD: Final = insert(PROPOSAL)
_REPLACE: Final = update(PROPOSAL).where(_IS_NAMED)
_PRUNE: Final = delete(PROPOSAL).where(
    PROPOSAL.c.state != OPEN, PROPOSAL.c.ended_at < bindparam("before"), PROPOSAL.c.id < bindparam("newest")
)


class SqlProposals:
    """What is stored about proposals, as one transaction sees and changes it."""

    def __init__(self, statements: Statements) -> None:
        self._statements = statements

    def list_page(self, state: ProposalState | None, before_id: int | None, limit: int) -> list[ProposalRecord]:
        """Return proposals, newest first."""
        before = clip(before_id) if before_id is not None else clip(2**63)
        parameters = {"before_id": before, "max_rows": clip(limit)}
        if state is None:
            return [_read(row) for row in self._statements.fetch(_PAGE, parameters)]
        return [_read(row) for row in self._statements.fetch(_PAGE_OF_STATE, {**parameters, "of_state": state})]

    def find(self, proposal_id: int) -> ProposalRecord | None:
        """Return the proposal with an id, or ``None``."""
        rows = self._statements.fetch(_BY_ID, {"of_id": clip(proposal_id)})
        return _read(rows[0]) if rows else None

    def find_content(self, proposal_id: int) -> ProposalContent | None:
        """Return what a proposal would do, or ``None``."""
        for row in self._statements.fetch(_CONTENT_BY_ID, {"of_id": clip(proposal_id)}):
            operations, objects = (tuple(cast("list[JSON]", decode_json(text))) for text in row)
            return ProposalContent(operations, objects)
        return None

    def list_due(self, now: datetime, limit: int) -> list[int]:
        """Return the ids of proposals whose turn has come, the one that was due first first."""
        rows = self._statements.fetch(_DUE, {"now": write_time(now), "max_rows": clip(limit)})
        return [row.id for row in rows]

    def find_next_time(self, now: datetime) -> datetime | None:
        """Return the next time after ``now`` at which a proposal becomes due."""
        return read_optional_time(self._statements.fetch(_NEXT_TIME, {"now": write_time(now)})[0].at)

    def add(self, record: ProposalRecord, content: ProposalContent) -> int:
        """Add a proposal, and return its id."""
        proposal_id = self._find_last_id() + 1
        row = {
            "id": proposal_id,
            **_write(record),
            "operations": encode_json(list(content.operations)),
            "objects": encode_json(list(content.objects)),
        }
        self._statements.run(_ADD, row, f"adding proposal {proposal_id}")
        return proposal_id

    def replace(self, record: ProposalRecord) -> None:
        """Replace a proposal, but for what it would do."""
        row = {**_write(record), "of_id": clip(record.proposal_id)}
        if not self._statements.run(_REPLACE, row, f"replacing proposal {record.proposal_id}"):
            raise ContractError(f"there is no proposal {record.proposal_id} to replace")

    def prune(self, before: datetime) -> None:
        """Remove those that have ended before a time, but for the newest one, whose id must not be given again."""
        parameters = {"before": write_time(before), "newest": self._find_last_id()}
        self._statements.run(_PRUNE, parameters, "removing old proposals")

    def _find_last_id(self) -> int:
        return int(self._statements.fetch(_LAST_ID)[0].id)


def _write(record: ProposalRecord) -> dict[str, object]:
    end = record.end
    return {
        "state": record.state,
        "author": encode_json(record.author),
        "author_kind": record.author_kind,
        "reason": encode_json(record.reason),
        "created_at": write_time(record.created_at),
        "at": write_time(record.at),
        "after_id": record.after,
        "needs_approval": record.needs_approval,
        "is_ready": record.is_ready,
        "size": record.size,
        "approvals": encode_json([_write_approval(approval) for approval in record.approvals]),
        "ended_at": None if end is None else write_time(end.at),
        "ending": None if end is None else encode_json(_write_end(end)),
    }


def _write_approval(approval: Approval) -> JSON:
    return {
        "actor": approval.actor,
        "actor_kind": approval.actor_kind,
        "at": write_time(approval.at),
        "is_forced": approval.is_forced,
    }


def _write_end(end: ProposalEnd) -> JSON:
    return {"actor": end.actor, "reason": end.reason, "revision": end.revision, "conflicts": list(end.conflicts)}


def _read(row: AnyRow) -> ProposalRecord:
    return ProposalRecord(
        proposal_id=row.id,
        state=row.state,
        author=str(decode_json(row.author)),
        author_kind=row.author_kind,
        reason=str(decode_json(row.reason)),
        created_at=read_time(row.created_at),
        at=read_optional_time(row.at),
        after=row.after_id,
        needs_approval=row.needs_approval,
        size=row.size,
        approvals=tuple(map(_read_approval, cast("list[Any]", decode_json(row.approvals)))),
        end=None if row.ended_at is None else _read_end(read_time(row.ended_at), cast("Any", decode_json(row.ending))),
    )


def _read_approval(written: Mapping[str, Any]) -> Approval:
    return Approval(written["actor"], written["actor_kind"], read_time(written["at"]), written["is_forced"])


def _read_end(at: datetime, written: Mapping[str, Any]) -> ProposalEnd:
    return ProposalEnd(at, written["actor"], written["reason"], written["revision"], tuple(written["conflicts"]))
