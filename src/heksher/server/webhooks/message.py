"""What webhooks are told: the bodies of messages, in the format that a webhook has."""

import secrets
from datetime import UTC, datetime
from typing import Final

from heksher.server.json_bytes import encode
from heksher.server.json_form import JSONObject
from heksher.server.operations.webhooks import SLACK
from heksher.server.storage.webhook_records import WebhookRecord
from heksher.server.webhooks.message_sender import Message

_ID_BYTES: Final = 12


def make_test_message(webhook: WebhookRecord) -> Message:
    """Return a message that tells of nothing, to see whether it is received."""
    text = f"This is a test of the webhook {webhook.name!r} of heksher: it will be told of changes."
    at = datetime.now(UTC).isoformat(timespec="milliseconds")
    return _make_message(webhook, f"test-{secrets.token_hex(_ID_BYTES)}", "webhook.test", at, {"text": text})


def _make_message(webhook: WebhookRecord, message_id: str, kind: str, at: str, data: JSONObject) -> Message:
    content: JSONObject = {"type": kind, "timestamp": at, "data": data}
    return Message(message_id, encode({"text": data["text"]} if webhook.format == SLACK else content))
