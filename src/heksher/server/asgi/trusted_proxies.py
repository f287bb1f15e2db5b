"""What proxies say about the requests that they pass on, believed of those alone that the configuration names.

Anyone can send these headers. Of the addresses in ``X-Forwarded-For`` each proxy has added one at the end: the one that
it was called from. So they are read from the end, as far as they were added by trusted proxies.
"""

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Final

from starlette.types import Scope

from heksher.server.web_address import read_address, read_host, read_network

# In a scope: the address that the connection comes from, where the proxy has named another one.
_PEER: Final = "heksher.peer"
_FORWARDED_FOR: Final = b"x-forwarded-for"
_FORWARDED_PROTO: Final = b"x-forwarded-proto"
_SCHEMES: Final = {b"http": "http", b"https": "https"}
# The longest text of an IPv6 address, with brackets and port.
_MAX_ADDRESS_CHARACTERS: Final = 64
_MAX_KNOWN_PEERS: Final = 1024


class TrustedProxies:
    """The proxies that are believed for whom a request comes from, and whether it came over TLS.

    Args:
        networks: their addresses and networks.
    """

    def __init__(self, networks: Sequence[str]) -> None:
        self._networks = [found for network in networks if (found := read_network(network)) is not None]
        self._trusts = lru_cache(_MAX_KNOWN_PEERS)(self._find_network)

    def trusts(self, peer: str | None) -> bool:
        """Return whether an address is that of a trusted proxy; none is not."""
        return peer is not None and self._trusts(peer)

    def apply(self, scope: Scope) -> None:
        """Put what a trusted proxy says in place of its own address and scheme."""
        peer = scope.get("client")
        if peer is None or not self._trusts(peer[0]):
            return
        scope[_PEER] = peer[0]
        elements, schemes = _read_headers(scope["headers"])
        client = self._find_client(elements)
        if client is not None:
            scope["client"] = (client, 0)
        # Of several the last one is the nearest proxy's.
        scheme = _SCHEMES.get(schemes[-1].strip().lower()) if schemes else None
        if scheme is not None:
            scope["scheme"] = scheme

    def _find_client(self, elements: Iterator[str]) -> str | None:
        """Return the address of the first one that is no trusted proxy; ``None`` if no address is believed."""
        client = None
        for element in elements:
            address = _read_element(element)
            if address is None:
                # Whatever stands before it was not added by a proxy that adds addresses.
                return client
            client = address
            if not self._trusts(address):
                return client
        return client

    def _find_network(self, text: str) -> bool:
        address = read_address(text)
        return address is not None and any(address in network for network in self._networks)


def get_peer(scope: Scope) -> str | None:
    """Return the address that the connection of a request comes from, whatever its proxy says; ``None`` if unknown."""
    if (peer := scope.get(_PEER)) is not None:
        return str(peer)
    client = scope.get("client")
    return None if client is None else str(client[0])


def _read_headers(headers: Iterable[tuple[bytes, bytes]]) -> tuple[Iterator[str], list[bytes]]:
    forwarded = [value for name, value in headers if name == _FORWARDED_FOR]
    schemes = [value for name, value in headers if name == _FORWARDED_PROTO]
    return _read_from_end(b",".join(forwarded).decode("latin-1")), schemes


def _read_from_end(text: str) -> Iterator[str]:
    # One by one: a client can send thousands, which the first one that is not trusted keeps from being read.
    while text:
        text, _, element = text.rpartition(",")
        yield element.strip()


def _read_element(element: str) -> str | None:
    """Return the address in an element, which some proxies write with a port; ``None`` if there is no valid one."""
    if len(element) > _MAX_ADDRESS_CHARACTERS:
        return None
    host = read_host(element)
    address = read_address(element if host is None else host.name.strip("[]"))
    return None if address is None else str(address)
