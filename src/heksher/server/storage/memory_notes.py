"""Units of work on what the change log does not have, in the storage in memory."""

from collections.abc import Collection, Mapping
from datetime import datetime

from heksher.server.storage.base import Notes
from heksher.server.storage.memory_reader import MemoryReader
from heksher.server.storage.proposal_records import ProposalContent, ProposalRecord
from heksher.server.storage.usage_records import ClientRecord, SettingUse
from heksher.server.storage.webhook_records import DeliveryRecord, LeaseRecord


class MemoryNotes(MemoryReader, Notes):
    """A draft of the next state, as such a unit changes it."""

    def note_token_uses(self, uses: Mapping[str, datetime]) -> None:
        self._state.access.note_uses(uses)

    def note_uses(self, uses: Mapping[str, SettingUse], clients: Collection[ClientRecord], now: datetime) -> None:
        numbers = {name: self._state.setting_ids[canonical] for name, canonical in self._state.names.items()}
        self._state.usage.note(uses, numbers, clients, now)

    def forget_count(self) -> None:
        self._state.usage.counted_since = None

    def put_deliveries(self, deliveries: Collection[DeliveryRecord]) -> None:
        for delivery in deliveries:
            self._state.webhooks.put_delivery(delivery)

    def add_proposal(self, record: ProposalRecord, content: ProposalContent, subjects: Collection[str] = ()) -> int:
        return self._state.proposals.add(record, content, subjects)

    def replace_proposal(self, record: ProposalRecord) -> None:
        self._state.proposals.replace(record)

    def put_lease(self, lease: LeaseRecord) -> None:
        self._state.webhooks.put_lease(lease)
