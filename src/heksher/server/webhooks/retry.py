"""What becomes of a webhook after an attempt: when the next one is made, and when there is none any more.

As Standard Webhooks recommends, attempts are spread over days, and a receiver that has failed for all of them, or says
that it wants no messages, gets none until somebody enables the webhook.
"""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from heksher.backoff import FailureRow, draw
from heksher.revision_id import RevisionId
from heksher.server.storage.webhook_records import DeliveryRecord
from heksher.server.webhooks.message_sender import MessageOutcome

# The time after the first failure, and the longest time, in seconds.
FIRST_S: Final = 5.0
LONGEST_S: Final = 6 * 3600.0
# How long a webhook may fail.
PATIENCE: Final = timedelta(days=3)

# Random, so that what has failed together does not come back together.
_MAX_STRETCH: Final = 1.1


def note_skip(before: DeliveryRecord, told: RevisionId) -> DeliveryRecord:
    """Return how far a webhook was told after changes that do not concern it."""
    return DeliveryRecord(before.webhook, told, attempted_at=before.attempted_at)


def note_success(before: DeliveryRecord, told: RevisionId, now: datetime) -> DeliveryRecord:
    """Return how far a webhook was told after it has received a message."""
    return DeliveryRecord(before.webhook, told, attempted_at=now)


def note_failure(before: DeliveryRecord, outcome: MessageOutcome, now: datetime) -> DeliveryRecord:
    """Return when the next attempt is made after one that has failed."""
    failures = FailureRow()
    failures.count = before.failures + 1
    span_s = failures.span_s(first_s=FIRST_S, longest_s=LONGEST_S) * draw(1, _MAX_STRETCH)
    wanted_s = min(outcome.retry_after_s, LONGEST_S)
    return replace(
        before,
        failures=failures.count,
        failing_since=before.failing_since or now,
        next_attempt_at=now + timedelta(seconds=max(span_s, wanted_s)),
        attempted_at=now,
        problem=outcome.problem,
    )


def find_end(delivery: DeliveryRecord, outcome: MessageOutcome, now: datetime) -> str | None:
    """Return why a webhook that has failed is told nothing more; ``None`` if it is tried again."""
    if outcome.is_refusal:
        return f"{outcome.problem}: it wants no messages any more"
    since = delivery.failing_since
    if since is None or now - since < PATIENCE:
        return None
    return (
        f"it has failed {delivery.failures} times since {since:%Y-%m-%d %H:%M} UTC, at last because {outcome.problem}"
    )
