"""Reading an answer's body, of which no more is taken than the client may hold.

An answer may have any length, or no end, and a small one may become a huge one by decompression. So a body is read
piece by piece, counted after decompression, and abandoned when it exceeds its limit; what is received is counted, too,
as there may be more of it than ever comes out. An answer that announces more than that is not read at all.

How much comes out of one piece must be bounded as well: 64 KiB of gzip hold 64 MiB, and of brotli far more. gzip and
deflate, the only encodings that are asked for, are decompressed here, step by step. Others come where the program asks
for them; httpx2 takes steps, too. Its predecessor httpx does not, so there they are refused.

``receive`` and ``receive_async`` leave a response as if the library had read it.
"""

import asyncio
import io
import zlib
from collections.abc import Callable, Iterator
from contextlib import aclosing
from typing import TYPE_CHECKING, Final

from heksher.clients.transport.private_part import put_content

if TYPE_CHECKING:
    import httpx2

# How much is decompressed at once, in bytes: few milliseconds' work, which an event loop can wait for.
STEP_BYTES: Final = 2**20

# The encodings that are asked for.
ACCEPTED_ENCODINGS: Final = "gzip, deflate"

_WINDOWS: Final = {"gzip": zlib.MAX_WBITS | 16, "x-gzip": zlib.MAX_WBITS | 16, "deflate": zlib.MAX_WBITS}
_LIBRARY_ENCODINGS: Final = frozenset({"br", "zstd"})
# Marks, among its extensions, a request for a stream of events, of which there is no end to wait for.
STREAM_EXTENSION: Final = "heksher_stream"

# Answers without a body, which may yet announce the length that it would have.
_BODILESS: Final = frozenset({204, 304})
# By how much compression may make a short body longer.
_OVERHEAD_BYTES: Final = 2**16
# What is left of a longer number is still larger than any limit.
_MAX_DIGITS: Final = 20


class ResponseTooLargeError(Exception):
    """An answer has a longer body than the client may hold.

    Attributes:
        response: the HTTP library's response, without its body.
    """

    def __init__(self, response: object, max_bytes: int) -> None:
        super().__init__(f"more than {max_bytes} bytes (max_response_bytes)")
        self.response = response


class DecodingError(Exception):
    """A body is not what its Content-Encoding says. Named as the HTTP libraries name it."""


def is_event_stream(native: "httpx2.Response") -> bool:
    """Return whether a response is the stream of events that was asked for, to be read as it comes in."""
    kind = native.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    is_asked_for = STREAM_EXTENSION in native.request.extensions
    return is_asked_for and native.status_code == 200 and kind == "text/event-stream" and not _read_encodings(native)  # noqa: PLR2004 - HTTP's own


def receive(native: "httpx2.Response", max_bytes: int, check: Callable[[], object]) -> None:
    """Read a response's body.

    Args:
        native: the library's response; it is left open if this fails.
        max_bytes: how many bytes the body may have, after decompression.
        check: called after each piece, to raise if there is no time for more.

    Raises:
        ResponseTooLargeError: it has more.
        DecodingError: it cannot be decompressed.
    """
    body = _begin(native, max_bytes)
    if body is not None:
        for chunk in native.iter_raw() if body.is_raw else native.iter_bytes():
            for _ in body.take(chunk):
                check()
            check()
        body.finish()


async def receive_async(native: "httpx2.Response", max_bytes: int) -> None:
    """Do what ``receive`` does, on an event loop, which is let run after each step."""
    body = _begin(native, max_bytes)
    if body is not None:
        async with aclosing(native.aiter_raw() if body.is_raw else native.aiter_bytes()) as chunks:
            async for chunk in chunks:
                for _ in body.take(chunk):
                    await asyncio.sleep(0)
        body.finish()


