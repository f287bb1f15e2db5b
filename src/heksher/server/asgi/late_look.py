"""Who sends a request, looked at anew whenever that decides on something.

A body may take a minute to come, and a write may wait for others for half a minute: whoever has begun either must not
write with a token that was revoked meanwhile, or with grants that were taken back.
"""

import time
from typing import Final

from starlette.types import Message, Receive

from heksher.server.access.grants import Role, describe_missing
from heksher.server.access.principal import Principal
from heksher.server.asgi.unreadable_body import UnreadableBodyError
from heksher.server.catalog.access_picture import AnyCredential
from heksher.server.catalog.catalog import Catalog
from heksher.server.errors import NotPermittedError, UnknownCallerError

# What an answer asks for that refuses a request without a credential, and with one that does not hold (RFC 6750,
# section 3.1).
CHALLENGE: Final = "Bearer"
CHALLENGE_AGAIN: Final = 'Bearer error="invalid_token"'


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


def look_again(requester: Requester, catalog: Catalog, role: Role | None = None) -> Principal:
    """Return who sends a request, as is known now.

    Args:
        requester: the sender.
        catalog: knows tokens and people.
        role: what they must have, for some settings at least; ``None`` for nothing.

    Raises:
        UnknownCallerError: it is not known any more who it is.
        NotPermittedError: they have not the role.
    """
    state, credential = catalog.state, requester.credential
    if state is None or credential is None:
        return requester.principal
    principal = credential.find_principal(state.picture.access, time.time())
    if principal is None:
        raise UnknownCallerError(credential.describe_end(state.picture.access))
    if role is not None and role not in principal.grants.roles:
        raise NotPermittedError(describe_missing(role))
    return principal


class Standing:
    """What the sender of a request may do, found out anew at each question: a ``Permission``. Thread-safe.

    Args:
        requester: the sender.
        catalog: knows tokens and people.
    """

    __slots__ = ("_catalog", "_requester")

    def __init__(self, requester: Requester, catalog: Catalog) -> None:
        self._requester = requester
        self._catalog = catalog

    def require(self, role: Role) -> None:
        """Check that the sender has a role still, for some settings at least.

        Raises:
            UnknownCallerError: it is not known any more who it is.
            NotPermittedError: they have not.
        """
        look_again(self._requester, self._catalog, role)

    def allow(self, role: Role, setting: str = "") -> bool:
        """Return whether the sender has a role, as ``Permission`` says."""
        return look_again(self._requester, self._catalog).grants.allow(role, setting)

    def allow_somewhere(self, role: Role) -> bool:
        """Return whether the sender has a role for some settings, as ``Permission`` says."""
        return look_again(self._requester, self._catalog).grants.allow_somewhere(role)


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
            try:
                self._sender.principal = look_again(self._sender, self._catalog, self._role)
            except UnknownCallerError as error:
                self._error = NoLongerAllowedError(401, str(error), {"WWW-Authenticate": CHALLENGE_AGAIN})
            except NotPermittedError as error:
                self._error = NoLongerAllowedError(403, str(error))
            else:
                return message
        raise self._error
