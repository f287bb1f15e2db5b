"""Reads requests from the bytes of a connection, with bounds on all that is not a body.

The parser itself has no limits: it joins a header field that comes in many pieces by copying all of it for each piece,
and it parses as many requests as it is given, but does not say where one of them ends. So it is given bytes in
*portions*. A portion ends where a head or a body ends, at the latest at the limit; so nothing ever follows a request,
or the head of one, in the same portion, and between two portions the connection can stop.

Source: RFC 9112; llhttp, which lets a head, and a body in chunks, end in CRLF CRLF only.
"""

from typing import Final, NoReturn, Protocol
from urllib.parse import unquote

import httptools
from starlette.types import Scope

from heksher.server.http.chunk_scan import END, MAX_SEAM_BYTES, ChunkScan, find_end
from heksher.server.http.ended import Reason
from heksher.value_type import shorten

# All of a request line that is not its target: the longest method, blanks, and the version.
_MAX_LINE_REST_BYTES: Final = 48
# More fields than any program sends. Each step of a request looks at all of them, and a stream keeps them.
_MAX_FIELDS: Final = 200
# What may stand after the value of a field, and before it, where the parser drops it, without being a part of it: RFC
# 9110, section 5.5.
_BLANKS: Final = b" \t"
# Before the later one there are neither chunks nor connections that stay open nor answers before the answer.
_LEAST_VERSION: Final = "1.1"
_VERSIONS: Final = ("1.1", "1.0")


class RequestReceiver(Protocol):
    """Is told of requests as they are read."""

    def begin_request(self, scope: Scope, *, is_kept: bool, expects_continue: bool) -> None:
        """Take the head of a request.

        Args:
            scope: of the application.
            is_kept: whether the connection stays open after the answer.
            expects_continue: whether the client waits to be told before it sends a body.
        """

    def add_body(self, data: bytes) -> None:
        """Take a part of the body of the request that was begun last."""

    def end_request(self) -> None:
        """Note that the request that was begun last is complete."""


class RefusedHeadError(Exception):
    """What a request says of itself, or how much it says, is not accepted.

    Attributes:
        status: the status of the answer.
        detail: what is wrong.
        reason: what the end of the connection is counted as.
    """

    def __init__(self, status: int, detail: str, reason: Reason = "malformed") -> None:
        super().__init__(detail)
        self.status: int = status
        self.detail: str = detail
        self.reason: Reason = reason


class HeadTooLargeError(RefusedHeadError):
    """A request line with its header fields, or the fields after a body, are larger than the limit.

    Args:
        most: how large a head may be.
        is_line: whether the request line alone is larger.
    """

    def __init__(self, most: int, *, is_line: bool) -> None:
        line = f"the request line is larger than {most} bytes; POST /api/v1/query takes large queries in its body"
        head = f"the request line and the header fields are larger than {most} bytes, or too many fields"
        super().__init__(414 if is_line else 431, line if is_line else head, "large_head")
        self.is_line: bool = is_line


