"""Whether a request was made by a web page that is not the service's own.

A browser says so: in ``Sec-Fetch-Site`` wherever it takes the way to be safe, and in ``Origin`` with each request that
could write. Programs send neither.

Source: W3C Fetch Metadata Request Headers, section 2.3; RFC 6454, section 7.
"""

from typing import Final
from urllib.parse import urlsplit

from starlette.types import Scope

from heksher.server.asgi.header_fields import FETCH_SITE, HOST, ORIGIN, HeaderFields
from heksher.server.config import Config
from heksher.server.web_address import make_web_origin, read_web_origin
from heksher.value_type import shorten

# The page is the service's own; or there is none, as the user has typed the address. Others mean another page.
_OWN_SITES: Final = frozenset({b"same-origin", b"none"})


class PageCheck:
    """Tells which requests pages of other origins have made.

    Args:
        config: has the URL at which browsers reach the service.
    """

    def __init__(self, config: Config) -> None:
        # None: the origin is that of each request.
        self._public_origin: str | None = None
        if config.public_url is not None:
            public = urlsplit(config.public_url)
            self._public_origin = make_web_origin(public.scheme, public.netloc)

    def find_fault(self, scope: Scope, fields: HeaderFields) -> str | None:
        """Return how a request shows that it was made by another page, and the remedy; ``None`` if it was not."""
        site = fields.get(FETCH_SITE)
        origin = fields.get(ORIGIN)
        if origin is not None:
            own = self._find_own_origin(scope, fields)
            page = read_web_origin(origin.decode("latin-1"))
            if page is None or page != own:
                return _describe(origin, own)
        if site is not None and site not in _OWN_SITES:
            return _describe_site(site)
        return None

    def _find_own_origin(self, scope: Scope, fields: HeaderFields) -> str | None:
        if self._public_origin is not None:
            return self._public_origin
        return make_web_origin(scope["scheme"], fields.get(HOST, b"").decode("latin-1"))


def _describe_site(site: bytes) -> str:
    return (
        f"a web page of another site ({shorten(repr(site.decode('latin-1')))}) cannot write to this service, and no"
        " option lets it: write from a page of the service itself, or have a program send the request, such as the"
        " server of that page, without Sec-Fetch-Site"
    )


def _describe(origin: bytes, own: str | None) -> str:
    return (
        f"a web page of {shorten(repr(origin.decode('latin-1')))} cannot write to this service, whose own pages are of"
        f" {own or 'no origin that the request names'}. If it is reached by browsers at another URL, behind a proxy,"
        " start it with --public-url URL (HEKSHER_PUBLIC_URL)"
    )
