"""Tests of the thread that has webhooks told of changes; ``tests/conformance/test_webhooks.py`` has further ones."""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest

from heksher.server.operations import webhooks
from heksher.server.operations.webhooks import STANDARD, Webhook
from heksher.server.storage.base import LogEntry, Storage
from heksher.server.storage.memory import MemoryStorage
from heksher.server.webhooks import courier, dispatcher, lease, retry
from heksher.server.webhooks.dispatcher import TASK
from heksher.server.webhooks.outbox import Outbox
from tests.support.principals import ADMIN
from tests.support.storages import write_something
from tests.support.told_webhooks import Teller, shorten_times, telling
from tests.support.waiting import wait_until
from tests.support.webhook_receiver import BREAK, HANG, SLOW, WebhookReceiver


@pytest.fixture(autouse=True)
def short_times(monkeypatch: pytest.MonkeyPatch) -> None:
    shorten_times(monkeypatch)


@pytest.fixture
def storage() -> Storage:
    storage = MemoryStorage()
    storage.open()
    return storage


@pytest.fixture
def receiver() -> Iterator[WebhookReceiver]:
    with WebhookReceiver() as receiver:
        yield receiver


@pytest.fixture
def teller(storage: Storage) -> Iterator[Teller]:
    with telling(storage) as teller:
        yield teller


def create(storage: Storage, receiver: WebhookReceiver, name: str = "chat") -> None:
    receiver.secret = webhooks.create(storage, name, receiver.url, (), STANDARD, ADMIN).result


def change(storage: Storage, *tellers: Teller, count: int = 1) -> int:
    """Change something, and have it noticed; return the last revision."""
    for _ in range(count):
        write_something(storage)
    for each in tellers:
        each.look()
    return storage.read(lambda reader: reader.revision())


def find(storage: Storage, name: str = "chat") -> Webhook:
    return webhooks.get(storage, name)


def has_told(storage: Storage, revision: int, name: str = "chat") -> Callable[[], bool]:
    return lambda: find(storage, name).delivery.told.number == revision


def read_log(storage: Storage) -> list[LogEntry]:
    return storage.read(lambda reader: reader.log())


def list_received(receiver: WebhookReceiver) -> list[int]:
    return [request.content["data"]["revision"] for request in receiver.list_accepted()]


def test_a_webhook_is_told_of_what_changes(storage: Storage, receiver: WebhookReceiver, teller: Teller):
    """Of each revision, soon after it was made."""
    create(storage, receiver)
    revision = change(storage, teller, count=3)
    assert wait_until(has_told(storage, revision))
    assert ([2, 3, 4], []) == (list_received(receiver), receiver.forged)
    revision = change(storage, teller)
    assert wait_until(has_told(storage, revision))
    assert ([2, 3, 4, 5], [("chat", True)] * 4) == (list_received(receiver), teller.metrics.messages)


def test_what_was_changed_before_the_start_is_told(storage: Storage, receiver: WebhookReceiver):
    """So a restart loses nothing, and what was told before it is not told again."""
    create(storage, receiver)
    for _ in range(2):
        revision = change(storage)
        with telling(storage):
            assert wait_until(has_told(storage, revision))
    assert [2, 3] == [request.content["data"]["revision"] for request in receiver.requests]


def test_nobody_writes_where_there_is_nothing_to_tell(storage: Storage, receiver: WebhookReceiver, teller: Teller):
    """Neither without webhooks nor when all are told: then no process says that it does anything."""
    change(storage, teller)
    time.sleep(0.2)
    assert (0, "") == read_turn(storage)
    reads = teller.storage.reads
    time.sleep(0.2)
    assert reads == teller.storage.reads
    create(storage, receiver)
    revision = change(storage, teller)
    assert wait_until(has_told(storage, revision))
    assert wait_until(lambda: read_turn(storage)[1] == "")
    turn = read_turn(storage)
    time.sleep(0.2)
    assert turn == read_turn(storage)


def read_turn(storage: Storage) -> tuple[int, str]:
    found = storage.read(lambda reader: reader.find_lease(TASK))
    return found.turn, found.holder


