"""Units of work on what the change log does not have, in the storage in memory."""

from collections.abc import Mapping
from datetime import datetime

from heksher.server.storage.base import Notes
from heksher.server.storage.memory_reader import MemoryReader
from heksher.server.storage.webhook_records import DeliveryRecord, LeaseRecord


class MemoryNotes(MemoryReader, Notes):
    """A draft of the next state, as such a unit changes it."""

    def note_token_uses(self, uses: Mapping[str, datetime]) -> None:
        self._state.access.note_uses(uses)

    def put_delivery(self, delivery: DeliveryRecord) -> None:
        self._state.webhooks.put_delivery(delivery)

    def put_lease(self, lease: LeaseRecord) -> None:
        self._state.webhooks.put_lease(lease)
