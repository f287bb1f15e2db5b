"""What a webhook is to be told next, the message that it is told, and how little is read for it."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import pytest

from heksher.server.operations import rules, webhooks
from heksher.server.operations.declaration import declare
from heksher.server.operations.webhooks import SLACK, STANDARD
from heksher.server.storage.base import Origin, Storage
from heksher.server.storage.memory import MemoryStorage
from heksher.server.webhooks.message import make_test_message
from heksher.server.webhooks.outbox import NextMessage, NextSkip, Outbox
from tests.support.counting_storage import CountingStorage
from tests.support.operations import declaring
from tests.support.principals import ADMIN
from tests.support.restorable_storage import RestorableStorage
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
    return Outbox(storage, lambda: now).find_next(name, 0.0)


def follow(storage: Storage, name: str = "chat") -> list[tuple[int, Any]]:
    """Tell a webhook of everything; return the revisions and the bodies, ``None`` where nothing is told."""
    told = []
    while (step := find(storage, name)) is not None:
        told.append((step.told.number, json.loads(step.message.body) if isinstance(step, NextMessage) else None))
        delivery = step.webhook.delivery
        assert {name} == webhooks.note_deliveries(storage, [(delivery, replace(delivery, told=step.told))], step.told)
    return told


def test_each_revision_is_told_in_order(storage: Storage):
    """But those of which nobody may know who only reads; a message says who, when, why, and from what to what."""
    told = follow(storage)
    assert [3, 4, 5, 6, 7] == [revision for revision, _ in told]
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
        "text": "Bob &lt;bob@\u200bexample.com&gt; (not proved), revision 7: Black Friday &amp; more\n"
        "• rule 1 of cart.ttl (something_2 = x): value 120 → 240"
    } == told[-1][1]
    write_something(storage)
    assert [(8, None)] == follow(storage, "cart")
    assert [] == follow(storage, "cart")


def test_nobody_is_told_before_it_is_due(storage: Storage):
    """Nor while it is off, or when it is gone."""
    delivery = webhooks.get(storage, "chat").delivery
    later = replace(delivery, failures=1, next_attempt_at=NOON + timedelta(seconds=5))
    webhooks.note_deliveries(storage, [(delivery, later)], delivery.told)
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


class Play:
    """A process that tells webhooks, on a storage that counts what it reads, with a clock that stands still."""

    def __init__(self, storage: Storage) -> None:
        self.now_s = 1000.0
        self.storage = CountingStorage(storage)
        self.outbox = Outbox(self.storage, lambda: NOON, lambda: self.now_s)
        self.begun_s = 0.0

    def find(self, name: str = "chat") -> NextMessage | NextSkip | None:
        return self.outbox.find_next(name, self.begun_s)

    def tell(self, name: str = "chat") -> int:
        """Tell a webhook what is next; return the revision."""
        step = self.find(name)
        assert step is not None
        self.outbox.put(step, replace(step.webhook.delivery, told=step.told))
        return step.told.number


@pytest.fixture
def play(storage: Storage) -> Play:
    return Play(storage)


def test_the_log_is_read_once_for_all_webhooks(play: Play):
    """And which webhooks there are, once in a while: so it matters little how many there are."""
    for number in range(10):
        webhooks.create(play.storage, f"w{number}", "https://hooks.example/in", (), STANDARD, ADMIN)
    newest = [write_something(play.storage) for _ in range(20)]
    told = [[play.tell(f"w{number}") for _ in newest] for number in range(10)]
    assert [newest] * 10 == told
    assert {"webhooks": 1, "deliveries": 1, "log": 1} == {
        what: play.storage.count(what) for what in ("webhooks", "deliveries", "log")
    }
    assert None is play.find("w1")


def test_a_message_that_many_are_told_is_made_once(play: Play):
    """Also for those who are told of some settings alone, if it is the same."""
    webhooks.create(play.storage, "shop", "https://hooks.example/in", ("shop.",), STANDARD, ADMIN)
    rule_id = rules.add(play.storage, "shop.ttl", {"something_2": "x"}, 1, {}, ADMIN).result
    revision = rules.set_value(play.storage, rule_id, 2, ADMIN).revision
    while play.tell("chat") < revision - 1 or play.tell("shop") < revision - 1:
        pass
    first, second = play.find("chat"), play.find("shop")
    assert isinstance(first, NextMessage)
    assert isinstance(second, NextMessage)
    assert first.message is second.message


def test_what_was_told_is_known_before_it_is_noted(play: Play):
    """And when it is, what is stored is read anew."""
    assert [3, 4] == [play.tell(), play.tell()]
    assert {"chat"} == play.outbox.note()
    assert 4 == webhooks.get(play.storage, "chat").delivery.told.number
    assert [5, 6] == [play.tell(), play.tell()]
    assert 6 == play.outbox.look().webhooks["chat"].delivery.told.number


def test_a_webhook_is_told_as_it_is_now(play: Play):
    """After a tenth of a second: also that it is gone, or is told elsewhere; and no revision by what it was before."""
    play.tell()
    webhooks.change(play.storage, "chat", {"url": "https://other.example/in"}, ADMIN)
    newest = write_something(play.storage)
    while play.find() is not None:
        assert play.tell() < newest - 1
    play.now_s += 0.2
    step = play.find()
    assert step is not None
    assert ("https://other.example/in", newest) == (step.webhook.record.url, step.told.number)
    webhooks.delete(play.storage, "chat", ADMIN)
    play.now_s += 0.2
    assert None is play.find()


def test_what_was_read_while_others_told_webhooks_does_not_count(play: Play):
    """They may have told more since."""
    assert play.find() is not None
    delivery = webhooks.get(play.storage, "chat").delivery
    newest = play.storage.read(lambda reader: reader.revision_id())
    webhooks.note_deliveries(play.storage, [(delivery, replace(delivery, told=newest))], newest)
    assert play.find() is not None
    play.begun_s = play.now_s
    assert None is play.find()


def test_what_was_told_of_lost_changes_is_forgotten():
    """A standby that takes over lacks them, and has others of these numbers: all of those are told."""
    content = [MemoryStorage(stamp=map(f"{name}{{:011}}".format, count()).__next__) for name in "ab"]
    for storage in content:
        storage.open()
        webhooks.create(storage, "chat", "https://hooks.example/in", (), STANDARD, ADMIN)
        for _ in range(3):
            write_something(storage)
    place = RestorableStorage(content[0])
    play = Play(place)
    assert [2, 3] == [play.tell(), play.tell()]
    under_way = play.find()
    assert under_way is not None
    place.content = content[1]
    write_something(place)
    play.now_s += 0.2
    assert play.find() is not None
    play.outbox.put(under_way, replace(under_way.webhook.delivery, told=under_way.told))
    assert [2, 3, 4, 5] == [play.tell() for _ in range(4)]
    assert {"chat"} == play.outbox.note()
    assert 5 == webhooks.get(place, "chat").delivery.told.number


@pytest.mark.parametrize("format_", [STANDARD, SLACK])
def test_a_test_message_tells_of_nothing(storage: Storage, format_: str):
    """In the format of its webhook."""
    record = replace(webhooks.get(storage, "chat").record, format=format_)
    message = make_test_message(record)
    body = json.loads(message.body)
    text = "This is a test of the webhook 'chat' of heksher: it will be told of changes."
    assert text == (body["text"] if format_ == SLACK else body["data"]["text"])
    assert message.message_id != make_test_message(record).message_id
