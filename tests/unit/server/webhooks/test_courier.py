"""Tests of telling one webhook: what becomes of an answer, and of what happens while a message is under way.

With a sender that does what a test says, and a clock that shows what it says.
"""

from collections.abc import Callable, Coroutine
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any, TypeVar

import pytest

from heksher.server.operations import webhooks
from heksher.server.operations.webhooks import STANDARD
from heksher.server.storage.memory import MemoryStorage
from heksher.server.storage.storage_errors import StorageUnavailableError
from heksher.server.storage.webhook_records import DeliveryRecord, LeaseRecord
from heksher.server.webhooks import retry
from heksher.server.webhooks.courier import Courier
from heksher.server.webhooks.lease import LEASE_S, RENEWAL_S, Lease
from heksher.server.webhooks.message_sender import Message, MessageOutcome
from heksher.server.webhooks.outbox import Outbox
from tests.support.catalogs import FragileStorage
from tests.support.principals import ADMIN
from tests.support.storages import write_something
from tests.support.told_webhooks import CountingMetrics

T = TypeVar("T")

URL = "https://hooks.example/in"
RECEIVED = MessageOutcome(200, "")
FAILED = MessageOutcome(500, "it answered 500")
REFUSED = MessageOutcome(410, "it answered 410")
NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)

# What happens while a message is under way, and how it ends.
Act = Callable[[], MessageOutcome]


class Play:
    """Processes on one storage, on which is a webhook, and changes that it is to be told of: revisions 2, 3 and 4.

    Attributes:
        acts: what happens with the next messages; then they are received.
        sent: the URL and the revision of each message.
    """

    def __init__(self) -> None:
        self.now_s = 1000.0
        self.storage = FragileStorage(MemoryStorage())
        self.storage.open()
        webhooks.create(self.storage, "chat", URL, (), STANDARD, ADMIN)
        for _ in range(3):
            write_something(self.storage)
        self.acts: list[Act] = []
        self.sent: list[tuple[str, int]] = []
        self.is_ending = False
        self.metrics = CountingMetrics()
        self.first, self.second = self.make("first"), self.make("second")

    def make(self, holder: str) -> "Process":
        return Process(self, holder)

    async def send(self, url: str, _: str, message: Message) -> MessageOutcome:
        self.sent.append((url, int(message.message_id.partition("-")[0])))
        return self.acts.pop(0)() if self.acts else RECEIVED

    def now(self) -> datetime:
        return NOON + timedelta(seconds=self.now_s - 1000)

    @property
    def revisions(self) -> list[int]:
        return [revision for _, revision in self.sent]

    @property
    def delivery(self) -> DeliveryRecord:
        return webhooks.get(self.storage, "chat").delivery

    @property
    def off_reason(self) -> str | None:
        return webhooks.get(self.storage, "chat").record.off_reason


class Process:
    """A process that tells the webhook."""

    def __init__(self, play: Play, holder: str) -> None:
        self.lease = Lease(play.storage, "webhooks", holder, lambda: play.now_s)
        self.outbox = Outbox(play.storage, play.now, lambda: play.now_s)
        self._courier = Courier(
            play.storage, self.outbox, play, self.lease, play.metrics, run, never_wait, lambda: play.is_ending, play.now
        )

    def tell(self, name: str = "chat") -> None:
        """Tell the webhook all that it is to be told now, and note how far that was."""
        finish(self._courier.tell(name))
        self.outbox.note()


async def run(work: Callable[[], T]) -> T:
    return work()


async def never_wait() -> None:
    pass


def finish(work: Coroutine[Any, Any, None]) -> None:
    """Run what never waits; another process may do the same meanwhile."""
    with pytest.raises(StopIteration):
        work.send(None)


@pytest.fixture
def play() -> Play:
    return Play()


def test_a_webhook_is_told_all_there_is(play: Play) -> None:
    """One message after the other; then nothing."""
    play.first.tell()
    play.first.tell()
    assert ([2, 3, 4], 4, [("chat", True)] * 3) == (play.revisions, play.delivery.told.number, play.metrics.messages)


