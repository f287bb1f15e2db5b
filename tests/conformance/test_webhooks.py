"""Webhooks on every storage: all revisions arrive, in order, whatever the receiver does and whichever process ends."""

import random
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from heksher.server.operations import rules, webhooks
from heksher.server.operations.declaration import declare
from heksher.server.operations.webhooks import STANDARD
from heksher.server.storage.base import NOBODY, Storage
from heksher.server.webhooks import lease
from tests.support.operations import declaring
from tests.support.principals import ADMIN
from tests.support.storages import Place, write_something
from tests.support.told_webhooks import Teller, shorten_times, telling
from tests.support.waiting import wait_until
from tests.support.webhook_receiver import (
    BREAK,
    ENDLESS_BODY,
    ENDLESS_HEAD,
    HANG,
    RESET,
    SLOW,
    Behaviour,
    Received,
    WebhookReceiver,
)

REVISIONS = 60
# However slow this machine may be.
DEADLINE_S = 120.0
# What a receiver does: half of it is not to receive a message.
BEHAVIOURS: list[Behaviour] = [200, 204, 200, SLOW, ENDLESS_BODY, 500, 503, 307, BREAK, RESET]


@pytest.fixture(autouse=True)
def short_times(monkeypatch: pytest.MonkeyPatch) -> None:
    shorten_times(monkeypatch)


@pytest.fixture
def receiver() -> Iterator[WebhookReceiver]:
    with WebhookReceiver() as receiver:
        yield receiver


class Processes:
    """Processes on one place, one of which ends now and then, and another one takes its place."""

    def __init__(self, place: Place, stack: ExitStack) -> None:
        self._place = place
        self._stack = stack
        self.tellers: list[Teller] = [self._start(), self._start()]

    def _start(self) -> Teller:
        storage = self._place.connect()
        storage.open()
        self._stack.callback(storage.close)
        return self._stack.enter_context(telling(storage, timeout_s=0.7))

    def look(self) -> None:
        for teller in self.tellers:
            teller.look()

    def replace(self, number: int, *, is_killed: bool) -> None:
        teller = self.tellers[number]
        if is_killed:
            teller.kill()
        else:
            teller.dispatcher.close()
        self.tellers[number] = self._start()


def make_rules(storage: Storage) -> tuple[int, int]:
    """Make a rule of ``shop.ttl`` and one of ``cart.ttl``."""
    feature = f"something_{write_something(storage) - 1}"
    for name in ("shop.ttl", "cart.ttl"):
        declare(storage, declaring(name, features=(feature,)), NOBODY)
    first, second = (rules.add(storage, name, {feature: "x"}, 0, {}, NOBODY) for name in ("shop.ttl", "cart.ttl"))
    return first.result, second.result


def list_values(received: list[Received]) -> list[int]:
    return [request.content["data"]["parts"][0]["after"]["value"] for request in received]


def list_revisions(received: list[Received]) -> list[int]:
    return [request.content["data"]["revision"] for request in received]


def test_all_revisions_arrive_in_order(place: Place, storage: Storage, receiver: WebhookReceiver) -> None:
    """At a receiver that fails, hangs, redirects and answers slowly, from two processes that end now and then."""
    chance = random.Random(place.__class__.__name__)  # noqa: S311 - spreads cases
    first, second = make_rules(storage)
    with WebhookReceiver() as of_cart, ExitStack() as stack:
        receiver.secret = webhooks.create(storage, "all", receiver.url, (), STANDARD, ADMIN).result
        of_cart.secret = webhooks.create(storage, "cart", of_cart.url, ("cart.",), STANDARD, ADMIN).result
        begin = storage.read(lambda reader: reader.revision())
        for each in (receiver, of_cart):
            each.behaviours = chance.choices(BEHAVIOURS, k=REVISIONS)
            for moment, behaviour in zip(chance.sample(range(REVISIONS), 5), [HANG] * 4 + [ENDLESS_HEAD], strict=True):
                each.behaviours[moment] = behaviour
        processes = Processes(place, stack)
        for number in range(1, REVISIONS + 1):
            rules.set_value(storage, (first, second)[number % 2], number, NOBODY)
            if number % 3 == 0:
                processes.look()
            if number % 15 == 0:
                # While it tells of something, likely.
                wait_until(lambda: receiver.behaviours and receiver.behaviours[0] in {HANG, SLOW}, 0.5)
                processes.replace(chance.randrange(2), is_killed=chance.random() < 0.7)
        newest = begin + REVISIONS

        def is_done() -> bool:
            processes.look()
            deliveries = storage.read(lambda reader: reader.deliveries())
            return all(delivery.told.number == newest for delivery in deliveries)

        assert wait_until(is_done, DEADLINE_S, 0.05)
    accepted = [request for request in receiver.requests if request.is_accepted]
    revisions = list_revisions(accepted)
    # What was not noted when a process was killed comes twice.
    assert list(range(begin + 1, newest + 1)) == list(dict.fromkeys(revisions))
    assert list(range(1, REVISIONS + 1)) == list_values(receiver.list_accepted())
    assert list(range(1, REVISIONS + 1, 2)) == list_values(of_cart.list_accepted())
    assert [] == receiver.forged + of_cart.forged


def test_one_process_tells_at_a_time(
    place: Place, storage: Storage, receiver: WebhookReceiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many there are: each message is sent once where nothing fails."""
    # However slow this machine may be.
    monkeypatch.setattr(lease, "LEASE_S", 3600)
    receiver.secret = webhooks.create(storage, "chat", receiver.url, (), STANDARD, ADMIN).result
    with ExitStack() as stack:
        processes = Processes(place, stack)
        for _ in range(20):
            newest = write_something(storage)
            processes.look()
        assert wait_until(lambda: storage.read(lambda reader: reader.deliveries()[0].told.number) == newest, DEADLINE_S)
    assert list(range(2, newest + 1)) == list_revisions(receiver.requests)
