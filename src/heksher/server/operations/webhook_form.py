"""The JSON forms of webhooks, for answers and for the change log: without URLs and secrets."""

from heksher.server.json_form import JSONObject, list_differences
from heksher.server.operations.access_form import write_time
from heksher.server.operations.webhook_address import find_origin
from heksher.server.storage.base import LoggedChange
from heksher.server.storage.webhook_records import WEBHOOK, DeliveryRecord, WebhookRecord


def webhook_to_json(webhook: WebhookRecord, delivery: DeliveryRecord) -> JSONObject:
    """Return what admins may know of a webhook, and how far it was told; times are in UTC."""
    return {
        "name": webhook.name,
        **_list_fields(webhook),
        "is_on": webhook.off_reason is None,
        "told_revision": delivery.told.number,
        "failures": delivery.failures,
        "failing_since": write_time(delivery.failing_since),
        "next_attempt_at": write_time(delivery.next_attempt_at),
        "attempted_at": write_time(delivery.attempted_at),
        "problem": delivery.problem or None,
    }


def change_webhook(action: str, before: WebhookRecord | None, after: WebhookRecord | None, name: str) -> LoggedChange:
    """Return the change of a webhook that was created (``before`` is ``None``), changed, or removed.

    Another path on the same host changes no field that can be told: the action says what was done.
    """
    before_fields, after_fields = (None if record is None else _list_fields(record) for record in (before, after))
    if before_fields is not None and after_fields is not None:
        before_fields, after_fields = list_differences(before_fields, after_fields)
    return LoggedChange(action, WEBHOOK, name, before_fields, after_fields)


def _list_fields(webhook: WebhookRecord) -> JSONObject:
    return {
        "origin": find_origin(webhook.url),
        "prefixes": list(webhook.prefixes),
        "format": webhook.format,
        "creator": webhook.creator,
        "created_at": write_time(webhook.created_at),
        "off_reason": webhook.off_reason,
    }