def test_what_follows_waits_for_what_failed(play: Play) -> None:
    """And nothing is sent before it is time for another attempt."""
    play.acts = [lambda: RECEIVED, lambda: FAILED]
    play.first.tell()
    delivery = play.delivery
    assert ([2, 3], 2, 1, "it answered 500") == (
        play.revisions,
        delivery.told.number,
        delivery.failures,
        delivery.problem,
    )
    play.now_s += retry.FIRST_S - 0.1
    play.first.tell()
    assert [2, 3] == play.revisions
    play.now_s += retry.FIRST_S
    play.first.tell()
    assert ([2, 3, 3, 4], 0, None) == (play.revisions, play.delivery.failures, play.delivery.next_attempt_at)


def test_attempts_are_spread_over_three_days(play: Play) -> None:
    """After 5 seconds at first and every 6 hours at last; then nothing is sent until somebody enables the webhook."""
    play.acts = [lambda: FAILED] * 1000
    times_s = []
    while play.off_reason is None:
        play.first.tell()
        times_s.append(play.now_s - 1000)
        if (next_attempt_at := play.delivery.next_attempt_at) is not None:
            play.now_s = (next_attempt_at - NOON).total_seconds() + 1000
    assert {2} == set(play.revisions)
    spans_s = [later - earlier for earlier, later in pairwise(times_s)]
    assert 5 <= spans_s[0] <= 5.5
    assert all(21600 <= span_s <= 1.1 * 21600 for span_s in spans_s[13:])
    assert 22 <= len(times_s) <= 26
    assert 3 * 86400 <= times_s[-1] <= 3 * 86400 + 1.1 * 21600
    assert play.off_reason == (
        f"it has failed {len(times_s)} times since 2026-11-01 12:00 UTC, at last because it answered 500"
    )
    assert 1 == play.metrics.given_up
    play.acts.clear()
    webhooks.enable(play.storage, "chat", ADMIN)
    play.now_s += 1
    play.first.tell()
    # That it was given up, and enabled, is not told: it is about nothing that everybody may read.
    assert [2, 3, 4] == play.revisions[len(times_s) :]


def test_a_message_that_was_under_way_when_the_webhook_was_removed_counts_for_nothing(play: Play) -> None:
    """Whatever was answered; one that has the name then is told from its own creation on."""
    for outcome in (RECEIVED, FAILED, REFUSED):
        play.acts = [lambda outcome=outcome: replace_webhook(play, outcome)]
        play.first.tell()
        assert (0, None) == (play.delivery.failures, play.off_reason)
        newest = write_something(play.storage)
        play.now_s += 1
        play.sent.clear()
        play.first.tell()
        assert [newest] == play.revisions
        write_something(play.storage)
    assert 0 == play.metrics.given_up


def replace_webhook(play: Play, outcome: MessageOutcome) -> MessageOutcome:
    webhooks.delete(play.storage, "chat", ADMIN)
    webhooks.create(play.storage, "chat", "https://other.example/in", (), STANDARD, ADMIN)
    play.now_s += 1
    return outcome


@pytest.mark.parametrize("outcome", [RECEIVED, FAILED, REFUSED])
def test_a_message_that_was_under_way_when_the_url_was_changed(play: Play, outcome: MessageOutcome) -> None:
    """Counts if it was received; else the new URL is told of it, and nobody gives up for what the former one said."""

    def change() -> MessageOutcome:
        webhooks.change(play.storage, "chat", {"url": "https://other.example/in"}, ADMIN)
        play.now_s += 1
        return outcome

    play.acts = [change]
    play.first.tell()
    play.now_s += 2 * retry.FIRST_S
    play.first.tell()
    first_of_other = 3 if outcome.is_success else 2
    assert [(URL, 2), *[("https://other.example/in", number) for number in range(first_of_other, 5)]] == play.sent
    assert (None, 0) == (play.off_reason, play.metrics.given_up)


