"""Tells one webhook of all that it is to be told now: one message after another, each until it is received."""

import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from typing import Final, Protocol, TypeVar

from heksher.server.errors import NotFoundError
from heksher.server.operations import webhooks
from heksher.server.storage.base import Origin, Storage
from heksher.server.storage.webhook_records import WebhookRecord
from heksher.server.webhooks import retry
from heksher.server.webhooks.lease import Lease
from heksher.server.webhooks.message_sender import Message, MessageOutcome
from heksher.server.webhooks.outbox import NextMessage, Outbox

logger: logging.Logger = logging.getLogger(__name__)

T = TypeVar("T")

_SERVICE: Final = Origin("heksher", "the webhook could not be told of changes")


class MessageMetrics(Protocol):
    """Who is told of messages: see ``Metrics``."""

    def count_message(self, webhook: str, *, is_received: bool) -> None:
        """Count an attempt to send a message."""

    def count_given_up_webhook(self) -> None:
        """Count a webhook that is told nothing more."""


class MessageCarrier(Protocol):
    """Sends messages: see ``MessageSender``."""

    async def send(self, url: str, secret: str, message: Message) -> MessageOutcome:
        """Send a message, and return what became of it."""


class Worker(Protocol):
    """Runs functions on a thread, one after the other."""

    async def __call__(self, work: Callable[[], T]) -> T:
        """Run a function, and return what it returns."""


class Courier:
    """Tells webhooks, on one event loop.

    Args:
        storage: has the webhooks; what is written to it shows in this process at once.
        outbox: what is to be told.
        sender: sends messages.
        lease: this process's claim to be the one that does.
        metrics: is told of messages.
        work: runs what asks the storage.
        pace: waits until a message may be sent.
        is_ending: whether no further message is to be begun.
        now: returns the time, with a time zone.
    """

    def __init__(
        self,
        storage: Storage,
        outbox: Outbox,
        sender: MessageCarrier,
        lease: Lease,
        metrics: MessageMetrics,
        work: Worker,
        pace: Callable[[], Awaitable[None]],
        is_ending: Callable[[], bool],
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._storage = storage
        self._outbox = outbox
        self._sender = sender
        self._lease = lease
        self._metrics = metrics
        self._work = work
        self._pace = pace
        self._is_ending = is_ending
        self._now = now

    async def tell(self, name: str) -> None:
        """Tell a webhook of changes until there are no more, an attempt fails, or another process does it.

        Raises:
            StorageError: the database cannot be reached or written to; the last message is sent again, then.
        """
        step = await self._work(lambda: self._prepare(name))
        while step is not None and not self._is_ending():
            await self._pace()
            record = step.webhook.record
            outcome = await self._sender.send(record.url, record.secret, step.message)
            step = await self._work(partial(self._finish, step, outcome))

    def _prepare(self, name: str) -> NextMessage | None:
        """Return what is to be sent next; ``None`` if that is nothing, or this process is not to do it."""
        if not self._lease.take():
            return None
        while (step := self._outbox.find_next(name, self._lease.held_since_s)) is not None:
            # What was read before this process lost its claim may have been told by another one.
            if not self._lease.keep():
                return None
            if isinstance(step, NextMessage):
                return step
            self._outbox.put(step, retry.note_skip(step.webhook.delivery, step.told))
        return None

    def _finish(self, step: NextMessage, outcome: MessageOutcome) -> NextMessage | None:
        """Take down what became of a message; return what is to be sent next, at once."""
        delivery, name = step.webhook.delivery, step.webhook.record.name
        self._metrics.count_message(name, is_received=outcome.is_success)
        if not outcome.is_success:
            self._note_failure(step, outcome)
            return None
        if delivery.failures:
            logger.info("the webhook %r is told of changes again, after %d failures", name, delivery.failures)
        self._outbox.put(step, retry.note_success(delivery, step.told, self._now()))
        return self._prepare(name)

    def _note_failure(self, step: NextMessage, outcome: MessageOutcome) -> None:
        name, now = step.webhook.record.name, self._now()
        after = retry.note_failure(step.webhook.delivery, outcome, now)
        self._outbox.put(step, after)
        if name not in self._outbox.note():
            return
        logger.log(
            logging.WARNING if after.failures == 1 else logging.DEBUG,
            "the webhook %r was not told of revision %d, which is tried again: %s",
            name,
            step.told.number,
            outcome.problem,
        )
        if reason := retry.find_end(after, outcome, now):
            self._give_up(step.webhook.record, reason)

    def _give_up(self, record: WebhookRecord, reason: str) -> None:
        # One that was changed meanwhile is tried as it is now.
        with suppress(NotFoundError):
            written = webhooks.switch_off(self._storage, record.name, reason, _SERVICE, only=record)
            if written.is_change:
                logger.warning("the webhook %r is told nothing more until somebody enables it: %s", record.name, reason)
                self._metrics.count_given_up_webhook()
