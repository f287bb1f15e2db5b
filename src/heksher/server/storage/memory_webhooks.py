"""The webhooks of the storage in memory."""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from heksher.server.storage.storage_errors import ContractError
from heksher.server.storage.unit import require_proper_webhook
from heksher.server.storage.webhook_records import DeliveryRecord, LeaseRecord, WebhookRecord


@dataclass(slots=True)
class MemoryWebhooks:
    """Everything that is stored about webhooks, by name; leases by task. The records are immutable."""

    webhooks: dict[str, WebhookRecord] = field(default_factory=dict)
    deliveries: dict[str, DeliveryRecord] = field(default_factory=dict)
    leases: dict[str, LeaseRecord] = field(default_factory=dict)

    def copy(self) -> "MemoryWebhooks":
        """Return a copy that may be changed."""
        return MemoryWebhooks(self.webhooks.copy(), self.deliveries.copy(), self.leases.copy())

    def list_webhooks(self) -> tuple[WebhookRecord, ...]:
        """Return all webhooks, sorted by name."""
        return tuple(webhook for _, webhook in sorted(self.webhooks.items()))

    def list_deliveries(self) -> tuple[DeliveryRecord, ...]:
        """Return all deliveries, sorted by the names of their webhooks."""
        return tuple(delivery for _, delivery in sorted(self.deliveries.items()))

    def find_lease(self, task: str) -> LeaseRecord:
        """Return who does what only one process may do."""
        return self.leases.get(task, LeaseRecord(task))

    def put_webhook(self, webhook: WebhookRecord, revision: int) -> None:
        """Add or replace a webhook, with the revision of its last change."""
        require_proper_webhook(webhook)
        created_at = webhook.created_at.astimezone(UTC)
        self.webhooks[webhook.name] = replace(webhook, created_at=created_at, revision=revision)

    def remove_webhook(self, name: str) -> None:
        """Remove a webhook, and what is known of its deliveries."""
        if name not in self.webhooks:
            raise ContractError(f"there is no webhook {name!r} to remove")
        del self.webhooks[name]
        self.deliveries.pop(name, None)

    def put_delivery(self, delivery: DeliveryRecord) -> None:
        """Add or replace what is known of the deliveries of a webhook, if that exists."""
        if delivery.webhook not in self.webhooks:
            return
        times = (delivery.failing_since, delivery.next_attempt_at, delivery.attempted_at)
        failing_since, next_attempt_at, attempted_at = map(_convert, times)
        self.deliveries[delivery.webhook] = replace(
            delivery, failing_since=failing_since, next_attempt_at=next_attempt_at, attempted_at=attempted_at
        )

    def put_lease(self, lease: LeaseRecord) -> None:
        """Note who does what only one process may do."""
        self.leases[lease.task] = lease


def _convert(at: datetime | None) -> datetime | None:
    return None if at is None else at.astimezone(UTC)
