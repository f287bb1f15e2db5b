"""Tests of what a webhook is to be told next, and of the message that it is told."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from heksher.server.operations import rules, webhooks
from heksher.server.operations.declaration import declare
from heksher.server.operations.webhooks import SLACK, STANDARD
from heksher.server.storage.base import Origin, Storage
from heksher.server.storage.memory import MemoryStorage
from heksher.server.webhooks.message import make_test_message
from heksher.server.webhooks.next_message import NextMessage, NextSkip, find_next
from tests.support.operations import declaring
from tests.support.principals import ADMIN
from tests.support.storages import write_something

NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)
BOB = Origin("Bob <bob@example.com>", "Black Friday & more")


@pytest.fixture
def storage() -> Storage:
    """One with a webhook at revision 1, and then a feature, two settings, a rule, and another value of it."""
    times = iter(NOON + timedelta(days=day) for day in range(99))
    storage = MemoryStorage(lambda: next(times))
    storage.open()
    webhooks.create(storage, "chat", "https://hooks.example/in", (), STANDARD, ADMIN)
    webhooks.create(storage, "cart", "https://hooks.example/in", ("cart.",), SLACK, ADMIN)
    write_something(storage)
    for name in ("shop.ttl", "cart.ttl"):
        declare(storage, declaring(name, features=("something_2",)), ADMIN)
    rule_id = rules.add(storage, "cart.ttl", {"something_2": "x"}, 120, {}, BOB).result
    rules.set_value(storage, rule_id, 240, BOB)
    return storage


def find(storage: Storage, name: str = "chat", now: datetime = NOON) -> NextMessage | NextSkip | None:
    return storage.read(lambda reader: find_next(reader, name, now, lambda stored: stored))


def follow(storage: Storage, name: str = "chat") -> list[tuple[int, Any]]:
    """Tell a webhook of everything; return the revisions and the bodies, ``None`` where nothing is told."""
    told = []
    while (step := find(storage, name)) is not None:
        told.append((step.told.revision, json.loads(step.message.body) if isinstance(step, NextMessage) else None))
        delivery = step.webhook.delivery
        assert {name} == webhooks.note_deliveries(storage, [(delivery, replace(delivery, told=step.told.revision_id))])
    return told


def test_each_revision_is_told_in_order(storage: Storage):
    """But those of which nobody may know who only reads; a message says who, when, why, and from what to what."""
    told = follow(storage)
    assert [(1, False), (2, False), (3, True), (4, True), (5, True), (6, True), (7, True)] == [
        (revision, body is not None) for revision, body in told
    ]
    body = told[-1][1]
    entry = storage.read(lambda reader: reader.log(6))[0]
    assert ("settings.changed", "2026-11-07T12:00:00.000+00:00") == (body["type"], body["timestamp"])
    assert {
        "revision": 7,
        "revision_id": str(entry.revision_id),
        "merged": [],
        "at": "2026-11-07T12:00:00.000+00:00",
        "actor": "Bob <bob@example.com>",
        "actor_kind": "nobody",
        "is_from_metadata": False,
        "reason": "Black Friday & more",
        "is_batch": False,
        "size": 1,
        "parts": [
            {
                "action": "set value",
                "kind": "rule",
                "key": "1",
                "setting": "cart.ttl",
                "feature_values": [["something_2", "x"]],
                "before": {"value": 120},
                "after": {"value": 240},
                "is_shortened": False,
            }
        ],
        "missed": None,
        "text": "Bob <bob@example.com> (not proved), revision 7: Black Friday & more\n"
        "• rule 1 of cart.ttl (something_2 = x): value 120 → 240",
    } == body["data"]


def test_a_message_is_the_same_each_time(storage: Storage):
    """Its id, too, which is that of the revision: so a receiver knows what it has received before."""
    first, second = find(storage, "chat"), find(storage, "chat")
    assert first == second
    follow(storage)
    write_something(storage)
    step = find(storage)
    assert isinstance(step, NextMessage)
    assert str(storage.read(lambda reader: reader.revision_id())) == step.message.message_id
    assert "." not in step.message.message_id


def test_a_webhook_with_prefixes_is_told_of_those_alone(storage: Storage):
    """What does not concern it is passed over; to Slack there is nothing but a text, without markup."""
    told = follow(storage, "cart")
    assert [5, 6, 7] == [revision for revision, _ in told]
    assert {
        "text": "Bob &lt;bob@example.com&gt; (not proved), revision 7: Black Friday &amp; more\n"
        "• rule 1 of cart.ttl (something_2 = x): value 120 → 240"
    } == told[-1][1]
    write_something(storage)
    assert [(8, None)] == follow(storage, "cart")
    assert [] == follow(storage, "cart")


def test_nobody_is_told_before_it_is_due(storage: Storage):
    """Nor while it is off, or when it is gone."""
    delivery = webhooks.get(storage, "chat").delivery
    later = replace(delivery, failures=1, next_attempt_at=NOON + timedelta(seconds=5))
    webhooks.note_deliveries(storage, [(delivery, later)])
    assert find(storage) is None
    assert find(storage, now=NOON + timedelta(seconds=5)) is not None
    webhooks.enable(storage, "chat", ADMIN)
    assert find(storage) is not None
    webhooks.switch_off(storage, "chat", "reason", ADMIN)
    assert find(storage) is None
    assert find(storage, "gone") is None


def test_what_was_removed_from_the_log_is_said_to_be_missed(storage: Storage):
    """Once, with the first message after it."""
    assert 4 == storage.prune(NOON + timedelta(days=4))
    (first, body), *others = follow(storage)
    assert (5, [1, 4]) == (first, body["data"]["missed"])
    line = "• what was changed from revision 1 to 4 is not in the log any more"
    assert line == body["data"]["text"].split("\n")[-1]
    assert [None, None] == [other["data"]["missed"] for _, other in others]


def test_conditions_of_a_deleted_rule_are_told(storage: Storage):
    """They are looked for in the log."""
    rules.delete(storage, 1, BOB)
    parts = [body["data"]["parts"][0] for _, body in follow(storage) if body is not None]
    of_rule = [part for part in parts if part["kind"] == "rule"]
    assert ["add", "set value", "delete"] == [part["action"] for part in of_rule]
    assert [[["something_2", "x"]]] * 3 == [part["feature_values"] for part in of_rule]


@pytest.mark.parametrize("format_", [STANDARD, SLACK])
def test_a_test_message_tells_of_nothing(storage: Storage, format_: str):
    """In the format of its webhook."""
    record = replace(webhooks.get(storage, "chat").record, format=format_)
    message = make_test_message(record)
    body = json.loads(message.body)
    text = "This is a test of the webhook 'chat' of heksher: it will be told of changes."
    assert text == (body["text"] if format_ == SLACK else body["data"]["text"])
    assert message.message_id != make_test_message(record).message_id
