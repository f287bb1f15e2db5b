"""The thread that has webhooks told of changes, by this process or another one."""

import asyncio
import logging
import secrets
import threading
import time
from collections.abc import Callable, Coroutine, Iterable
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final, Protocol

from heksher.revision_id import RevisionId
from heksher.server.catalog.catalog import Catalog
from heksher.server.storage.base import Storage
from heksher.server.storage.storage_errors import StorageError
from heksher.server.webhooks.courier import Courier, MessageMetrics
from heksher.server.webhooks.daemon_call import DaemonQueue
from heksher.server.webhooks.lease import Lease
from heksher.server.webhooks.message_sender import MessageSender
from heksher.server.webhooks.outbox import Outbox, View, is_due
from heksher.server.webhooks.pace import Pace

logger: logging.Logger = logging.getLogger(__name__)

TASK: Final = "webhooks"

# How often to look whether anything has become due, or is told by nobody any more, in seconds.
_TICK_S: Final = 1.0
# Writes that follow each other more closely are seen by one look.
_LEAST_SPAN_S: Final = 0.1
# The longest time between two looks where there are webhooks: another process may note how far they were told.
_LONGEST_SPAN_S: Final = 30.0
# How long messages that are on their way may take when the process ends, and how long closing waits for all.
_ENDING_S: Final = 1.0
_CLOSE_TIMEOUT_S: Final = 2.0


class WebhookMetrics(MessageMetrics, Protocol):
    """Who is told of webhooks: see ``Metrics``."""

    def set_webhooks(self, on: int, failing: int) -> None:
        """Record how many webhooks are on, and how many of these fail."""


class WebhookDispatcher:
    """Has webhooks told of changes, by this process or another one.

    Args:
        storage: has the webhooks and the change log.
        switching_storage: the same; what is written to it shows in this process at once.
        catalog: knows when something has changed.
        sender: sends messages.
        metrics: is told of webhooks and messages.
    """

    def __init__(
        self,
        storage: Storage,
        switching_storage: Storage,
        catalog: Catalog,
        sender: MessageSender,
        metrics: WebhookMetrics,
    ) -> None:
        self._catalog = catalog
        self._metrics = metrics
        self._is_ending = threading.Event()
        self._lease = Lease(storage, TASK, secrets.token_hex(8))
        # Does all that asks the storage: the lease is of one thread, and messages take longer anyway.
        self._work = DaemonQueue()
        self._outbox = Outbox(storage)
        self._courier = Courier(
            switching_storage, self._outbox, sender, self._lease, metrics, self._work, Pace(), self._is_ending.is_set
        )
        # By the name of the webhook.
        self._tellings: dict[str, asyncio.Task[None]] = {}
        # The newest revision at the last look, and when to look again in any case, by ``time.monotonic``.
        self._seen: RevisionId | None = None
        self._next_look_s = 0.0
        # The last faults that were logged, as long as they persist, by the webhook, or empty for none in particular.
        self._faults: dict[str, str] = {}
        # Of the thread; None before it has begun.
        self._wake: Callable[[], object] | None = None
        self._thread = threading.Thread(target=self._run, name="heksher-webhooks", daemon=True)
        catalog.subscribe(lambda *_: self._look_soon())

    def start(self) -> None:
        """Start the thread."""
        self._work.start()
        self._thread.start()

    def close(self) -> None:
        """Stop the thread; messages that are on their way are waited for, for a moment."""
        self._is_ending.set()
        self._look_soon()
        if self._thread.is_alive():
            self._thread.join(_CLOSE_TIMEOUT_S)

    def _look_soon(self) -> None:
        wake = self._wake
        if wake is not None:
            # The loop may have ended.
            with suppress(RuntimeError):
                wake()

    def _run(self) -> None:
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        woken = asyncio.Event()
        loop = asyncio.get_running_loop()

        def wake() -> None:
            # Of a thousand writes in a second, ten need to wake the loop: it looks no more often.
            if not woken.is_set():
                loop.call_soon_threadsafe(woken.set)

        self._wake = wake
        while not self._is_ending.is_set():
            await self._guard("", self._look())
            await asyncio.sleep(_LEAST_SPAN_S)
            with suppress(TimeoutError):
                await asyncio.wait_for(woken.wait(), _LEAST_SPAN_S if self._lease.is_held else _TICK_S)
            woken.clear()
        await self._end()

    async def _look(self) -> None:
        """Have webhooks told that are to be told of something, if this process may."""
        if self._tellings:
            await self._work(self._outbox.note)
        state = self._catalog.state
        if state is None or not self._has_to_look(state.picture.revision_id):
            return
        view = await self._work(self._outbox.look)
        self._seen = state.picture.revision_id
        now = datetime.now(UTC)
        due = [name for name, webhook in view.webhooks.items() if is_due(webhook, view.newest, now)]
        self._next_look_s = time.monotonic() + (_TICK_S if due else _find_span_s(view, now))
        self._report(view)
        if due:
            await self._begin(due)
        elif not self._tellings:
            await self._work(self._settle)

    def _has_to_look(self, newest: RevisionId) -> bool:
        is_idle = self._lease.is_held and not self._tellings
        return newest != self._seen or is_idle or time.monotonic() >= self._next_look_s

    async def _begin(self, names: Iterable[str]) -> None:
        if not await self._work(self._lease.take):
            return
        for name in names:
            if name not in self._tellings:
                telling = asyncio.create_task(self._guard(name, self._courier.tell(name)))
                self._tellings[name] = telling
                telling.add_done_callback(partial(self._forget, name))

    def _forget(self, name: str, _: object) -> None:
        del self._tellings[name]

    async def _guard(self, source: str, work: Coroutine[Any, Any, None]) -> None:
        """Await some work of a source of faults, whatever it raises: it is tried again."""
        try:
            await work
        except StorageError as error:
            # Whoever follows the database tells of it.
            logger.debug("webhooks are not told of changes for the moment: %s", error)
            self._next_look_s = 0.0
        # Any error at all: if the thread ended, webhooks would be told nothing more.
        except Exception as error:
            self._next_look_s = 0.0
            # Repeating the same error would bury everything else in the log.
            if repr(error) != self._faults.get(source):
                logger.exception("telling webhooks of changes failed; it is tried again")
            self._faults[source] = repr(error)
        else:
            self._faults.pop(source, None)

    async def _end(self) -> None:
        tellings = list(self._tellings.values())
        if tellings:
            _, unfinished = await asyncio.wait(tellings, timeout=_ENDING_S)
            for telling in unfinished:
                telling.cancel()
        with suppress(StorageError):
            await self._work(self._settle)
        self._work.close()

    def _settle(self) -> None:
        """Let others do it, who have to know how far it is done."""
        self._outbox.note()
        self._lease.release()

    def _report(self, view: View) -> None:
        on = [webhook for webhook in view.webhooks.values() if webhook.record.off_reason is None]
        self._metrics.set_webhooks(len(on), sum(webhook.delivery.failures > 0 for webhook in on))


def _find_span_s(view: View, now: datetime) -> float:
    """Return in how many seconds to look again, where nothing is to be told at once."""
    waiting = [
        (webhook.delivery.next_attempt_at - now).total_seconds()
        for webhook in view.webhooks.values()
        if webhook.delivery.next_attempt_at is not None and webhook.delivery.told.number < view.newest
    ]
    return min([*waiting, _LONGEST_SPAN_S]) if view.webhooks else float("inf")