class RequestReader:
    """Reads the requests of one connection.

    Args:
        receiver: is told of them.
        base: what the scopes of all requests of the connection have in common.
        max_head_bytes: the largest head, and how many bytes of a body may come without data among them.

    Attributes:
        is_in_head: whether what comes next belongs to a head.
        has_begun: whether more has come of a request than empty lines before it, which mean nothing.
        head_bytes: what has been read of a head that is not complete, or of a body since its last data.
    """

    __slots__ = (
        "_base",
        "_body_left",
        "_chunks",
        "_data_bytes",
        "_end_fields",
        "_fault",
        "_fields",
        "_framing",
        "_is_past_end",
        "_is_priming",
        "_is_spent",
        "_last_bytes",
        "_max_head_bytes",
        "_parser",
        "_receiver",
        "_target",
        "has_begun",
        "head_bytes",
        "is_in_head",
    )

    def __init__(self, receiver: RequestReceiver, base: Scope, max_head_bytes: int) -> None:
        self._receiver = receiver
        self._base = base
        self._max_head_bytes = max_head_bytes
        self._parser = httptools.HttpRequestParser(self)
        # Whether the parser is given a head only to have it read the body that follows.
        self._is_priming = False
        self._target = b""
        self._fields: list[tuple[bytes, bytes]] = []
        # How many fields have come after a body.
        self._end_fields = 0
        # The header field that says how long the body is; None without a body.
        self._framing: bytes | None = None
        # What is still to come of a body with a known length, else 0.
        self._body_left = 0
        # The data of a body in the portion that is being read.
        self._data_bytes = 0
        # Finds the end of a body that comes in chunks.
        self._chunks = ChunkScan()
        # The last bytes of what has come of a head, in which its end may have begun.
        self._last_bytes = b""
        # Whether a request has ended in the portion that is being read.
        self._is_past_end = False
        # Whether the parser reads no more requests: one asks for the end of the connection, maybe after its body only.
        # Whether the connection ends, is not decided here.
        self._is_spent = False
        # What is wrong with a head. Noted here, as the parser has an error of its own then.
        self._fault: RefusedHeadError | None = None
        self.has_begun: bool = False
        self.is_in_head: bool = True
        self.head_bytes: int = 0

    def read(self, data: bytes, start: int) -> int:
        """Read one portion; return where it ends. At most one request ends in it, and then with it.

        Args:
            data: what has arrived.
            start: where the portion begins.

        Raises:
            RefusedHeadError: a head, or what follows a body, is too large, or a head says what is not understood here.
            HttpParserError: this is not HTTP.
        """
        end = self._find_end(data, start)
        size = end - start
        self.head_bytes += size
        self._is_past_end = False
        self._feed(data if size == len(data) else memoryview(data)[start:end], size)
        if self._is_spent:
            self._is_spent = False
            self._parser = httptools.HttpRequestParser(self)
        if self._data_bytes:
            self.head_bytes = size - self._data_bytes
            self._data_bytes = 0
        if self.head_bytes >= self._max_head_bytes:
            raise HeadTooLargeError(self._max_head_bytes, is_line=self._is_in_line())
        return end

    @property
    def is_cut(self) -> bool:
        """Whether the last portion ended only because it had many chunks: what follows may take as long to read."""
        return self._chunks.is_cut

    def close(self) -> None:
        """Let go of the parser and the receiver, which know this object. Nothing can be read afterwards."""
        del self._parser, self._receiver

    def _find_end(self, data: bytes, start: int) -> int:
        if self._body_left:
            return min(start + self._body_left, len(data))
        stop = min(len(data), start + self._max_head_bytes - self.head_bytes)
        if not self.is_in_head:
            return self._chunks.find_end(data, start, stop)
        if not self.head_bytes and (end := data.find(END, start, stop)) >= 0:
            return end + len(END)  # a whole head, as nearly all of them come
        end = find_end(data, start, stop, self._last_bytes)
        self._last_bytes = (self._last_bytes + data[max(start, end - MAX_SEAM_BYTES) : end])[-MAX_SEAM_BYTES:]
        return end

    def _feed(self, portion: bytes | memoryview, size: int) -> None:
        try:
            self._parser.feed_data(portion)
        except httptools.HttpParserUpgrade as upgrade:
            # The request is answered in this protocol.
            if upgrade.args[0] != size:
                raise httptools.HttpParserError("a head has ended within a portion") from None
            if self._framing is not None:
                self._prime(self._framing)
        except httptools.HttpParserCallbackError:
            if self._fault is not None:
                raise self._fault from None
            raise

    def _prime(self, framing: bytes) -> None:
        """Have a body read that the parser takes for another protocol, which the request asks for besides.

        Args:
            framing: the header field that says how long it is.
        """
        self._parser = httptools.HttpRequestParser(self)
        self._is_priming = True
        self._parser.feed_data(b"POST / HTTP/1.1\r\n" + framing + b"\r\n\r\n")
        self._is_priming = False

    def _refuse(self, fault: RefusedHeadError) -> NoReturn:
        self._fault = fault
        raise fault

    def _is_in_line(self) -> bool:
        return self.is_in_head and not self._fields and self.head_bytes - len(self._target) < _MAX_LINE_REST_BYTES

    # What the parser calls.

    def on_message_begin(self) -> None:
        """Make sure that nothing is read after a request in the same portion: it must be answered first."""
        if self._is_past_end:
            raise httptools.HttpParserError("a request has ended within a portion")
        self.has_begun = True

    def on_url(self, target: bytes) -> None:
        """Take a part of the request's target."""
        if not self._is_priming:
            self._target += target

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header field; those after a body are not used."""
        if self.is_in_head:
            self._fields.append((name.lower(), value))
        elif not self._is_priming:
            self._end_fields += 1
            if self._end_fields > _MAX_FIELDS:
                self._refuse(HeadTooLargeError(self._max_head_bytes, is_line=False))

    def on_headers_complete(self) -> None:
        """Tell the receiver of the request."""
        if self._is_priming:
            return
        if len(self._fields) > _MAX_FIELDS:
            self._refuse(HeadTooLargeError(self._max_head_bytes, is_line=False))
        parser = self._parser
        version = parser.get_http_version()
        if version not in _VERSIONS:
            self._refuse(_describe_version(version))
        method = parser.get_method().decode("ascii")
        path, query = _split(self._target)
        text = path.decode("ascii")
        fields = self._fields
        scope = {
            **self._base,
            "http_version": version,
            "method": method,
            "path": unquote(text) if "%" in text else text,
            "raw_path": path,
            "query_string": query,
            # Stripped only here: how long the body is, the parser has judged by the value as it came.
            "headers": [(name, value.rstrip(_BLANKS)) for name, value in fields],
        }
        self._target = b""
        self._fields = []
        self.is_in_head = False
        self.head_bytes = 0
        # Of a GET, too, the body is read: taken for the next request, it could be one that somebody has smuggled in.
        expects_continue = self._prepare_body(fields) and version >= _LEAST_VERSION
        is_kept = version >= _LEAST_VERSION and parser.should_keep_alive()
        self._receiver.begin_request(scope, is_kept=is_kept, expects_continue=expects_continue)

    def on_body(self, data: bytes) -> None:
        """Pass on a part of the body."""
        size = len(data)
        self._data_bytes += size
        if self._body_left:
            self._body_left -= size
        self._receiver.add_body(data)

    def on_message_complete(self) -> None:
        """Tell the receiver of the end of the request."""
        if self._framing is not None and self._parser.should_upgrade():
            return  # its body is still to be read
        self._is_spent = not self._parser.should_keep_alive()
        self._framing = None
        self.is_in_head = self._is_past_end = True
        self.has_begun = False
        self.head_bytes = self._data_bytes = self._body_left = self._end_fields = 0
        self._receiver.end_request()

    def _prepare_body(self, fields: list[tuple[bytes, bytes]]) -> bool:
        """Note the length of a body; return whether the client waits to be told to send it."""
        expects_continue = False
        codings = b""
        for name, value in fields:
            if name == b"content-length":
                # The parser has checked it.
                self._body_left = int(value)
                self._framing = b"content-length: " + value if self._body_left else None
            elif name == b"transfer-encoding":
                codings += b"," + value
            elif name == b"expect" and value.rstrip(_BLANKS).lower() == b"100-continue":
                expects_continue = True
        if codings:
            self._prepare_chunks(codings[1:])
        return expects_continue and self._framing is not None

    def _prepare_chunks(self, codings: bytes) -> None:
        """Note that a body comes in chunks.

        Args:
            codings: what was done to it, the last one last. Where that is not to make chunks, the parser refuses it.
        """
        *others, last = (coding.strip(_BLANKS).lower() for coding in codings.split(b","))
        if others and last == b"chunked":
            shown = shorten(repr(codings.decode("latin-1")))
            self._refuse(RefusedHeadError(501, f"Transfer-Encoding: {shown}: this service knows chunked alone"))
        self._chunks = ChunkScan()
        self._framing = b"transfer-encoding: " + codings


def _describe_version(version: str) -> RefusedHeadError:
    """Return why a request is refused that has another version, or none, which counts as 0.9."""
    detail = "this service speaks HTTP/1.1 and HTTP/1.0: the request line has to end with one of them"
    return RefusedHeadError(400 if version < _VERSIONS[-1] else 505, detail)


def _split(target: bytes) -> tuple[bytes, bytes]:
    """Return the path and the query of a target.

    Raises:
        HttpParserInvalidURLError: it has no path.
    """
    if target.startswith(b"/") and b"#" not in target:
        path, _, query = target.partition(b"?")
        return path, query
    url = httptools.parse_url(target)
    # A whole URL may leave out the path: RFC 9112, section 3.2.
    return url.path or b"/", url.query or b""
