"""Keeps admins from locking out everybody: what would leave no admin is refused, unless it is done on the machine.

An admin is who has the grant, and can come in: a token that has not ended, or a person who can sign in.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from heksher.server.access.grants import Role
from heksher.server.errors import ConflictError
from heksher.server.storage.access_records import PersonRecord, TokenRecord
from heksher.server.storage.base import Reader

# A token that ends sooner is no admin to count on.
_LEAST_REST: Final = timedelta(days=1)
_NEVER: Final = datetime.min.replace(tzinfo=UTC)
_FOR_EVER: Final = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class WaysIn:
    """How people can sign in to a service, besides by a password.

    Attributes:
        issuer: the provider of identities that makes people admins; ``None`` if none does.
        has_proxy: whether a proxy names people.
    """

    issuer: str | None = None
    has_proxy: bool = False

    def let_in(self, person: PersonRecord) -> bool:
        """Return whether there is a way in for a person."""
        if person.password_hash is not None:
            return True
        return self.has_proxy if person.issuer is None else person.issuer == self.issuer


PASSWORDS: Final = WaysIn()


def require_admin_left(
    reader: Reader, ways_in: WaysIn, before: TokenRecord | PersonRecord, after: TokenRecord | PersonRecord | None
) -> None:
    """Check that there is still an admin, for a day at least, after a token or a person was changed or removed.

    Args:
        reader: the state with the change made.
        ways_in: how people can sign in.
        before: what the token or the person was.
        after: what they are now; ``None`` if they are gone.

    Raises:
        ConflictError: the change ends, or brings nearer the end of, the last admin.
    """
    now = datetime.now(UTC)
    if _find_end(after, ways_in, now) >= _find_end(before, ways_in, now):
        return
    ends = (_find_end(record, ways_in, now) for record in reader.access().list_holders())
    if not any(end > now + _LEAST_REST for end in ends):
        raise ConflictError(
            "nobody else who can come in has the grant admin, so nobody could give it to anybody any more: give it to"
            " somebody else first, or do this with 'heksher access' on the machine of the database"
        )


def _find_end(record: TokenRecord | PersonRecord | None, ways_in: WaysIn, now: datetime) -> datetime:
    """Return until when somebody is an admin; a time that is long past for one who is none."""
    if record is None or Role.ADMIN not in record.grants:
        return _NEVER
    if isinstance(record, PersonRecord):
        return _FOR_EVER if ways_in.let_in(record) else _NEVER
    end = record.expires_at or _FOR_EVER
    return end if end > now else _NEVER
