"""The header fields of a request by name, looked at once for all steps.

A name that stands twice has its last value here, so names that decide on something may stand only once: of two values
a proxy could have checked the one, and the service would use the other.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from starlette.types import Scope

from heksher.wire import ACTOR_HEADER

HeaderFields = Mapping[bytes, bytes]

HOST: Final = b"host"
ORIGIN: Final = b"origin"
FETCH_SITE: Final = b"sec-fetch-site"
ACTOR: Final = ACTOR_HEADER.lower().encode()

_SINGLE: Final = {HOST: "Host", ORIGIN: "Origin", FETCH_SITE: "Sec-Fetch-Site", ACTOR: ACTOR_HEADER}
_KEY: Final = "heksher.header_fields"


def put_fields(scope: Scope) -> HeaderFields:
    """Put the header fields of a request into its scope, and return them.

    Raises:
        ValueError: a header that may stand only once stands more often; the message names it.
    """
    headers: Sequence[tuple[bytes, bytes]] = scope["headers"]
    fields = scope[_KEY] = dict(headers)
    if len(fields) != len(headers):
        _check_single(headers)
    return fields


def get_fields(scope: Scope) -> HeaderFields:
    """Return the header fields of a request by name, in lower case."""
    fields: HeaderFields = scope[_KEY]
    return fields


def _check_single(headers: Sequence[tuple[bytes, bytes]]) -> None:
    seen: set[bytes] = set()
    for name, _ in headers:
        if name in seen and name in _SINGLE:
            raise ValueError(f"{_SINGLE[name]}: the header stands more than once; a request has one")
        seen.add(name)
