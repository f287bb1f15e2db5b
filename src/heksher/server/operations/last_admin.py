"""Keeps admins from locking out everybody: what would leave no admin is refused, unless it is done on the machine."""

from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from typing import Final

from heksher.server.access.grants import Role
from heksher.server.errors import ConflictError
from heksher.server.storage.base import Reader

# A token that ends sooner is no admin to count on.
_LEAST_REST: Final = timedelta(days=1)


def require_admin_left(reader: Reader, before: Collection[str], after: Collection[str] = ()) -> None:
    """Check that there is still an admin, for a day at least, after what somebody may do was changed.

    Args:
        reader: the state with the change made.
        before: the grants that there were.
        after: those that there are now; none of a token or a person that is gone, or will be soon.

    Raises:
        ConflictError: these were the last ones that had the grant ``admin``.
    """
    if not is_admin(before) or is_admin(after):
        return
    access, until = reader.access(), datetime.now(UTC) + _LEAST_REST
    lasting = [token.grants for token in access.tokens if token.expires_at is None or token.expires_at > until]
    if not any(map(is_admin, [*lasting, *(person.grants for person in access.persons)])):
        raise ConflictError(
            "nobody else has the grant admin, so nobody could give it to anybody any more: give it to somebody else"
            " first, or do this with 'heksher access' on the machine of the database"
        )


def is_admin(grants: Collection[str]) -> bool:
    """Return whether grants, as they are stored, have ``admin`` among them."""
    return Role.ADMIN in grants
