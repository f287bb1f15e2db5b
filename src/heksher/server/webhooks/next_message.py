"""What a webhook is to be told next, by what is stored."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from heksher.server.operations.webhooks import Webhook, read_webhooks
from heksher.server.storage.base import LogEntry, Reader
from heksher.server.storage.webhook_records import DeliveryRecord
from heksher.server.webhooks.message import make_entry_message
from heksher.server.webhooks.message_sender import Message
from heksher.server.webhooks.told_changes import select_changes

# How many entries are looked through at once for one that concerns a webhook.
_PAGE_ENTRIES: Final = 100


@dataclass(frozen=True, slots=True)
class NextSkip:
    """What a webhook need not be told, as nothing of it concerns it.

    Attributes:
        webhook: the webhook, and how far it was told.
        told: how far it is told then.
    """

    webhook: Webhook
    told: LogEntry


@dataclass(frozen=True, slots=True)
class NextMessage(NextSkip):
    """What a webhook is to be told next.

    Attributes:
        message: what it is to be told.
    """

    message: Message


def is_due(webhook: Webhook, newest_revision: int, now: datetime) -> bool:
    """Return whether a webhook is to be told of something now."""
    is_on = webhook.record.off_reason is None
    next_attempt_at = webhook.delivery.next_attempt_at
    return is_on and webhook.delivery.told.number < newest_revision and (next_attempt_at or now) <= now


def find_next(
    reader: Reader, name: str, now: datetime, progress: Callable[[DeliveryRecord], DeliveryRecord]
) -> NextMessage | NextSkip | None:
    """Return what a webhook is to be told next; ``None`` if that is nothing, now.

    Args:
        reader: reads what is stored.
        name: of the webhook.
        now: the time, with a time zone.
        progress: returns how far a webhook was told, by what is stored of it.
    """
    for found in read_webhooks(reader):
        webhook = replace(found, delivery=progress(found.delivery))
        if webhook.record.name == name and is_due(webhook, reader.revision(), now):
            return _find_message(reader, webhook)
    return None


def _find_message(reader: Reader, webhook: Webhook) -> NextMessage | NextSkip:
    record, told = webhook.record, webhook.delivery.told.number
    # Of each entry the first change: most have one.
    entries = reader.log(told, _PAGE_ENTRIES if record.prefixes else 1, 1)
    for entry in entries:
        changes = select_changes(reader, entry, record.prefixes)
        if changes.size:
            missed = _find_missed(told, entries)
            return NextMessage(webhook, entry, make_entry_message(reader, record, entry, changes, missed))
    return NextSkip(webhook, entries[-1])


def _find_missed(told: int, entries: Sequence[LogEntry]) -> tuple[int, int] | None:
    """Return the first and the last revision that the log has no more; ``None`` if it has all of them."""
    first = entries[0].revision
    return (told + 1, first - 1) if first > told + 1 else None
