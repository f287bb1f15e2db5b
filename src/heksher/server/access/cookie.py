"""The cookies of the service: their names, how they are set, and how they are found in a request.

Over TLS their names begin with ``__Host-``: browsers take such a cookie only from the host itself, so neither a page
of a neighbouring name nor anybody between can set one.

Source: RFC 6265, section 5.4; draft-ietf-httpbis-rfc6265bis, sections 4.1.3.2 and 5.6.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

_COOKIE: Final = b"cookie"
_SESSION: Final = "heksher"
_SIGN_IN: Final = "heksher-sign-in"
_HOST_PREFIX: Final = "__Host-"


@dataclass(frozen=True, slots=True)
class CookieForm:
    """How cookies look to the browsers that reach the service.

    Attributes:
        is_secure: whether they reach it over TLS.
    """

    is_secure: bool

    @property
    def session(self) -> str:
        """The name of the cookie of a session."""
        return self._name(_SESSION)

    @property
    def sign_in(self) -> str:
        """The name of the cookie of a sign-in that goes by way of a provider of identities."""
        return self._name(_SIGN_IN)

    def set(self, name: str, value: str, max_age_s: int) -> str:
        """Return the header field ``Set-Cookie`` that has a browser keep a cookie."""
        secure = "; Secure" if self.is_secure else ""
        return f"{name}={value}; Max-Age={max_age_s}; Path=/; HttpOnly; SameSite=Lax{secure}"

    def remove(self, name: str) -> str:
        """Return the header field ``Set-Cookie`` that has a browser forget a cookie."""
        return self.set(name, "", 0)

    def _name(self, name: str) -> str:
        return f"{_HOST_PREFIX}{name}" if self.is_secure else name


def make_cookie_form(public_url: str | None) -> CookieForm:
    """Return how the cookies of a service look that browsers reach at a URL; ``None`` if that is not configured."""
    return CookieForm(public_url is not None and public_url.startswith("https://"))


def find_cookie(fields: Mapping[bytes, bytes], name: str) -> str | None:
    """Return the value of a cookie; ``None`` if there is none, or several of this name: one may be somebody else's.

    Args:
        fields: the header fields of the request by name, in lower case.
        name: the name of the cookie.
    """
    header = fields.get(_COOKIE)
    if header is None:
        return None
    wanted = name.encode()
    found = [
        value.strip(b" \t")
        for key, equals, value in (pair.partition(b"=") for pair in header.split(b";"))
        if equals and key.strip(b" \t") == wanted
    ]
    return found[0].decode("latin-1") if len(found) == 1 else None
