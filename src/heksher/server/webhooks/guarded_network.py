"""The network as the HTTP library sees it, in which only allowed addresses can be connected to.

A name can be given another address between a check and the connection (DNS rebinding). So the name is looked up here,
once, and what is connected to is the very address that was checked. Certificates are checked for the name, as always.
"""

import asyncio
import socket
from collections.abc import Iterable

from httpcore2 import SOCKET_OPTION, AnyIOBackend, AsyncNetworkBackend, AsyncNetworkStream, ConnectError

from heksher.server.webhooks.address_rule import AddressRule, ForbiddenAddressError
from heksher.server.webhooks.bounded_stream import BoundedStream
from heksher.server.webhooks.daemon_call import call_in_daemon


class GuardedNetwork(AsyncNetworkBackend):
    """Connects to the first address of a host that is allowed and answers.

    Args:
        rule: which addresses are allowed.
        is_encrypted: whether what is sent is.
    """

    def __init__(self, rule: AddressRule, *, is_encrypted: bool) -> None:
        self._rule = rule
        self._is_encrypted = is_encrypted
        self._inner = AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - the library's
        local_address: str | None = None,
        socket_options: Iterable[SOCKET_OPTION] | None = None,
    ) -> AsyncNetworkStream:
        """Connect to a host.

        Raises:
            ForbiddenAddressError: none of its addresses is allowed.
            gaierror: it has none.
            ConnectError: nobody answers there.
        """
        found = await call_in_daemon(lambda: socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        addresses = list(dict.fromkeys(str(address[0]) for *_, address in found))
        faults = [self._rule.find_fault(address, is_encrypted=self._is_encrypted) for address in addresses]
        allowed = [address for address, fault in zip(addresses, faults, strict=True) if fault is None]
        if not allowed:
            raise ForbiddenAddressError(next(fault for fault in faults if fault is not None))
        for address in allowed[:-1]:
            try:
                return await self._connect(address, port, timeout, local_address, socket_options)
            except ConnectError:
                continue
        return await self._connect(allowed[-1], port, timeout, local_address, socket_options)

    async def _connect(
        self,
        address: str,
        port: int,
        timeout: float | None,  # noqa: ASYNC109 - as above
        local_address: str | None,
        socket_options: Iterable[SOCKET_OPTION] | None,
    ) -> AsyncNetworkStream:
        return BoundedStream(await self._inner.connect_tcp(address, port, timeout, local_address, socket_options))

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
