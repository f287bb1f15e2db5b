"""The header fields of a request by name, looked at once for all steps.

What stands on several lines is one value, as the lines are parts of a list (RFC 9110, section 5.3). Names that decide
on something may stand only once: of two values a proxy could have checked the one, and the service would use the other.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Final

from starlette.types import Scope

from heksher.wire import ACTOR_HEADER, REASON_HEADER

HeaderFields = Mapping[bytes, bytes]

HOST: Final = b"host"
ORIGIN: Final = b"origin"
FETCH_SITE: Final = b"sec-fetch-site"
ACTOR: Final = ACTOR_HEADER.lower().encode()
REASON: Final = REASON_HEADER.lower().encode()
IF_MATCH: Final = b"if-match"
PREFER: Final = b"prefer"

_SINGLE: Final = {
    HOST: "Host",
    ORIGIN: "Origin",
    FETCH_SITE: "Sec-Fetch-Site",
    ACTOR: ACTOR_HEADER,
    REASON: REASON_HEADER,
}
_KEY: Final = "heksher.header_fields"


def put_fields(scope: Scope) -> HeaderFields:
    """Put the header fields of a request into its scope, and return them.

    Raises:
        ValueError: a header that may stand only once stands more often, or the one that each request of HTTP/1.1 has
            is missing (RFC 9112, section 3.2); the message names it.
    """
    headers: Sequence[tuple[bytes, bytes]] = scope["headers"]
    fields: HeaderFields = dict(headers)
    if len(fields) != len(headers):
        fields = _combine(headers)
    if HOST not in fields and scope["http_version"] == "1.1":
        raise ValueError("Host: the header is missing; a request of HTTP/1.1 has one, which may be empty")
    scope[_KEY] = fields
    return fields


def get_fields(scope: Scope) -> HeaderFields:
    """Return the header fields of a request by name, in lower case."""
    fields: HeaderFields = scope[_KEY]
    return fields


def _combine(headers: Sequence[tuple[bytes, bytes]]) -> HeaderFields:
    lines: defaultdict[bytes, list[bytes]] = defaultdict(list)
    for name, value in headers:
        lines[name].append(value)
    for name, shown in _SINGLE.items():
        if len(lines.get(name, ())) > 1:
            raise ValueError(f"{shown}: the header stands more than once; a request has one")
    return {name: b",".join(values) for name, values in lines.items()}
