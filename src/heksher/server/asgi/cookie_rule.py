"""For which requests the cookie of a session counts. A browser sends it along whichever page has caused the request.

It counts for what the service's own pages ask. For a page that somebody opens, it counts wherever the link to it
stands, so that links can be shared, and a provider of identities can send people back. Credentials that no browser
sends by itself, such as a token, need no such rule.

Source: W3C Fetch Metadata Request Headers, sections 2.1 to 2.3; RFC 9110, section 9.2.1.
"""

from typing import Final

from starlette.types import Scope

from heksher.server.asgi.header_fields import FETCH_SITE, ORIGIN, HeaderFields
from heksher.server.asgi.page_check import PageCheck

_MODE: Final = b"sec-fetch-mode"
_DESTINATION: Final = b"sec-fetch-dest"
# With which htmx asks for a part of a page.
_FRAGMENT: Final = b"hx-request"
_SAFE_METHODS: Final = frozenset({"GET", "HEAD"})


class CookieRule:
    """Tells for which requests a cookie counts.

    Args:
        pages: tells which requests pages of other origins have made.
    """

    def __init__(self, pages: PageCheck) -> None:
        self._pages = pages

    def counts(self, scope: Scope, fields: HeaderFields, *, is_write: bool, is_stream: bool = False) -> bool:
        """Return whether the cookie of a request says who sends it.

        Args:
            scope: the scope of the request.
            fields: its header fields.
            is_write: whether its route may change something.
            is_stream: whether its answer is a stream.
        """
        is_safe = scope["method"] in _SAFE_METHODS and not is_write
        if is_safe and not is_stream and _is_opened(fields):
            return True
        if self._pages.find_fault(scope, fields) is not None:
            return False
        # Without TLS a browser says nothing of the site. It names its page with what could write, and with what one
        # page asks of another service; so where it names none, a safe request is of the own page.
        return is_safe or FETCH_SITE in fields or ORIGIN in fields


def _is_opened(fields: HeaderFields) -> bool:
    """Return whether somebody opens a page: in a window of its own, not as a part of another page."""
    is_navigation = fields.get(_MODE) == b"navigate" and fields.get(_DESTINATION, b"document") == b"document"
    return is_navigation and _FRAGMENT not in fields