def test_a_message_is_sent_again_until_it_is_received(
    storage: Storage, receiver: WebhookReceiver, teller: Teller, caplog: pytest.LogCaptureFixture
):
    """Then the next one follows; the log says when that begins and when it ends."""
    caplog.set_level(logging.INFO, "heksher")
    create(storage, receiver)
    revision = change(storage, teller)
    assert wait_until(has_told(storage, revision))
    receiver.behaviours = [500, HANG, 302, BREAK, SLOW]
    revision = change(storage, teller, count=2)
    assert wait_until(has_told(storage, revision))
    revisions = [request.content["data"]["revision"] for request in receiver.requests]
    assert [2, *[3] * 5, 4] == revisions
    assert 1 == len({request.message_id for request in receiver.requests[1:6]})
    assert (0, None, "") == (
        find(storage).delivery.failures,
        find(storage).delivery.failing_since,
        find(storage).delivery.problem,
    )
    warnings = [record.getMessage() for record in caplog.records if record.name == courier.__name__]
    assert [
        "the webhook 'chat' was not told of revision 3, which is tried again: it answered 500",
        "the webhook 'chat' is told of changes again, after 4 failures",
    ] == warnings


def test_one_that_fails_for_too_long_is_told_nothing_more(
    storage: Storage,
    receiver: WebhookReceiver,
    teller: Teller,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
):
    """The change log says so, and the log, and the metrics; when it is enabled, it is told what it has missed."""
    create(storage, receiver)
    revision = change(storage, teller)
    assert wait_until(has_told(storage, revision))
    monkeypatch.setattr(retry, "PATIENCE", timedelta(seconds=0.1))
    receiver.behaviours = [500] * 1000
    change(storage, teller)
    assert wait_until(lambda: find(storage).record.off_reason is not None)
    reason = find(storage).record.off_reason
    assert reason is not None
    assert reason.startswith("it has failed ")
    assert reason.endswith(" UTC, at last because it answered 500")
    entry = read_log(storage)[-1]
    assert ("heksher", "disable", "webhook", "chat", {"off_reason": reason}) == (
        entry.origin.actor,
        entry.change.action,
        entry.change.kind,
        entry.change.key,
        entry.change.after,
    )
    assert 1 == teller.metrics.given_up
    assert f"the webhook 'chat' is told nothing more until somebody enables it: {reason}" in caplog.text
    teller.look()
    assert wait_until(lambda: teller.metrics.webhooks == (0, 0))
    sent = len(receiver.requests)
    change(storage, teller)
    time.sleep(0.2)
    assert sent == len(receiver.requests)
    receiver.behaviours = []
    webhooks.enable(storage, "chat", ADMIN)
    teller.look()
    assert wait_until(has_told(storage, read_log(storage)[-1].revision))
    assert [2, 3, 5] == list_received(receiver)


def test_one_that_wants_no_messages_gets_none(storage: Storage, receiver: WebhookReceiver, teller: Teller):
    """At once."""
    create(storage, receiver)
    receiver.behaviours = [410]
    change(storage, teller, count=2)
    assert wait_until(lambda: find(storage).record.off_reason is not None)
    assert ("it answered 410: it wants no messages any more", 1) == (
        find(storage).record.off_reason,
        len(receiver.requests),
    )


def test_one_that_fails_holds_up_no_other(storage: Storage, receiver: WebhookReceiver, teller: Teller):
    """Each is told at its own pace."""
    with WebhookReceiver() as other:
        create(storage, receiver, "a")
        create(storage, other, "b")
        other.behaviours = [HANG] * 1000
        revision = change(storage, teller, count=5)
        assert wait_until(has_told(storage, revision, "a"))
        assert find(storage, "b").delivery.told.number < revision
        assert wait_until(lambda: teller.metrics.webhooks == (2, 1))


def test_it_goes_on_when_the_database_is_back(storage: Storage, receiver: WebhookReceiver, teller: Teller):
    """What was received and could not be noted is noted then, and not sent again."""
    create(storage, receiver)
    receiver.behaviours = [SLOW]
    revision = change(storage, teller)
    assert wait_until(lambda: receiver.requests)
    teller.storage.is_away = True
    time.sleep(0.4)
    assert revision != find(storage).delivery.told.number
    teller.storage.is_away = False
    teller.look()
    assert wait_until(has_told(storage, revision))
    assert [revision] == [request.content["data"]["revision"] for request in receiver.requests]