def _begin(native: "httpx2.Response", max_bytes: int) -> "_LimitedBody | None":
    """Return the body to read; ``None`` if it is there, as transports without a network have it."""
    if native.is_stream_consumed:
        if len(native.content) > max_bytes:
            raise ResponseTooLargeError(native, max_bytes)
        return None
    body = _LimitedBody(native, max_bytes)
    length = native.headers.get("Content-Length", "")
    if native.status_code not in _BODILESS and length.isdecimal():
        body.expect(int(length[:_MAX_DIGITS]))
    return body


class _LimitedBody:
    """A body that is coming in.

    Args:
        native: the response that it belongs to.
        max_bytes: as for ``receive``.

    Attributes:
        is_raw: whether the pieces are to be taken as they come in, or as the library decompresses them.
    """

    def __init__(self, native: "httpx2.Response", max_bytes: int) -> None:
        self._native = native
        self._max_bytes = max_bytes
        self._max_received_bytes = max_bytes
        # Unlike a list of pieces, it need not be copied at the end.
        self._content = io.BytesIO()
        self._decoder: _Decoder | None = None
        encodings = _read_encodings(native)
        if encodings:
            self._max_received_bytes += _OVERHEAD_BYTES
        self.is_raw = len(encodings) <= 1 and not _LIBRARY_ENCODINGS.intersection(encodings)
        if encodings and self.is_raw:
            self._decoder = _Decoder(encodings[0])
        elif not self.is_raw and type(native).__module__.partition(".")[0] == "httpx":
            raise DecodingError(f"no limit could be kept with Content-Encoding {', '.join(encodings)}")

    def expect(self, length: int) -> None:
        """Raise a ResponseTooLargeError if so many bytes are too many to be received."""
        if length > self._max_received_bytes:
            raise ResponseTooLargeError(self._native, self._max_bytes)

    def take(self, chunk: bytes) -> Iterator[None]:
        """Take what has come in. Yields after each step but the last."""
        self.expect(self._native.num_bytes_downloaded)
        for piece in (chunk,) if self._decoder is None else self._decoder.decode(chunk):
            if self._content.tell() + len(piece) > self._max_bytes:
                raise ResponseTooLargeError(self._native, self._max_bytes)
            self._content.write(piece)
            if len(piece) >= STEP_BYTES:
                yield

    def finish(self) -> None:
        """Put the body into the response, as if the library had read it."""
        if self._decoder is not None:
            self._decoder.finish()
        put_content(self._native, self._content.getvalue())


class _Decoder:
    """Decompresses gzip and deflate step by step."""

    def __init__(self, encoding: str) -> None:
        self._zlib = zlib.decompressobj(_WINDOWS[encoding])
        # Many servers send as deflate what is only the inside of it; it shows with the first piece.
        self._is_bare_possible = encoding == "deflate"
        self._is_begun = False

    def decode(self, chunk: bytes) -> Iterator[bytes]:
        """Return what comes out of a piece, at most ``STEP_BYTES`` at once. What follows the end is passed over."""
        self._is_begun = True
        if self._zlib.eof:
            return
        piece = self._decompress(chunk)
        while piece:
            yield piece
            # Also if nothing is left to come in, something may be left to come out.
            piece = self._decompress(self._zlib.unconsumed_tail)

    def finish(self) -> None:
        """Raise a DecodingError if something is missing. Nothing at all is an empty body."""
        if self._is_begun and not self._zlib.eof:
            raise DecodingError("the compressed body is incomplete")

    def _decompress(self, data: bytes) -> bytes:
        is_bare_possible, self._is_bare_possible = self._is_bare_possible, False
        try:
            return self._zlib.decompress(data, STEP_BYTES)
        except zlib.error as error:
            if not is_bare_possible:
                raise DecodingError(str(error)) from error
        self._zlib = zlib.decompressobj(-zlib.MAX_WBITS)
        return self._decompress(data)


def _read_encodings(native: "httpx2.Response") -> list[str]:
    """List the encodings of a body; as in the libraries, those that nobody knows count as none."""
    names = (name.strip().lower() for name in native.headers.get("Content-Encoding", "").split(","))
    return [name for name in names if name in _WINDOWS or name in _LIBRARY_ENCODINGS]
