"""What webhooks are to be told next, and how far they were told.

Hundreds of messages in a second are made of a few readings of the storage: which webhooks there are is read anew each
tenth of a second, and the change log once for all webhooks. A message is sent as its webhook was at a revision not
before the one that it tells of, so that who changes the URL of a webhook and then a setting knows where the message
goes.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final

from heksher.revision_id import RevisionId
from heksher.server.operations.webhooks import Webhook, read_webhooks
from heksher.server.storage.base import LogEntry, Reader, Storage
from heksher.server.storage.webhook_records import DeliveryRecord
from heksher.server.webhooks.made_messages import MadeMessages
from heksher.server.webhooks.message_sender import Message
from heksher.server.webhooks.progress import Progress
from heksher.server.webhooks.recent_log import RecentLog
from heksher.server.webhooks.told_changes import select_changes

# How long it counts which webhooks there are, in seconds.
_MAX_AGE_S: Final = 0.1


@dataclass(frozen=True, slots=True)
class NextSkip:
    """What a webhook need not be told, as nothing of it concerns it.

    Attributes:
        webhook: the webhook, and how far it was told.
        told: how far it is told then.
        turn: grows with each other log that was found in the place of the one that was read before.
    """

    webhook: Webhook
    told: RevisionId
    turn: int


@dataclass(frozen=True, slots=True)
class NextMessage(NextSkip):
    """What a webhook is to be told next.

    Attributes:
        message: what it is to be told.
    """

    message: Message


@dataclass(frozen=True, slots=True)
class View:
    """All webhooks at one revision.

    Attributes:
        webhooks: by name.
        newest: the revision; 0 where there are no webhooks.
        read_s: when they were read, by the clock of the outbox.
    """

    webhooks: dict[str, Webhook]
    newest: int
    read_s: float


class Outbox:
    """What webhooks are to be told. Belongs to one thread.

    Args:
        storage: has the webhooks and the change log.
        now: returns the time, with a time zone.
        now_s: returns the time; monotonic.
    """

    def __init__(
        self,
        storage: Storage,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._storage = storage
        self._now = now
        self._now_s = now_s
        self._progress = Progress(storage)
        self._log = RecentLog()
        self._messages = MadeMessages()
        self._turn = 0
        # What was read last; None if something was noted since.
        self._view: View | None = None

    def look(self) -> View:
        """Return the webhooks, with how far they were told, noted or not.

        Raises:
            StorageUnavailableError: the storage cannot be reached.
        """
        view = self._storage.read(self._look)
        return replace(view, webhooks={name: self._bring_up(webhook) for name, webhook in view.webhooks.items()})

    def find_next(self, name: str, since_s: float) -> NextMessage | NextSkip | None:
        """Return what a webhook is to be told next; ``None`` if that is nothing, now.

        Args:
            name: of the webhook.
            since_s: since when nobody else tells webhooks, by the clock of the outbox.

        Raises:
            StorageUnavailableError: the storage cannot be reached.
        """
        if self._view is not None and self._view.read_s <= max(since_s, self._now_s() - _MAX_AGE_S):
            self._view = None
        return self._storage.read(lambda reader: self._find_next(reader, name))

    def put(self, step: NextSkip, after: DeliveryRecord) -> None:
        """Take down how far a webhook was told after a step, which may be of a log that is not there any more."""
        if step.turn == self._turn:
            self._progress.put(step.webhook.delivery, after)

    def note(self) -> frozenset[str]:
        """Note what was taken down where others have changed nothing; return the names of these webhooks.

        Raises:
            StorageUnavailableError: the storage cannot be reached; it stays to be noted.
        """
        self._view = None
        return self._progress.note(self._log.newest)

    def _look(self, reader: Reader) -> View:
        found = {webhook.record.name: webhook for webhook in read_webhooks(reader)}
        if found:
            self._follow(reader)
        self._view = view = View(found, self._log.newest.number if found else 0, self._now_s())
        return view

    def _follow(self, reader: Reader) -> bool:
        is_same = self._log.follow(reader)
        if not is_same:
            # What was told was told of another log.
            self._turn += 1
            self._progress.forget()
            self._view = None
        return is_same

    def _bring_up(self, webhook: Webhook) -> Webhook:
        return replace(webhook, delivery=self._progress.find(webhook.delivery))

    def _find_next(self, reader: Reader, name: str) -> NextMessage | NextSkip | None:
        view = self._view or self._look(reader)
        if name not in view.webhooks:
            return None
        webhook = self._bring_up(view.webhooks[name])
        if not is_due(webhook, view.newest, self._now()):
            return None
        told = webhook.delivery.told.number
        entries = self._log.list_after(told)
        if not entries:
            if not self._follow(reader):
                return None
            entries = self._log.read_after(reader, told)
        return self._find_message(reader, webhook, [entry for entry in entries if entry.revision <= view.newest])

    def _find_message(
        self, reader: Reader, webhook: Webhook, entries: Sequence[LogEntry]
    ) -> NextMessage | NextSkip | None:
        record, told = webhook.record, webhook.delivery.told.number
        for entry in entries:
            changes = select_changes(reader, entry, record.prefixes)
            if changes.size:
                missed = _find_missed(told, entries)
                message = self._messages.make(reader, record, entry, changes, missed)
                return NextMessage(webhook, entry.revision_id, self._turn, message)
        # There are none if the log was pruned a moment ago.
        return NextSkip(webhook, entries[-1].revision_id, self._turn) if entries else None


def is_due(webhook: Webhook, newest_revision: int, now: datetime) -> bool:
    """Return whether a webhook is to be told of something now."""
    is_on = webhook.record.off_reason is None
    next_attempt_at = webhook.delivery.next_attempt_at
    return is_on and webhook.delivery.told.number < newest_revision and (next_attempt_at or now) <= now


def _find_missed(told: int, entries: Sequence[LogEntry]) -> tuple[int, int] | None:
    """Return the first and the last revision that the log has no more; ``None`` if it has all of them."""
    first = entries[0].revision
    return (told + 1, first - 1) if first > told + 1 else None
