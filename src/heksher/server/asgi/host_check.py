"""Whether a request was sent to a name of this service.

The owner of a domain can have its name resolve to 127.0.0.1 once a browser has loaded a page of it. For the browser the
page and a service on the same machine then have one origin, so the page can read the answers: only the ``Host`` of its
requests tells. A connection that arrived from elsewhere has no such check: the names by which a service is reached in a
network are many, and its answers are there for whoever reaches it.
"""

from functools import lru_cache
from typing import Final
from urllib.parse import urlsplit

from starlette.types import Scope

from heksher.server.asgi.header_fields import HOST, HeaderFields
from heksher.server.config import Config
from heksher.server.web_address import Host, is_loopback_address, read_host
from heksher.value_type import shorten

# The same few names all the time; the bounds keep what is made up from filling the memory.
_MAX_KNOWN_HOSTS: Final = 256
_MAX_KNOWN_BYTES: Final = 300

_is_loopback_address = lru_cache(256)(is_loopback_address)


class HostCheck:
    """Checks the host that a request names, where its connection arrived at a loopback address.

    Args:
        config: has the names that are allowed besides those of the machine itself.
    """

    def __init__(self, config: Config) -> None:
        self._allowed = set(config.allowed_hosts)
        if config.public_url is not None:
            public = read_host(urlsplit(config.public_url).netloc)
            self._allowed |= set() if public is None else {public.name}
        self._known: set[bytes] = set()

    def find_fault(self, scope: Scope, fields: HeaderFields) -> str | None:
        """Return why a request is not for this service, and the remedy; ``None`` if it is.

        A request without a name is: no browser sends one.
        """
        named = fields.get(HOST, b"")
        if named in self._known or not named:
            return None
        server = scope.get("server")
        if server is None or not _is_loopback_address(server[0]):
            return None
        text = named.decode("latin-1")
        host = read_host(text)
        if host is None or not self._is_allowed(host):
            return _describe(text, host)
        if len(self._known) < _MAX_KNOWN_HOSTS and len(named) < _MAX_KNOWN_BYTES:
            self._known.add(named)
        return None

    def _is_allowed(self, host: Host) -> bool:
        return host.is_loopback or host.name in self._allowed


def _describe(text: str, host: Host | None) -> str:
    if host is None:
        return f"Host: {shorten(repr(text))} is no name of a host"
    return (
        f"this service does not go by the name {shorten(repr(host.name))}. If it should, start it with --allowed-hosts"
        f" {shorten(host.name)} (HEKSHER_ALLOWED_HOSTS), or with --public-url (HEKSHER_PUBLIC_URL) if browsers reach it"
        " by this name; a proxy on the same machine has to pass the header Host on"
    )
