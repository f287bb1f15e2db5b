"""Tells one webhook of all that it is to be told now: one message after another, each until it is received."""

import logging
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from typing import Final, Protocol, TypeVar

from heksher.server.errors import NotFoundError
from heksher.server.operations import webhooks
from heksher.server.storage.base import Origin, Storage
from heksher.server.webhooks import retry
from heksher.server.webhooks.lease import Lease
from heksher.server.webhooks.message_sender import MessageOutcome, MessageSender
from heksher.server.webhooks.next_message import NextMessage, NextSkip, find_next
from heksher.server.webhooks.progress import Progress

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
        progress: how far webhooks were told.
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
        progress: Progress,
        metrics: MessageMetrics,
        work: Worker,
        is_ending: Callable[[], bool],
    ) -> None:
        self._storage = storage
        self._switching_storage = switching_storage
        self._sender = sender
        self._lease = lease
        self._progress = progress
        self._metrics = metrics
        self._work = work
        self._is_ending = is_ending

    async def tell(self, name: str) -> None:
        """Tell a webhook of changes until there are no more, an attempt fails, or another process does it.

        Raises:
            StorageError: the database cannot be reached or written to; the last message is sent again, then.
        """
        step = await self._work(lambda: self._prepare(name))
        while step is not None and not self._is_ending():
            record = step.webhook.record
            outcome = await self._sender.send(record.url, record.secret, step.message)
            step = await self._work(partial(self._finish, step, outcome))

    def _prepare(self, name: str) -> NextMessage | None:
        """Return what is to be sent next; ``None`` if that is nothing, or this process is not to do it."""
        if not self._lease.take():
            return None
        while (step := self._find_next(name)) is not None:
            # What was read before this process lost its claim may have been told by another one.
            if not self._lease.keep():
                return None
            if isinstance(step, NextMessage):
                return step
            delivery = step.webhook.delivery
            self._progress.put(delivery, retry.note_skip(delivery, step.told.revision_id))
        return None

    def _find_next(self, name: str) -> NextMessage | NextSkip | None:
        return self._storage.read(lambda reader: find_next(reader, name, _now(), self._progress.find))

    def _finish(self, step: NextMessage, outcome: MessageOutcome) -> NextMessage | None:
        """Take down what became of a message; return what is to be sent next, at once."""
        delivery, name = step.webhook.delivery, step.webhook.record.name
        self._metrics.count_message(name, is_received=outcome.is_success)
        if not outcome.is_success:
            self._note_failure(step, outcome)
            return None
        if delivery.failures:
            logger.info("the webhook %r is told of changes again, after %d failures", name, delivery.failures)
        self._progress.put(delivery, retry.note_success(delivery, step.told.revision_id, _now()))
        return self._prepare(name)

    def _note_failure(self, step: NextMessage, outcome: MessageOutcome) -> None:
        name, now = step.webhook.record.name, _now()
        after = retry.note_failure(step.webhook.delivery, outcome, now)
        self._progress.put(step.webhook.delivery, after)
        if name not in self._progress.note():
            return
        logger.log(
            logging.WARNING if after.failures == 1 else logging.DEBUG,
            "the webhook %r was not told of revision %d, which is tried again: %s",
            name,
            step.told.revision,
            outcome.problem,
        )
        if reason := retry.find_end(after, outcome, now):
            self._give_up(name, reason)

    def _give_up(self, name: str, reason: str) -> None:
        logger.warning("the webhook %r is told nothing more until somebody enables it: %s", name, reason)
        self._metrics.count_given_up_webhook()
        with suppress(NotFoundError):
            webhooks.switch_off(self._switching_storage, name, reason, _SERVICE)


def _now() -> datetime:
    return datetime.now(UTC)
