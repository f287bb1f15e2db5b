"""Proposals in an SQL database, inside the transaction of a unit of work."""

import hashlib
from collections.abc import Collection, Mapping
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
from heksher.server.storage.sql_statements import AnyRow, Statements, clip, in_batches
from heksher.server.storage.sql_times import read_optional_time, read_time, write_time
from heksher.server.storage.storage_errors import ContractError
from heksher.server.storage.tables import PROPOSAL, PROPOSAL_SUBJECT
from heksher.value_type import JSON

_CONTENT: Final = (PROPOSAL.c.operations, PROPOSAL.c.objects)
_LIGHT: Final = [column for column in PROPOSAL.c if column not in _CONTENT]
_LIMIT: Final[BindParameter[int]] = bindparam("max_rows")
_NOW: Final[BindParameter[str]] = bindparam("now")
_IS_NAMED: Final = PROPOSAL.c.id == bindparam("of_id")
_PAGE: Final = (
    select(*_LIGHT).where(PROPOSAL.c.id < bindparam("before_id")).order_by(PROPOSAL.c.id.desc()).limit(_LIMIT)
)
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
_IS_ABOUT: Final = PROPOSAL.c.id.in_(
    select(PROPOSAL_SUBJECT.c.proposal_id).where(PROPOSAL_SUBJECT.c.digest.in_(bindparam("digests", expanding=True)))
)
_ABOUT: Final = select(PROPOSAL.c.id).where(PROPOSAL.c.state == OPEN, _IS_ABOUT)
_AFTER: Final = (
    select(PROPOSAL.c.id)
    .where(PROPOSAL.c.state == OPEN, PROPOSAL.c.after_id == bindparam("first_id"))
    .order_by(PROPOSAL.c.id)
)
_COUNT_OPEN: Final = select(func.count().label("number")).select_from(PROPOSAL).where(PROPOSAL.c.state == OPEN)
_LAST_ID: Final = select(func.coalesce(func.max(PROPOSAL.c.id), 0).label("id"))

_ADD: Final = insert(PROPOSAL)
_REPLACE: Final = update(PROPOSAL).where(_IS_NAMED)
_ADD_SUBJECT: Final = insert(PROPOSAL_SUBJECT)
_PRUNE: Final = delete(PROPOSAL).where(
    PROPOSAL.c.state != OPEN, PROPOSAL.c.ended_at < bindparam("before"), PROPOSAL.c.id < bindparam("newest")
)


class SqlProposals:
    """What is stored about proposals, as one transaction sees and changes it."""

    def __init__(self, statements: Statements) -> None:
        self._statements = statements

    def list_page(
        self, state: ProposalState | None, before_id: int | None, limit: int, subjects: Collection[str] | None
    ) -> list[ProposalRecord]:
        """Return proposals, newest first."""
        page = _PAGE
        parameters: dict[str, object] = {
            "before_id": clip(2**63 if before_id is None else before_id),
            "max_rows": clip(limit),
        }
        if state is not None:
            page, parameters["of_state"] = page.where(PROPOSAL.c.state == bindparam("of_state")), state
        if subjects is not None:
            page, parameters["digests"] = page.where(_IS_ABOUT), list(map(_digest, subjects))
        return [_read(row) for row in self._statements.fetch(page, parameters)]

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

    def list_about(self, subjects: Collection[str]) -> list[int]:
        """Return the ids of open proposals with one of these subjects."""
        found: set[int] = set()
        for digests in in_batches(map(_digest, frozenset(subjects))):
            found.update(int(row.id) for row in self._statements.fetch(_ABOUT, {"digests": digests}))
        return sorted(found)

    def list_after(self, proposal_id: int) -> list[int]:
        """Return the ids of open proposals that come right after another one."""
        return [row.id for row in self._statements.fetch(_AFTER, {"first_id": clip(proposal_id)})]

    def count_open(self) -> int:
        """Return how many are open."""
        return int(self._statements.fetch(_COUNT_OPEN)[0].number)

    def add(self, record: ProposalRecord, content: ProposalContent, subjects: Collection[str]) -> int:
        """Add a proposal, and return its id."""
        proposal_id = self._find_last_id() + 1
        row = {
            "id": proposal_id,
            **_write(record),
            "operations": encode_json(list(content.operations)),
            "objects": encode_json(list(content.objects)),
        }
        doing = f"adding proposal {proposal_id}"
        self._statements.run(_ADD, row, doing)
        digests = sorted(map(_digest, frozenset(subjects)))
        for batch in in_batches({"proposal_id": proposal_id, "digest": digest} for digest in digests):
            self._statements.run(_ADD_SUBJECT, batch, doing)
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


def _digest(subject: str) -> str:
    # Of whatever length, and of any characters.
    return hashlib.sha256(encode_json(subject).encode()).hexdigest()


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
        "seen_revision": record.seen_revision,
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
        seen_revision=row.seen_revision,
        approvals=tuple(map(_read_approval, cast("list[Any]", decode_json(row.approvals)))),
        end=None if row.ended_at is None else _read_end(read_time(row.ended_at), cast("Any", decode_json(row.ending))),
    )


def _read_approval(written: Mapping[str, Any]) -> Approval:
    return Approval(written["actor"], written["actor_kind"], read_time(written["at"]), written["is_forced"])


def _read_end(at: datetime, written: Mapping[str, Any]) -> ProposalEnd:
    return ProposalEnd(at, written["actor"], written["reason"], written["revision"], tuple(written["conflicts"]))
