"""Tests of the messages that are kept because many webhooks may be told the same."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from heksher.server.operations.webhooks import SLACK, STANDARD
from heksher.server.storage.base import LogEntry, LoggedChange
from heksher.server.storage.memory import MemoryStorage
from heksher.server.storage.webhook_records import WebhookRecord
from heksher.server.webhooks.made_messages import MadeMessages
from heksher.server.webhooks.message_sender import Message
from heksher.server.webhooks.told_changes import ToldChanges
from tests.support.catalogs import an_entry

WEBHOOK = WebhookRecord(
    "chat", "https://hooks.example", "whsec_", (), STANDARD, "ada", datetime(2026, 11, 1, tzinfo=UTC)
)


def set_value(value: object) -> LoggedChange:
    return LoggedChange("set value", "setting", "ttl", {"default_value": 0}, {"default_value": value})


class Maker:
    def __init__(self) -> None:
        self._storage = MemoryStorage()
        self._storage.open()
        self._made = MadeMessages()

    def make(self, entry: LogEntry, webhook: WebhookRecord = WEBHOOK, missed: tuple[int, int] | None = None) -> Message:
        told = ToldChanges(tuple(entry.changes), frozenset(), entry.size)
        return self._storage.read(lambda reader: self._made.make(reader, webhook, entry, told, missed))


@pytest.fixture
def maker() -> Maker:
    return Maker()


def test_what_is_the_same_is_made_once(maker: Maker) -> None:
    """Whatever the webhook is called, and of which settings alone it is told, as all are told of one change alike."""
    entry = an_entry(7, set_value(1))
    message = maker.make(entry)
    other = replace(WEBHOOK, name="other", url="https://other.example", prefixes=("t",))
    assert message is maker.make(entry, other)


def test_what_differs_is_made_anew(maker: Maker) -> None:
    """The format, what was missed, the entry, and of several changes those that a webhook is told of."""
    entry = an_entry(7, set_value(1))
    lost = replace(entry, stamp="another stamp")
    messages = [
        maker.make(entry),
        maker.make(entry, replace(WEBHOOK, format=SLACK)),
        maker.make(entry, missed=(2, 6)),
        maker.make(lost),
        maker.make(an_entry(8, set_value(2), set_value(3))),
        maker.make(an_entry(8, set_value(2), set_value(3)), replace(WEBHOOK, prefixes=("t",))),
    ]
    assert len(messages) == len({id(message) for message in messages})


def test_only_so_many_are_kept(maker: Maker) -> None:
    """And no long ones."""
    first = maker.make(an_entry(1, set_value(1)))
    assert first is maker.make(an_entry(1, set_value(1)))
    for revision in range(2, 258):
        maker.make(an_entry(revision, set_value(1)))
    assert first is not maker.make(an_entry(1, set_value(1)))
    long = an_entry(999, set_value("x" * 20_000))
    assert maker.make(long) is not maker.make(long)
