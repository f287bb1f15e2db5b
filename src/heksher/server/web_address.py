"""Names of hosts and origins of web pages, in the one form in which they can be compared.

A *host* is what the header ``Host`` has: a name or an address, and perhaps a port. A *web origin* is what the header
``Origin`` has: scheme, host and port of the page that sends a request.

Source: RFC 9110, section 7.2; RFC 6454, sections 4 and 7; RFC 3986, section 3.2.2.
"""

import re
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final, NamedTuple

_HOST: Final = re.compile(r"([A-Za-z0-9._-]{1,255}|\[[0-9A-Fa-f:.]{2,45}\])(?::([0-9]{0,5}))?")
_MAX_PORT: Final = 65535
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}
# The bits of an IPv6 address before an IPv4 address in it.
_MAPPED_BITS: Final = 96


class Host(NamedTuple):
    """A host.

    Attributes:
        name: in lower case; an IPv6 address is in brackets.
        port: ``None`` if the scheme's own is meant.
    """

    name: str
    port: int | None

    @property
    def is_loopback(self) -> bool:
        """Whether the name stands for the machine itself, whoever resolves it."""
        return self.name == "localhost" or is_loopback_address(self.name.strip("[]"))


def read_host(text: str) -> Host | None:
    """Return the host that a text names; ``None`` if it is malformed."""
    match = _HOST.fullmatch(text)
    if match is None:
        return None
    name, port = match[1].lower(), int(match[2]) if match[2] else None
    if (port or 0) > _MAX_PORT or (name.startswith("[") and read_address(name[1:-1]) is None):
        return None
    return Host(name, port)


def read_web_origin(text: str) -> str | None:
    """Return an origin in the form that can be compared; ``None`` if the text is none of the web.

    ``null``, by which a browser hides where a page is from, is none.
    """
    scheme, separator, host = text.partition("://")
    return make_web_origin(scheme.lower(), host) if separator else None


def make_web_origin(scheme: str, host: str) -> str | None:
    """Return the origin of the pages that a host sends; ``None`` if the host is malformed or the scheme not the web's.

    Args:
        scheme: such as ``https``, in lower case.
        host: its name and port, as in the header ``Host``.
    """
    found = read_host(host)
    if found is None or scheme not in _DEFAULT_PORTS:
        return None
    has_port = found.port is not None and found.port != _DEFAULT_PORTS[scheme]
    return f"{scheme}://{found.name}:{found.port}" if has_port else f"{scheme}://{found.name}"


def read_address(text: str) -> IPv4Address | IPv6Address | None:
    """Return the IP address that a text is; ``None`` if it is none.

    An IPv4 address in the form of an IPv6 address is the IPv4 address. One with a zone is none: the zone is any text.
    """
    if "%" in text:
        return None
    try:
        address = ip_address(text)
    except ValueError:
        return None
    return address.ipv4_mapped or address if isinstance(address, IPv6Address) else address


def read_network(text: str) -> IPv4Network | IPv6Network | None:
    """Return the network, or single address, that a text is; ``None`` if it is none.

    IPv4 addresses in the form of IPv6 addresses are the IPv4 addresses, as in ``read_address``.
    """
    try:
        network = ip_network(text)
    except ValueError:
        return None
    mapped = network.network_address.ipv4_mapped if isinstance(network, IPv6Network) else None
    if mapped is None or network.prefixlen < _MAPPED_BITS:
        return network
    return IPv4Network((mapped, network.prefixlen - _MAPPED_BITS))


def is_loopback_address(text: str) -> bool:
    """Return whether a text is an address by which a machine reaches itself."""
    address = read_address(text)
    return address is not None and address.is_loopback
