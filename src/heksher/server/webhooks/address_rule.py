"""To which addresses messages may be sent.

Whoever makes a webhook has this machine send requests, and so reaches what only this machine can reach: services on it,
its network, and what a cloud tells of itself at an address of its own. So an address that not all of the internet can
reach has to be allowed by the operator.
"""

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address, IPv6Network
from typing import Final

from heksher.server.web_address import read_address, read_network
from heksher.server.webhooks.sending_error import SendingError

# All that the internet routes (RFC 4291, section 2.4). All else is of one machine or network, also where Python takes
# it for public: site-local addresses (fec0::/10), and those of IPv4 behind zeros (::/96) or behind a network's own
# translator (64:ff9b:1::/48).
_ROUTED: Final = IPv6Network("2000::/3")
# What translates to IPv4 has the address that is reached in its last bits (RFC 6052, section 2.1).
_TRANSLATED: Final = IPv6Network("64:ff9b::/96")
_IPV4_BITS: Final = 0xFFFFFFFF


class ForbiddenAddressError(SendingError):
    """A host has no address that may be connected to; the message says why."""


class AddressRule:
    """Decides which addresses may be connected to.

    Args:
        networks: addresses and networks that are allowed though they are not public.
    """

    def __init__(self, networks: Iterable[str] = ()) -> None:
        found = (read_network(network) for network in networks)
        self._networks = tuple(network for network in found if network is not None)

    def find_fault(self, address: str, *, is_encrypted: bool) -> str | None:
        """Say why an address may not be connected to; ``None`` if it may.

        Args:
            address: an IP address.
            is_encrypted: whether what is sent to it is; what is not stays in the allowed networks.
        """
        read = read_address(address)
        if read is None:
            return f"{address} is no address that can be reached from here"
        if any(read.version == network.version and read in network for network in self._networks):
            return None
        if not _is_public(read):
            return f"{address} is not public, and --webhook-networks does not allow it"
        return None if is_encrypted else f"{address} is public, so the URL has to begin with https"


def _is_public(address: IPv4Address | IPv6Address) -> bool:
    if isinstance(address, IPv6Address):
        if address in _TRANSLATED:
            return _is_public(IPv4Address(int(address) & _IPV4_BITS))
        # 6to4 and Teredo lead to an IPv4 address inside them, through whatever relay there is.
        if address not in _ROUTED or address.sixtofour is not None or address.teredo is not None:
            return False
    return address.is_global and not address.is_multicast
