"""The records of webhooks: who is told of changes, how far that has got, and which process does it.

What is secret in a webhook is neither in its text (``repr``) nor in the change log.
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from heksher.revision_id import RevisionId

# The kind of logged objects, besides those of ``records`` and ``access_records``.
WEBHOOK: Final = "webhook"


@dataclass(frozen=True, slots=True)
class WebhookRecord:
    """A webhook as stored: an address that is told of changes.

    Attributes:
        name: unique; the key of its log entries.
        url: where messages go. Whoever knows it may be able to send such messages, too, so it is a secret.
        secret: what messages are signed with.
        prefixes: what the names of the settings begin with whose changes are told of; empty for all changes.
        format: of its messages.
        creator: who made it.
        created_at: in UTC, whole seconds.
        off_reason: why nothing is sent; ``None`` while it is on.
        revision: the revision of its last change, which deliveries are none of. The storage sets it and ignores the
            value that callers pass; it does not count for equality.
    """

    name: str
    url: str = field(repr=False)
    secret: str = field(repr=False)
    prefixes: tuple[str, ...]
    format: str
    creator: str
    created_at: datetime
    off_reason: str | None = None
    revision: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class DeliveryRecord:
    """How far a webhook has been told of changes.

    Attributes:
        webhook: its name.
        told: the newest revision that it needs not be told of any more.
        failures: how many attempts in a row have failed to tell it of the next one.
        failing_since: when the first of these was, in UTC; ``None`` if there is none.
        next_attempt_at: before which time no attempt is made, in UTC; ``None`` for at once.
        attempted_at: when the last attempt was made, in UTC; ``None`` before the first.
        problem: why that one has failed; empty if it has not.
    """

    webhook: str
    told: RevisionId
    failures: int = 0
    failing_since: datetime | None = None
    next_attempt_at: datetime | None = None
    attempted_at: datetime | None = None
    problem: str = ""


@dataclass(frozen=True, slots=True)
class LeaseRecord:
    """Which process does what only one may do at a time.

    Attributes:
        task: what it does.
        holder: the process, by a name of its own; empty if none does it.
        turn: grows each time the holder says that it still does.
    """

    task: str
    holder: str = ""
    turn: int = 0
