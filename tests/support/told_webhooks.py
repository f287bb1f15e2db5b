"""Processes of a service that tell webhooks of changes, as far as tests need of them, and with short times."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from heksher.server.catalog.catalog import Catalog
from heksher.server.storage.base import Storage
from heksher.server.webhooks import dispatcher, lease, retry
from heksher.server.webhooks.address_rule import AddressRule
from heksher.server.webhooks.dispatcher import WebhookDispatcher
from heksher.server.webhooks.message_sender import MessageSender
from tests.support.catalogs import FragileStorage

# What a message may take, in seconds.
TIMEOUT_S = 2.0


def shorten_times(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have attempts follow each other closely, and others take over soon."""
    monkeypatch.setattr(retry, "FIRST_S", 0.01)
    monkeypatch.setattr(retry, "LONGEST_S", 0.05)
    monkeypatch.setattr(lease, "LEASE_S", 3.0)
    monkeypatch.setattr(lease, "RENEWAL_S", 0.3)
    monkeypatch.setattr(dispatcher, "_TICK_S", 0.02)
    monkeypatch.setattr(dispatcher, "_LEAST_SPAN_S", 0.001)


class CountingMetrics:
    """What a process tells of its webhooks.

    Attributes:
        messages: for each attempt the name of the webhook, and whether it was received.
        given_up: how many webhooks were given up.
        webhooks: how many are on, and how many of these fail; ``None`` before it was told.
    """

    def __init__(self) -> None:
        self.messages: list[tuple[str, bool]] = []
        self.given_up = 0
        self.webhooks: tuple[int, int] | None = None

    def count_message(self, webhook: str, *, is_received: bool) -> None:
        self.messages.append((webhook, is_received))

    def count_given_up_webhook(self) -> None:
        self.given_up += 1

    def set_webhooks(self, on: int, failing: int) -> None:
        self.webhooks = on, failing


class Teller:
    """A process that tells webhooks of changes, on an open storage. It may be one of several on one place.

    Attributes:
        storage: what it knows of the storage, which may go away for it.
        metrics: what it tells.
    """

    def __init__(self, storage: Storage, timeout_s: float = TIMEOUT_S) -> None:
        self.storage = FragileStorage(storage)
        self.metrics = CountingMetrics()
        self.catalog = Catalog(self.storage, 2**20)
        self.catalog.load()
        sender = MessageSender(AddressRule(["127.0.0.1"]), timeout_s)
        self.dispatcher = WebhookDispatcher(self.storage, self.storage, self.catalog, sender, self.metrics)

    def look(self) -> None:
        """Have it notice what was written, as it does each second, or at once where the database tells of it."""
        if not self.storage.is_away:
            self.catalog.refresh()

    def kill(self) -> None:
        """Have it end as a process does that is killed: it stores nothing more, and says nothing to others."""
        self.storage.is_away = True
        self.dispatcher.close()


@contextmanager
def telling(storage: Storage, timeout_s: float = TIMEOUT_S) -> Iterator[Teller]:
    """Have a process tell webhooks of changes, until the end."""
    teller = Teller(storage, timeout_s)
    teller.dispatcher.start()
    try:
        yield teller
    finally:
        teller.dispatcher.close()
