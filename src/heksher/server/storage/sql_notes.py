"""Units of work on what the change log does not have, on an SQL database: the methods inside their transaction."""

from collections.abc import Collection, Mapping
from datetime import datetime

from heksher.server.storage.base import Notes
from heksher.server.storage.proposal_records import ProposalContent, ProposalRecord
from heksher.server.storage.sql_reader import SqlReader
from heksher.server.storage.usage_records import ClientRecord, SettingUse
from heksher.server.storage.webhook_records import DeliveryRecord, LeaseRecord


class SqlNotes(SqlReader, Notes):
    """The state as one transaction sees and changes it."""

    def note_token_uses(self, uses: Mapping[str, datetime]) -> None:
        self._access.note_uses(uses)

    def note_uses(self, uses: Mapping[str, SettingUse], clients: Collection[ClientRecord], now: datetime) -> None:
        self._usage.note(uses, clients, now)

    def forget_count(self) -> None:
        self._usage.forget_start()

    def put_deliveries(self, deliveries: Collection[DeliveryRecord]) -> None:
        self._webhooks.put_deliveries(deliveries)

    def add_proposal(self, record: ProposalRecord, content: ProposalContent, subjects: Collection[str] = ()) -> int:
        return self._proposals.add(record, content, subjects)

    def replace_proposal(self, record: ProposalRecord) -> None:
        self._proposals.replace(record)

    def put_lease(self, lease: LeaseRecord) -> None:
        self._webhooks.put_lease(lease)
