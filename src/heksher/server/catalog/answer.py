"""An answer to a query as it is sent: its bytes, plain and compressed, each with its header fields.

The entity tag is a hash of everything in the answer, including the feature order in its header: a client that has the
tag would learn nothing from the answer (known faults 21 and 36). A compressed form is another representation with its
own tag, but a client that has either form knows the same.

Source: docs/reference/compatibility.md, *Query*; RFC 9110, sections 8.8.3 and 13.1.2.
"""

import hashlib
import re
import sys
import zlib
from collections.abc import Iterator
from functools import lru_cache
from typing import Final, Literal, NamedTuple

from heksher.wire import (
    ALIASES_CAPABILITY,
    ANY_VALUES_CAPABILITY,
    CAPABILITIES_HEADER,
    DECLARE_MANY_CAPABILITY,
    FEATURE_ORDER_HEADER,
    POST_QUERY_CAPABILITY,
    STREAM_CAPABILITY,
)

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

HeaderField = tuple[bytes, bytes]
Encoding = Literal["", "gzip", "zstd"]

CAPABILITIES: Final = ", ".join(
    (POST_QUERY_CAPABILITY, ALIASES_CAPABILITY, STREAM_CAPABILITY, ANY_VALUES_CAPABILITY, DECLARE_MANY_CAPABILITY)
)

# An answer that fits into one packet does not arrive sooner when compressed.
MIN_COMPRESSED_BYTES: Final = 1400

# On every answer of the service: a browser must not take it for a script or a page, whatever a page tells it.
NOSNIFF: Final[HeaderField] = (b"x-content-type-options", b"nosniff")

_CONSTANT_HEADERS: Final[tuple[HeaderField, ...]] = (
    NOSNIFF,
    (b"vary", b"accept-encoding"),
    (CAPABILITIES_HEADER.lower().encode(), CAPABILITIES.encode()),
)
_OPAQUE_TAG: Final = re.compile(rb'(?:W/)?("[^"]*")')
_TAG_CHARACTERS: Final = 40
_GZIP: Final = zlib.MAX_WBITS | 16
# The memory of a form besides its body: its tag and header fields.
_FORM_BYTES: Final = 600
# Browsers send 30 characters. Reading thousands would take longer than the answer.
_MAX_ACCEPT_CHARACTERS: Final = 1000


class Representation(NamedTuple):
    """One form of an answer.

    Attributes:
        tag: the entity tag.
        headers: the header fields that only this form has.
    """

    body: bytes
    tag: bytes
    headers: tuple[HeaderField, ...]


class Answer:
    """An answer, and those of its compressed forms that were requested.

    Args:
        body: the answer as JSON.
        feature_order: the service's context features.
        is_compressible: whether a client may be sent a compressed form.

    Attributes:
        plain: the form that is not compressed.
        shared_headers: the header fields of all forms, and of "not modified".
    """

    __slots__ = ("_compressed", "_has_one_form", "plain", "shared_headers")

    def __init__(self, body: bytes, feature_order: tuple[str, ...], *, is_compressible: bool = True) -> None:
        self.shared_headers: tuple[HeaderField, ...] = _make_shared_headers(feature_order)
        _, order = self.shared_headers[-1]
        digest = hashlib.sha256(order + b"\n")
        digest.update(body)
        self.plain: Representation = _represent(body, digest.hexdigest()[:_TAG_CHARACTERS], "")
        self._has_one_form: bool = not is_compressible or len(body) < MIN_COMPRESSED_BYTES
        self._compressed: dict[Encoding, Representation] = {}

    @property
    def cost_bytes(self) -> int:
        """The memory that the answer takes now: all its forms. It grows with each form that is made."""
        compressed = sum(_FORM_BYTES + len(form.body) for form in list(self._compressed.values()))
        return _FORM_BYTES + len(self.plain.body) + compressed

    def find(self, encoding: Encoding) -> Representation | None:
        """Return a form of the answer, if it exists."""
        if not encoding or self._has_one_form:
            return self.plain
        return self._compressed.get(encoding)

    def compress(self, encoding: Encoding) -> Representation:
        """Return a form of the answer, creating it if need be. Two threads at once may both create it."""
        found = self.find(encoding)
        if found is None:
            digest = self.plain.tag.decode().strip('"')
            compressed = _compress(self.plain.body, encoding)
            found = self._compressed[encoding] = _represent(compressed, f"{digest}-{encoding}", encoding)
        return found

    def find_known_tag(self, if_none_match: bytes, encoding: Encoding) -> bytes | None:
        """Return the tag by which the client knows the answer; ``None`` if it does not know it.

        Tags are compared weakly, as RFC 9110 requires for this header.

        Args:
            if_none_match: the header's value.
            encoding: the encoding of the form that would be sent, which is the one that ``*`` means.
        """
        # By far the most common case.
        if if_none_match == self.plain.tag:
            return if_none_match
        digest = self.plain.tag[:-1]
        if if_none_match.strip() == b"*":
            return self.plain.tag if not encoding or self._has_one_form else digest + b"-" + encoding.encode() + b'"'
        own = {self.plain.tag, digest + b'-gzip"', digest + b'-zstd"'}
        return next((tag for tag in _list_tags(if_none_match) if tag in own), None)


def choose_encoding(accept_encoding: str, offered: tuple[Encoding, ...] = ("zstd", "gzip")) -> Encoding:
    """Return the encoding to use for a client's ``Accept-Encoding``. Source: RFC 9110, section 12.5.3.

    Args:
        accept_encoding: the header's value; empty for none. Of one that is absurdly long, the end is not read.
        offered: what there is besides the plain form, the better one first.
    """
    weights = dict(map(_read_weight, accept_encoding[:_MAX_ACCEPT_CHARACTERS].lower().split(",")))
    # The first one of equal weight.
    best = max(offered, key=lambda encoding: _weigh(weights, encoding))
    return best if _weigh(weights, best) > 0 else ""


@lru_cache(maxsize=4)
def _make_shared_headers(feature_order: tuple[str, ...]) -> tuple[HeaderField, ...]:
    # One object for all answers: the order can have 65,000 characters.
    return (*_CONSTANT_HEADERS, (FEATURE_ORDER_HEADER.lower().encode(), ",".join(feature_order).encode()))


def _list_tags(if_none_match: bytes) -> Iterator[bytes]:
    return (found[1] for found in _OPAQUE_TAG.finditer(if_none_match))


def _weigh(weights: dict[str, float], encoding: str) -> float:
    return weights.get(encoding, weights.get("*", 0.0))


def _read_weight(element: str) -> tuple[str, float]:
    coding, _, parameter = element.partition(";")
    name, _, weight = parameter.partition("=")
    try:
        return coding.strip(), float(weight) if name.strip() == "q" else 1.0
    except ValueError:
        return coding.strip(), 0.0


def _represent(body: bytes, digest: str, encoding: Encoding) -> Representation:
    tag = f'"{digest}"'.encode()
    headers: tuple[HeaderField, ...] = (
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        (b"etag", tag),
    )
    return Representation(body, tag, (*headers, (b"content-encoding", encoding.encode())) if encoding else headers)


def _compress(body: bytes, encoding: Encoding) -> bytes:
    if encoding == "zstd":
        return zstd.compress(body)
    compressor = zlib.compressobj(wbits=_GZIP)
    return compressor.compress(body) + compressor.flush()
