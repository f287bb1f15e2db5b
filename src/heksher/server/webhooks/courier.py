"""Tells one webhook of all that it is to be told now: one message after another, each until it is received."""

import logging
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Final, Protocol, TypeVar

from heksher.server.errors import NotFoundError
from heksher.server.operations import webhooks
from heksher.server.storage.base import Origin, Storage
from heksher.server.storage.webhook_records import DeliveryRecord
from heksher.server.webhooks import retry
from heksher.server.webhooks.lease import Lease
from heksher.server.webhooks.message_sender import MessageOutcome, MessageSender
from heksher.server.webhooks.next_message import NextMessage, find_next

logger: logging.Logger = logging.getLogger(__name__)

T = TypeVar("T")

_SERVICE: Final = Origin("heksher", "the webhook could not be told of changes")


class MessageMetrics(Protocol):
    """Who is told of messages: see ``Metrics``."""

    def count_message(self, webhook: str, *, is_received: bool) -> None:
        """Count an attempt to send a message."""

    def count_given_up_webhook(self) -> None:
        """Count a webhook that is told nothing more."""


class Worker(Protocol):
    """Runs functions on a thread, one after the other."""

    async def __call__(self, work: Callable[[], T]) -> T:
        """Run a function, and return what it returns."""


class Courier:
    """Tells webhooks, on one event loop.

    Args:
        storage: has the webhooks and the change log.
        switching_storage: the same; what is written to it shows in this process at once.
        sender: sends messages.
        lease: this process's claim to be the one that does.
        metrics: is told of messages.
        work: runs what asks the storage.
        is_ending: whether no further message is to be begun.
    """

    def __init__(
        self,
        storage: Storage,
        switching_storage: Storage,
        sender: MessageSender,
        lease: Lease,
        metrics: MessageMetrics,
        work: Worker,
        is_ending: Callable[[], bool],
    ) -> None:
        self._storage = storage
        self._switching_storage = switching_storage
        self._sender = sender
        self._lease = lease
        self._metrics = metrics
        self._work = work
        self._is_ending = is_ending

    async def tell(self, name: str) -> None:
        """Tell a webhook of changes until there are no more, an attempt fails, or another process does it.

        Raises:
            StorageError: the database cannot be reached or written to; the last message is sent again, then.
        """
        while not self._is_ending() and await self._work(self._lease.take):
            step = await self._work(lambda: self._storage.read(lambda reader: find_next(reader, name, _now())))
            if step is None or not await self._take(step):
                return

    async def _take(self, step: NextMessage) -> bool:
        """Take a step; return whether to go on at once."""
        before, told = step.webhook.delivery, step.told.revision_id
        if step.message is None:
            return await self._note(before, retry.note_skip(before, told))
        # What was read before this process lost its claim, and got it back, may have been told by another one.
        if not await self._work(self._lease.keep):
            return False
        record = step.webhook.record
        outcome = await self._sender.send(record.url, record.secret, step.message)
        self._metrics.count_message(record.name, is_received=outcome.is_success)
        if not outcome.is_success:
            await self._note_failure(step, outcome)
            return False
        if before.failures:
            logger.info("the webhook %r is told of changes again, after %d failures", record.name, before.failures)
        return await self._note(before, retry.note_success(before, told, _now()))

    async def _note_failure(self, step: NextMessage, outcome: MessageOutcome) -> None:
        name, now = step.webhook.record.name, _now()
        after = retry.note_failure(step.webhook.delivery, outcome, now)
        if not await self._note(step.webhook.delivery, after):
            return
        level = logging.WARNING if after.failures == 1 else logging.DEBUG
        logger.log(
            level,
            "the webhook %r was not told of revision %d, which is tried again: %s",
            name,
            step.told.revision,
            outcome.problem,
        )
        if reason := retry.find_end(after, outcome, now):
            await self._work(lambda: self._give_up(name, reason))

    def _give_up(self, name: str, reason: str) -> None:
        logger.warning("the webhook %r is told nothing more until somebody enables it: %s", name, reason)
        self._metrics.count_given_up_webhook()
        with suppress(NotFoundError):
            webhooks.switch_off(self._switching_storage, name, reason, _SERVICE)

    async def _note(self, before: DeliveryRecord, after: DeliveryRecord) -> bool:
        return await self._work(lambda: webhooks.note_delivery(self._storage, before, after))


def _now() -> datetime:
    return datetime.now(UTC)
