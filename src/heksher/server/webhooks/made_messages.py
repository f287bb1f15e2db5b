"""The messages that were made last: many webhooks may be told the same."""

from collections import OrderedDict
from collections.abc import Hashable
from typing import Final

from heksher.server.storage.base import LogEntry, Reader
from heksher.server.storage.webhook_records import WebhookRecord
from heksher.server.webhooks.message import make_entry_message
from heksher.server.webhooks.message_sender import Message
from heksher.server.webhooks.told_changes import ToldChanges

# Longer ones are made anew.
_MAX_KEPT_BYTES: Final = 16 * 1024
_MAX_KEPT_MESSAGES: Final = 256


class MadeMessages:
    """Messages of entries of the change log. Belongs to one thread."""

    def __init__(self) -> None:
        self._kept: OrderedDict[Hashable, Message] = OrderedDict()

    def make(
        self, reader: Reader, webhook: WebhookRecord, entry: LogEntry, told: ToldChanges, missed: tuple[int, int] | None
    ) -> Message:
        """Return the message that tells a webhook of an entry: see ``make_entry_message``."""
        # Of one change all are told the same that are told of it at all.
        prefixes = webhook.prefixes if entry.size > 1 else ()
        key = entry.revision_id, webhook.format, prefixes, missed
        message = self._kept.get(key)
        if message is None:
            message = make_entry_message(reader, webhook, entry, told, missed)
            self._keep(key, message)
        return message

    def _keep(self, key: Hashable, message: Message) -> None:
        if len(message.body) <= _MAX_KEPT_BYTES:
            self._kept[key] = message
            if len(self._kept) > _MAX_KEPT_MESSAGES:
                self._kept.popitem(last=False)
