"""Webhooks in an SQL database, inside the transaction of a unit of work. All of them are read at once: they are few."""

from collections.abc import Collection, Mapping
from typing import Any, Final, cast

from sqlalchemy import Insert, Update, bindparam, delete, insert, select, update

from heksher.revision_id import RevisionId
from heksher.server.storage.json_text import decode_json, encode_json, is_storable
from heksher.server.storage.sql_statements import AnyRow, Statements
from heksher.server.storage.sql_times import read_optional_time, read_time, write_time
from heksher.server.storage.storage_errors import ContractError
from heksher.server.storage.tables import LEASE, WEBHOOK, WEBHOOK_DELIVERY
from heksher.server.storage.unit import require_proper_webhook
from heksher.server.storage.webhook_records import DeliveryRecord, LeaseRecord, WebhookRecord

_WEBHOOKS: Final = select(WEBHOOK)
_DELIVERIES: Final = select(WEBHOOK_DELIVERY)
_TOLD: Final = select(WEBHOOK.c.name, WEBHOOK_DELIVERY.c.webhook).outerjoin(
    WEBHOOK_DELIVERY, WEBHOOK_DELIVERY.c.webhook == WEBHOOK.c.name
)
_LEASE: Final = select(LEASE).where(LEASE.c.task == bindparam("of_task"))

_ADD_WEBHOOK: Final = insert(WEBHOOK)
_REPLACE_WEBHOOK: Final = update(WEBHOOK).where(WEBHOOK.c.name == bindparam("of_key"))
_REMOVE_WEBHOOK: Final = delete(WEBHOOK).where(WEBHOOK.c.name == bindparam("of_key"))
_ADD_DELIVERY: Final = insert(WEBHOOK_DELIVERY)
_REPLACE_DELIVERY: Final = update(WEBHOOK_DELIVERY).where(WEBHOOK_DELIVERY.c.webhook == bindparam("of_key"))
_ADD_LEASE: Final = insert(LEASE)
_REPLACE_LEASE: Final = update(LEASE).where(LEASE.c.task == bindparam("of_key"))


class SqlWebhooks:
    """What is stored about webhooks, as one transaction sees and changes it."""

    def __init__(self, statements: Statements) -> None:
        self._statements = statements

    def list_webhooks(self) -> tuple[WebhookRecord, ...]:
        """Return all webhooks, sorted by name."""
        found = map(_read_webhook, self._statements.fetch(_WEBHOOKS))
        # Sorted here, because databases sort by the rules of a language.
        return tuple(sorted(found, key=lambda webhook: webhook.name))

    def list_deliveries(self) -> tuple[DeliveryRecord, ...]:
        """Return all deliveries, sorted by the names of their webhooks."""
        found = map(_read_delivery, self._statements.fetch(_DELIVERIES))
        return tuple(sorted(found, key=lambda delivery: delivery.webhook))

    def find_lease(self, task: str) -> LeaseRecord:
        """Return who does what only one process may do."""
        for row in self._statements.fetch(_LEASE, {"of_task": task}):
            return LeaseRecord(row.task, row.holder, row.turn)
        return LeaseRecord(task)

    def put_webhook(self, webhook: WebhookRecord, revision: int) -> None:
        """Add or replace a webhook, with the revision of its last change."""
        require_proper_webhook(webhook)
        row = {
            "name": webhook.name,
            "url": webhook.url,
            "secret": webhook.secret,
            "prefixes": encode_json(webhook.prefixes),
            "format": webhook.format,
            "creator": encode_json(webhook.creator),
            "created_at": write_time(webhook.created_at),
            "off_reason": None if webhook.off_reason is None else encode_json(webhook.off_reason),
            "revision": revision,
        }
        self._put(_REPLACE_WEBHOOK, _ADD_WEBHOOK, webhook.name, row, f"storing webhook {webhook.name!r}")

    def remove_webhook(self, name: str) -> None:
        """Remove a webhook, and what is known of its deliveries."""
        doing = f"removing webhook {name!r}"
        if not is_storable(name) or not self._statements.run(_REMOVE_WEBHOOK, {"of_key": name}, doing):
            raise ContractError(f"there is no webhook {name!r} to remove")

    def put_deliveries(self, deliveries: Collection[DeliveryRecord]) -> None:
        """Add or replace what is known of the deliveries of webhooks, of those that exist."""
        # By the name of each webhook, whether anything is known of its deliveries.
        is_known = {row.name: row.webhook is not None for row in self._statements.fetch(_TOLD)}
        rows = [_write_delivery(delivery) for delivery in deliveries if delivery.webhook in is_known]
        known = [{**row, "of_key": row["webhook"]} for row in rows if is_known[row["webhook"]]]
        doing = "noting what webhooks were told"
        self._statements.run_each(_REPLACE_DELIVERY, known, doing)
        self._statements.run_each(_ADD_DELIVERY, (row for row in rows if not is_known[row["webhook"]]), doing)

    def put_lease(self, lease: LeaseRecord) -> None:
        """Note who does what only one process may do."""
        row = {"task": lease.task, "holder": lease.holder, "turn": lease.turn}
        self._put(_REPLACE_LEASE, _ADD_LEASE, lease.task, row, f"noting who does {lease.task}")

    def _put(self, replace: Update, add: Insert, key: str, row: Mapping[str, object], doing: str) -> None:
        if not self._statements.run(replace, {**row, "of_key": key}, doing):
            self._statements.run(add, row, doing)


def _read_webhook(row: AnyRow) -> WebhookRecord:
    return WebhookRecord(
        name=row.name,
        url=row.url,
        secret=row.secret,
        prefixes=tuple(cast("list[str]", decode_json(row.prefixes))),
        format=row.format,
        creator=str(decode_json(row.creator)),
        created_at=read_time(row.created_at),
        off_reason=None if row.off_reason is None else str(decode_json(row.off_reason)),
        revision=row.revision,
    )


def _write_delivery(delivery: DeliveryRecord) -> dict[str, Any]:
    return {
        "webhook": delivery.webhook,
        "revision": delivery.told.number,
        "stamp": delivery.told.stamp,
        "failures": delivery.failures,
        "failing_since": write_time(delivery.failing_since),
        "next_attempt_at": write_time(delivery.next_attempt_at),
        "attempted_at": write_time(delivery.attempted_at),
        "problem": encode_json(delivery.problem),
    }


def _read_delivery(row: AnyRow) -> DeliveryRecord:
    return DeliveryRecord(
        webhook=row.webhook,
        told=RevisionId(row.revision, row.stamp),
        failures=row.failures,
        failing_since=read_optional_time(row.failing_since),
        next_attempt_at=read_optional_time(row.next_attempt_at),
        attempted_at=read_optional_time(row.attempted_at),
        problem=str(decode_json(row.problem)),
    )
