"""Tests of what becomes of a webhook after an attempt."""

from datetime import UTC, datetime, timedelta

import pytest

from heksher.revision_id import RevisionId
from heksher.server.storage.webhook_records import DeliveryRecord
from heksher.server.webhooks.message_sender import MessageOutcome
from heksher.server.webhooks.retry import find_end, note_failure, note_skip, note_success

NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)
TOLD, NEXT = RevisionId(16, "0123456789ab"), RevisionId(17, "123456789abc")
NEW = DeliveryRecord("chat", TOLD)
FAILED = MessageOutcome(500, "it answered 500")


def fail_for(span: timedelta) -> tuple[list[float], DeliveryRecord]:
    """Fail until a time has passed; return the spans between attempts in seconds, and what is noted in the end."""
    delivery, now, spans = NEW, NOON, []
    while now - NOON < span:
        delivery = note_failure(delivery, FAILED, now)
        assert delivery.next_attempt_at is not None
        spans.append((delivery.next_attempt_at - now).total_seconds())
        now = delivery.next_attempt_at
    return spans, delivery


def test_attempts_are_spread_over_days() -> None:
    """From 5 seconds on, each span is twice the one before, up to 6 hours; a tenth of each is random."""
    spans, _ = fail_for(timedelta(days=3))
    expected = [min(5.0 * 2**number, 6 * 3600.0) for number in range(len(spans))]
    assert all(least <= span <= least * 1.1 for least, span in zip(expected, spans, strict=True))
    assert (True, 5.0, 6 * 3600.0) == (len(spans) > 20, expected[0], expected[-1])
    assert spans != fail_for(timedelta(days=3))[0]


def test_what_is_known_of_failures_is_noted() -> None:
    """Since when, how many, and why; not that it was told."""
    first = note_failure(NEW, MessageOutcome(None, "it is away"), NOON)
    second = note_failure(first, FAILED, NOON + timedelta(seconds=6))
    assert (TOLD, 2, NOON, NOON + timedelta(seconds=6), "it answered 500") == (
        second.told,
        second.failures,
        second.failing_since,
        second.attempted_at,
        second.problem,
    )


def test_a_success_ends_the_failures() -> None:
    """And so does what need not be told."""
    failing = note_failure(NEW, FAILED, NOON)
    later = NOON + timedelta(minutes=1)
    assert DeliveryRecord("chat", NEXT, attempted_at=later) == note_success(failing, NEXT, later)
    assert DeliveryRecord("chat", NEXT, attempted_at=NOON) == note_skip(failing, NEXT)


@pytest.mark.parametrize(("wanted_s", "least_s"), [(1.0, 5.0), (60.0, 60.0), (10**9, 6 * 3600.0)])
def test_a_receiver_can_ask_for_more_time(wanted_s: float, least_s: float) -> None:
    """But not for more than the longest time."""
    delivery = note_failure(NEW, MessageOutcome(503, "it answered 503", wanted_s), NOON)
    assert delivery.next_attempt_at is not None
    assert least_s <= (delivery.next_attempt_at - NOON).total_seconds() <= least_s * 1.1


def test_it_ends_after_three_days() -> None:
    """Not before; the reason says since when it has failed, and why."""
    _, delivery = fail_for(timedelta(days=2, hours=23))
    assert find_end(delivery, FAILED, NOON + timedelta(days=2, hours=23, minutes=59)) is None
    reason = f"it has failed {delivery.failures} times since 2026-11-01 12:00 UTC, at last because it answered 500"
    assert reason == find_end(delivery, FAILED, NOON + timedelta(days=3))


def test_it_ends_at_once_where_no_messages_are_wanted() -> None:
    """That is what 410 says."""
    gone = MessageOutcome(410, "it answered 410")
    reason = find_end(note_failure(NEW, gone, NOON), gone, NOON)
    assert "it answered 410: it wants no messages any more" == reason
