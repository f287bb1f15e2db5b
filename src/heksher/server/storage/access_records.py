"""The records of access: tokens, people, the key that their cookies are signed with, and policies.

What is secret in them, or could be tried out, is neither in their texts (``repr``) nor in the change log.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

# The kinds of logged objects, besides those of ``records``.
TOKEN: Final = "token"  # noqa: S105 - no secret
PERSON: Final = "person"
SIGNING_KEY: Final = "signing_key"
POLICY: Final = "policy"


@dataclass(frozen=True, slots=True)
class TokenRecord:
    """A token as stored: what is known of it, but not the token itself.

    Attributes:
        name: unique among the tokens that exist; the key of its log entries.
        digest: SHA-256 of the token in hexadecimal digits; unique, too.
        grants: what it allows, as people write it.
        creator: who made it.
        created_at: in UTC, whole seconds.
        expires_at: the same; ``None`` if it never expires.
        last_used_at: when it was last used, to the hour in UTC; ``None`` if it was not. It does not count for equality.
        revision: the revision of its last change, which uses are none of. The storage sets it and ignores the value
            that callers pass; it does not count for equality.
    """

    name: str
    digest: str = field(repr=False)
    grants: tuple[str, ...]
    creator: str
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None = field(default=None, compare=False)
    revision: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class PersonRecord:
    """A person as stored.

    Attributes:
        name: unique; what they sign in with, and the key of their log entries.
        grants: what they may do, as people write it.
        password_hash: what is kept of the password; ``None`` if there is none.
        issuer, subject: who they are at a provider of identities, together unique; ``None`` for both if nobody there.
        epoch: cookies of an older epoch are void.
        revision: as for a token.
    """

    name: str
    grants: tuple[str, ...]
    password_hash: str | None = field(repr=False)
    issuer: str | None = None
    subject: str | None = None
    epoch: int = 0
    revision: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class PolicyRecord:
    """A policy as stored: that a second person has to approve of writes of some settings.

    Attributes:
        prefix: unique; what the names of these settings begin with, empty for all, and the key of its log entries.
        creator: who made it.
        created_at: in UTC, whole seconds.
        revision: as for a token.
    """

    prefix: str
    creator: str
    created_at: datetime
    revision: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class AccessRecords:
    """Everything that is stored about access.

    Attributes:
        tokens, persons: sorted by name (by bytes).
        signing_key: empty before there is one.
        policies: sorted by prefix (by bytes).
    """

    tokens: tuple[TokenRecord, ...]
    persons: tuple[PersonRecord, ...]
    signing_key: str = field(repr=False)
    policies: tuple[PolicyRecord, ...] = ()

    def list_holders(self) -> Iterator[TokenRecord | PersonRecord]:
        """Yield all that can have grants: tokens and people."""
        yield from self.tokens
        yield from self.persons


def floor_hour(at: datetime) -> datetime:
    """Return the beginning of the hour of a time, in UTC: more than that is not kept of the use of a token."""
    return at.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
