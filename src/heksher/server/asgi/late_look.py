"""Who sends a request, looked at once more when its body has come.

A body may take a minute to come, and whoever has begun to send one must not write with a token that was revoked
meanwhile, or with grants that were taken back.
"""

import time
from typing import Final

from starlette.types import Message, Receive

from heksher.server.access.grants import Role, describe_missing
from heksher.server.access.principal import Principal
from heksher.server.asgi.unreadable_body import UnreadableBodyError
from heksher.server.catalog.access_picture import AnyCredential
from heksher.server.catalog.catalog import Catalog

CHALLENGE: Final = "Bearer"
UNKNOWN_CREDENTIAL: Final = (
    "the service does not know this token: it was revoked, it has ended, or it is mistyped; or it does not know this"
    " person, or has signed them out"
)


class Requester:
    """Who sends a request.

    Attributes:
        principal: who it is, as far as is known by now.
        credential: by what they are known; ``None`` if by nothing.
    """

    __slots__ = ("credential", "principal")

    def __init__(self, principal: Principal, credential: AnyCredential | None = None) -> None:
        self.principal: Principal = principal
        self.credential: AnyCredential | None = credential


class NoLongerAllowedError(UnreadableBodyError):
    """The sender of a body may not do any more what it began to do."""


class LateLook:
    """Makes ``receive`` find out anew who the sender is at the end of a body, and raise an error if they may not go on.

    Args:
        receive: the ASGI callable of the connection.
        sender: who sends the request.
        role: what they must have, for some settings at least.
        catalog: knows tokens and people.
    """

    __slots__ = ("_catalog", "_error", "_receive", "_role", "_sender")

    def __init__(self, receive: Receive, sender: Requester, role: Role, catalog: Catalog) -> None:
        self._receive = receive
        self._sender = sender
        self._role = role
        self._catalog = catalog
        self._error: NoLongerAllowedError | None = None

    async def receive(self) -> Message:
        """Return the next message.

        Raises:
            NoLongerAllowedError: on every call, once the body has come and its sender may not go on.
        """
        if self._error is None:
            message = await self._receive()
            if message["type"] != "http.request" or message.get("more_body", False):
                return message
            self._error = self._look()
            if self._error is None:
                return message
        raise self._error

    def _look(self) -> NoLongerAllowedError | None:
        state, credential = self._catalog.state, self._sender.credential
        if state is None or credential is None:
            return None
        principal = credential.find_principal(state.picture.access, time.time())
        if principal is None:
            return NoLongerAllowedError(401, UNKNOWN_CREDENTIAL, {"WWW-Authenticate": CHALLENGE})
        if self._role not in principal.grants.roles:
            return NoLongerAllowedError(403, describe_missing(self._role))
        self._sender.principal = principal
        return None
