"""The token of a request: existing programs, management pages and libraries send it in different headers."""

from collections.abc import Mapping
from typing import Final

AUTHORIZATION: Final = b"authorization"
# OFREP's header, and the one in which the documented example of the existing client has its token.
_BARE: Final = (b"x-api-key", b"api_token")
_BEARER: Final = b"bearer"


def find_token(fields: Mapping[bytes, bytes]) -> bytes | None:
    """Return the token that a request comes with; ``None`` if it has no credential of this kind.

    An ``Authorization`` without a scheme counts as a token: the existing management page can send no value with a
    space. One of another scheme is returned as it is: no token is like it, so it is refused.

    Args:
        fields: the header fields by name, in lower case.

    Raises:
        ValueError: there are two different tokens.
    """
    found = [value for name in _BARE if (value := fields.get(name)) is not None]
    authorization = fields.get(AUTHORIZATION)
    if authorization is not None:
        scheme, space, token = authorization.partition(b" ")
        found.append(token.strip() if space and scheme.lower() == _BEARER else authorization)
    if not found:
        return None
    # A header that stands twice has its values here with a comma between them, which no token has.
    if any(token != found[0] or b"," in token for token in found):
        raise ValueError("the request has two different tokens: send one, in Authorization, X-API-Key or api_token")
    return found[0]
