"""The token of a request: existing programs, management pages and libraries send it in different headers."""

from collections.abc import Mapping
from typing import Final

AUTHORIZATION: Final = b"authorization"
# OFREP's header, and the one in which the documented example of the existing client has its token.
API_KEY: Final = b"x-api-key"
API_TOKEN: Final = b"api_token"
_BEARER: Final = b"bearer"
_SEVERAL: Final = "the request has two different tokens: send one, in Authorization, X-API-Key or api_token"


def find_token(fields: Mapping[bytes, bytes]) -> bytes | None:
    """Return the token that a request comes with; ``None`` if it has no credential of this kind.

    An ``Authorization`` without a scheme counts as a token: the existing management page can send no value with a
    space. One of another scheme is returned as it is: no token is like it, so it is refused.

    Args:
        fields: the header fields by name, in lower case.

    Raises:
        ValueError: there are two different tokens.
    """
    token = fields.get(AUTHORIZATION)
    if token is not None:
        scheme, space, text = token.partition(b" ")
        if space and scheme.lower() == _BEARER:
            token = text.strip()
    if API_KEY in fields or API_TOKEN in fields:
        token = _find_only({token, fields.get(API_KEY), fields.get(API_TOKEN)})
    # A header that stands twice has its values here with a comma between them, which no token has.
    if token is not None and b"," in token:
        raise ValueError(_SEVERAL)
    return token


def find_form(fields: Mapping[bytes, bytes]) -> bytes | None:
    """Return the form in which a request has its token; ``None`` if it has none, or one in an unusual way.

    Two requests with the same form have the same token, so nobody who has seen the one has to look at the other.

    Args:
        fields: the header fields by name, in lower case.
    """
    if API_KEY in fields:
        return None
    authorization, bare = fields.get(AUTHORIZATION), fields.get(API_TOKEN)
    if bare is None:
        return authorization
    # With a space, it would be another token in Authorization.
    return bare if authorization is None and b" " not in bare else None


def _find_only(found: set[bytes | None]) -> bytes:
    """Return the only token of some, where a header without one has ``None``.

    Raises:
        ValueError: there are others.
    """
    token, *others = found - {None}
    if token is None or others:
        raise ValueError(_SEVERAL)
    return token