def test_a_webhook_can_be_removed_while_it_is_told(storage: Storage, receiver: WebhookReceiver, teller: Teller):
    """Nothing comes of what is noted of it then; the others go on."""
    create(storage, receiver, "a")
    receiver.behaviours = [SLOW]
    change(storage, teller)
    assert wait_until(lambda: receiver.requests)
    webhooks.delete(storage, "a", ADMIN)
    create(storage, receiver, "b")
    revision = change(storage, teller)
    assert wait_until(has_told(storage, revision, "b"))


def test_one_that_is_removed_while_it_is_given_up_is_gone(
    storage: Storage, receiver: WebhookReceiver, teller: Teller, monkeypatch: pytest.MonkeyPatch
):
    """That is no fault."""
    switch_off = webhooks.switch_off
    given_up = threading.Event()

    def remove_first(*arguments: Any, **options: Any) -> object:
        webhooks.delete(storage, "chat", ADMIN)
        given_up.set()
        return switch_off(*arguments, **options)

    monkeypatch.setattr(courier.webhooks, "switch_off", remove_first)
    create(storage, receiver)
    receiver.behaviours = [410]
    change(storage, teller)
    assert given_up.wait(60)
    create(storage, receiver)
    revision = change(storage, teller)
    assert wait_until(has_told(storage, revision))


def test_an_unexpected_error_ends_nothing(
    storage: Storage,
    receiver: WebhookReceiver,
    teller: Teller,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
):
    """It is in the log once, however often it comes."""
    tried = threading.Semaphore(0)

    def fail(*_: object) -> None:
        tried.release()
        raise KeyError("unheard of")

    monkeypatch.setattr(Outbox, "find_next", fail)
    create(storage, receiver)
    revision = change(storage, teller)
    for _ in range(3):
        assert tried.acquire(timeout=60)
    monkeypatch.undo()
    shorten_times(monkeypatch)
    assert wait_until(has_told(storage, revision))
    assert 1 == caplog.text.count("telling webhooks of changes failed; it is tried again")


def test_what_is_on_its_way_is_waited_for(storage: Storage, receiver: WebhookReceiver):
    """For a moment; so a restart sends little twice, and another process need not wait."""
    create(storage, receiver)
    receiver.behaviours = [SLOW]
    with telling(storage) as teller:
        revision = change(storage, teller)
        assert wait_until(lambda: receiver.requests)
    assert (revision, "") == (find(storage).delivery.told.number, read_turn(storage)[1])


def test_what_hangs_is_not_waited_for(storage: Storage, receiver: WebhookReceiver, monkeypatch: pytest.MonkeyPatch):
    """It is sent again by whoever goes on."""
    monkeypatch.setattr(dispatcher, "_ENDING_S", 0.1)
    create(storage, receiver)
    receiver.behaviours = [HANG]
    with telling(storage, timeout_s=60) as teller:
        revision = change(storage, teller)
        assert wait_until(lambda: receiver.requests)
        began_s = time.monotonic()
    assert time.monotonic() - began_s < 5
    assert (revision, "") != (find(storage).delivery.told.number, "")
    assert wait_until(lambda: read_turn(storage)[1] == "")


def test_a_thread_that_has_not_begun_can_be_closed(storage: Storage):
    """As where a start fails."""
    Teller(storage).dispatcher.close()


@pytest.mark.parametrize("is_away", [False, True])
def test_another_process_goes_on(
    storage: Storage, receiver: WebhookReceiver, monkeypatch: pytest.MonkeyPatch, is_away: bool
):
    """At once if the first one has said that it ends, else when it has not been heard of for long enough."""
    if not is_away:
        monkeypatch.setattr(lease, "LEASE_S", 3600)
    create(storage, receiver)
    receiver.behaviours = [HANG]
    with telling(storage, timeout_s=60) as first, telling(storage) as second:
        revision = change(storage, first)
        assert wait_until(lambda: receiver.requests)
        second.look()
        if is_away:
            first.kill()
        else:
            first.dispatcher.close()
        assert wait_until(has_told(storage, revision))
    assert ([], [("chat", True)]) == (first.metrics.messages, second.metrics.messages[-1:])
