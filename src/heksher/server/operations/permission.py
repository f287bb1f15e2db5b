"""Whether who asks for a write may make it: checked inside its transaction, on what is stored then."""

from heksher.server.access.grants import Role, describe_missing
from heksher.server.errors import NotPermittedError
from heksher.server.storage.base import Origin


def require(origin: Origin, role: Role, *settings: str) -> None:
    """Check that a write may be made.

    Args:
        origin: who asks.
        role: what the write needs.
        settings: the canonical names of the settings that it changes, and all names that it gives them; none where the
            role cannot be limited to some.

    Raises:
        NotPermittedError: it may not; the message names the missing grant.
        UnknownCallerError: who asks is not known any more.
    """
    for name in settings or ("",):
        if not origin.grants.allow(role, name):
            raise NotPermittedError(describe_missing(role, name))