def test_a_message_that_was_under_way_when_the_webhook_was_switched_off(play: Play) -> None:
    """Is the last one, and counts."""

    def switch_off() -> MessageOutcome:
        webhooks.switch_off(play.storage, "chat", "enough", ADMIN)
        play.now_s += 1
        return RECEIVED

    play.acts = [switch_off]
    play.first.tell()
    assert ([2], 2) == (play.revisions, play.delivery.told.number)


def test_a_message_that_was_under_way_when_what_was_missed_was_left_out(play: Play) -> None:
    """Changes nothing of that."""

    def skip() -> MessageOutcome:
        webhooks.enable(play.storage, "chat", ADMIN, is_skipping=True)
        play.now_s += 1
        return RECEIVED

    play.acts = [skip]
    play.first.tell()
    newest = write_something(play.storage)
    play.now_s += 1
    play.first.tell()
    assert [2, newest] == play.revisions


def test_a_process_that_lost_its_claim_while_a_message_was_under_way_sends_no_other(play: Play) -> None:
    """The one that has it now goes on, and may have sent the same; nothing that it noted is taken back."""

    def stand_still() -> MessageOutcome:
        assert not play.second.lease.take()
        play.now_s += LEASE_S
        play.second.tell()
        return RECEIVED

    play.acts = [stand_still]
    play.first.tell()
    assert ([2, 2, 3, 4], 4) == (play.revisions, play.delivery.told.number)
    write_something(play.storage)
    play.now_s += 1
    play.first.tell()
    assert [2, 2, 3, 4] == play.revisions
    play.second.tell()
    assert [2, 2, 3, 4, 5] == play.revisions


def test_a_process_that_takes_over_begins_with_what_was_noted(play: Play) -> None:
    """Whatever it has read before of webhooks."""
    play.acts = [lambda: FAILED]
    play.first.tell()
    play.first.lease.release()
    play.second.tell()
    assert [2] == play.revisions
    play.second.lease.release()
    play.now_s += 2 * retry.FIRST_S
    play.first.tell()
    play.first.lease.release()
    write_something(play.storage)
    play.second.tell()
    assert [2, 2, 3, 4, 5] == play.revisions


def test_a_lease_is_renewed_while_much_is_told(play: Play) -> None:
    """So nobody takes over who need not."""

    def take_long() -> MessageOutcome:
        play.now_s += RENEWAL_S + 1
        assert not play.second.lease.take()
        return RECEIVED

    play.acts = [take_long] * 3
    play.first.tell()
    assert [2, 3, 4] == play.revisions
    assert LeaseRecord("webhooks", "first", 4) == play.storage.read(lambda reader: reader.find_lease("webhooks"))


@pytest.mark.parametrize("outcome", [RECEIVED, FAILED])
def test_the_database_goes_away_while_a_message_is_under_way(play: Play, outcome: MessageOutcome) -> None:
    """What was received is noted when it is back, and not sent again, if the process lives."""

    def go_away() -> MessageOutcome:
        play.storage.is_away = True
        play.now_s += 1
        return outcome

    play.acts = [go_away]
    for _ in range(2):
        with pytest.raises(StorageUnavailableError):
            play.first.tell()
    play.storage.is_away = False
    play.first.outbox.note()
    assert ((2, 0) if outcome.is_success else (0, 1)) == (play.delivery.told.number, play.delivery.failures)
    play.now_s += 2 * retry.FIRST_S
    play.first.tell()
    assert ([2, 3, 4] if outcome.is_success else [2, 2, 3, 4]) == play.revisions


def test_no_message_is_begun_while_the_service_stops(play: Play) -> None:
    """The one that was under way counts."""

    def stop() -> MessageOutcome:
        play.is_ending = True
        return RECEIVED

    play.acts = [stop]
    play.first.tell()
    assert ([2], 2) == (play.revisions, play.delivery.told.number)
