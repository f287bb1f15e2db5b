"""The proposals of the storage in memory."""

from collections.abc import Collection
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import cast

from heksher.server.storage.json_text import decode_json, encode_json
from heksher.server.storage.proposal_records import (
    OPEN,
    ProposalContent,
    ProposalRecord,
    ProposalState,
)
from heksher.server.storage.storage_errors import ContractError
from heksher.value_type import JSON


@dataclass(slots=True)
class MemoryProposals:
    """Everything that is stored about proposals, by id. The records are immutable."""

    records: dict[int, ProposalRecord] = field(default_factory=dict)
    contents: dict[int, ProposalContent] = field(default_factory=dict)
    subjects: dict[int, frozenset[str]] = field(default_factory=dict)

    def copy(self) -> "MemoryProposals":
        """Return a copy that may be changed."""
        return MemoryProposals(self.records.copy(), self.contents.copy(), self.subjects.copy())

    def list_page(
        self, state: ProposalState | None, before_id: int | None, limit: int, subjects: Collection[str] | None
    ) -> list[ProposalRecord]:
        """Return proposals, newest first."""
        found = [
            record
            for proposal_id, record in sorted(self.records.items(), reverse=True)
            if (state is None or record.state == state)
            and (before_id is None or proposal_id < before_id)
            and (subjects is None or not self.subjects[proposal_id].isdisjoint(subjects))
        ]
        return found[: max(limit, 0)]

    def list_due(self, now: datetime, limit: int) -> list[int]:
        """Return the ids of proposals whose turn has come, the one that was due first first."""
        due = [
            record
            for record in self.records.values()
            if record.is_ready and (record.at is None or record.at <= now) and not self._is_waiting(record)
        ]
        due.sort(key=lambda record: (record.at is not None, record.at, record.proposal_id))
        return [record.proposal_id for record in due[: max(limit, 0)]]

    def find_next_time(self, now: datetime) -> datetime | None:
        """Return the next time after ``now`` at which a proposal becomes due."""
        times = [record.at for record in self.records.values() if record.is_ready and record.at is not None]
        return min((at for at in times if at > now), default=None)

    def list_about(self, subjects: Collection[str]) -> list[int]:
        """Return the ids of open proposals with one of these subjects."""
        return sorted(
            record.proposal_id
            for record in self.records.values()
            if record.state == OPEN and not self.subjects[record.proposal_id].isdisjoint(subjects)
        )

    def list_after(self, proposal_id: int) -> list[int]:
        """Return the ids of open proposals that come right after another one."""
        following = (record for record in self.records.values() if record.after == proposal_id)
        return sorted(record.proposal_id for record in following if record.state == OPEN)

    def count_open(self) -> int:
        """Return how many are open."""
        return sum(record.state == OPEN for record in self.records.values())

    def add(self, record: ProposalRecord, content: ProposalContent, subjects: Collection[str]) -> int:
        """Add a proposal, and return its id."""
        proposal_id = max(self.records, default=0) + 1
        self.records[proposal_id] = _convert(replace(record, proposal_id=proposal_id))
        self.contents[proposal_id] = copy_content(content)
        self.subjects[proposal_id] = frozenset(subjects)
        return proposal_id

    def replace(self, record: ProposalRecord) -> None:
        """Replace a proposal, but for what it would do."""
        if record.proposal_id not in self.records:
            raise ContractError(f"there is no proposal {record.proposal_id} to replace")
        self.records[record.proposal_id] = _convert(record)

    def prune(self, before: datetime) -> None:
        """Remove those that have ended before a time, but for the newest one, whose id must not be given again."""
        newest = max(self.records, default=0)
        for proposal_id, record in list(self.records.items()):
            if proposal_id != newest and record.end is not None and record.end.at < before:
                del self.records[proposal_id]
                del self.contents[proposal_id]
                del self.subjects[proposal_id]

    def _is_waiting(self, record: ProposalRecord) -> bool:
        first = None if record.after is None else self.records.get(record.after)
        return first is not None and first.state == OPEN


def copy_content(content: ProposalContent) -> ProposalContent:
    """Return a copy that shares nothing mutable."""
    operations, objects = (decode_json(encode_json(list(part))) for part in (content.operations, content.objects))
    return ProposalContent(tuple(cast("list[JSON]", operations)), tuple(cast("list[JSON]", objects)))


def _convert(record: ProposalRecord) -> ProposalRecord:
    at = None if record.at is None else record.at.astimezone(UTC)
    approvals = tuple(replace(approval, at=approval.at.astimezone(UTC)) for approval in record.approvals)
    end = None if record.end is None else replace(record.end, at=record.end.at.astimezone(UTC))
    return replace(record, created_at=record.created_at.astimezone(UTC), at=at, approvals=approvals, end=end)
