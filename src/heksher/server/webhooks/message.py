"""What webhooks are told: the bodies of messages, in the format that a webhook has."""

import secrets
from datetime import UTC, datetime
from typing import Final

from heksher.server.json_bytes import encode
from heksher.server.json_form import JSONObject
from heksher.server.operations.change_form import ChangeForm, ToldEntry, list_changed_rules, write_head, write_time
from heksher.server.operations.webhooks import SLACK
from heksher.server.storage.base import LogEntry, Reader
from heksher.server.storage.webhook_records import WebhookRecord
from heksher.server.webhooks.message_sender import Message
from heksher.server.webhooks.message_text import describe_entry, escape_markup
from heksher.server.webhooks.told_changes import ToldChanges
from heksher.value_type import JSON

# What kinds of messages there are: the values of ``type``.
CHANGED: Final = "settings.changed"
TEST: Final = "webhook.test"

_ID_BYTES: Final = 12


def make_test_message(webhook: WebhookRecord) -> Message:
    """Return a message that tells of nothing, to see whether it is received."""
    text = f"This is a test of the webhook {webhook.name!r} of heksher: it will be told of changes."
    at = write_time(datetime.now(UTC))
    return _make_message(webhook, f"test-{secrets.token_hex(_ID_BYTES)}", TEST, at, {"text": text})


def make_entry_message(
    reader: Reader, webhook: WebhookRecord, entry: LogEntry, told: ToldChanges, missed: tuple[int, int] | None
) -> Message:
    """Return the message that tells a webhook of an entry of the change log.

    Args:
        reader: knows the conditions of rules.
        webhook: is told.
        entry: the entry.
        told: what it is told of it.
        missed: the first and the last revision that were removed from the log before it could be told of them;
            ``None`` if there are none.
    """
    form = ChangeForm(reader, list_changed_rules(told.changes))
    head = write_head(ToldEntry(entry, told.changes, told.size))
    parts: list[JSONObject] = [
        {**form.write_change(change), "is_shortened": number in told.shortened}
        for number, change in enumerate(told.changes)
    ]
    gap: JSONObject = {"missed": None if missed is None else list(missed)}
    text = describe_entry(head, parts)
    if missed is not None:
        text = f"{text}\n• what was changed from revision {missed[0]} to {missed[1]} is not in the log any more"
    data: JSONObject = {**head, "parts": list[JSON](parts), **gap, "text": text}
    return _make_message(webhook, str(entry.revision_id), CHANGED, write_time(entry.at), data)


def _make_message(webhook: WebhookRecord, message_id: str, kind: str, at: str, data: JSONObject) -> Message:
    if webhook.format == SLACK:
        return Message(message_id, encode({"text": escape_markup(str(data["text"]))}))
    return Message(message_id, encode({"type": kind, "timestamp": at, "data": data}))
