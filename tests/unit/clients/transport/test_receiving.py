"""Reading bodies: without a network, what cannot be seen from outside."""

import asyncio
import zlib
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import httpx
import httpx2
import pytest

from heksher.clients.transport.receiving import STEP_BYTES, DecodingError, ResponseTooLargeError, receive, receive_async

Read = Callable[[Any, int], None]


def make(library: Any, encoding: str, *pieces: bytes) -> Any:
    """Make a response whose body has not been read."""

    class Stream(library.SyncByteStream, library.AsyncByteStream):  # type: ignore[misc, name-defined]
        def __iter__(self) -> Iterator[bytes]:
            yield from pieces

        async def __aiter__(self) -> AsyncIterator[bytes]:
            for piece in pieces:
                yield piece

    return library.Response(200, headers={"Content-Encoding": encoding}, stream=Stream())


def read_async(native: Any, max_bytes: int) -> None:
    asyncio.run(receive_async(native, max_bytes))


def read(native: Any, max_bytes: int) -> None:
    receive(native, max_bytes, lambda: None)


@pytest.fixture(params=[read, read_async])
def receiver(request: pytest.FixtureRequest) -> Read:
    receiver: Read = request.param
    return receiver


def compress(data: bytes) -> bytes:
    compressor = zlib.compressobj(wbits=31)
    return compressor.compress(data) + compressor.flush()


@pytest.mark.parametrize("library", [httpx, httpx2])
def test_any_pieces(receiver: Read, library: Any) -> None:
    """It does not matter in which pieces a compressed body comes."""
    body = compress(b"some text")
    native = make(library, "gzip", *(body[index : index + 1] for index in range(len(body))))
    receiver(native, 9)
    assert native.content == b"some text"


def test_compression_that_makes_longer(receiver: Read) -> None:
    """A short body may be longer when it is compressed, which is not held against it; but it cannot be much longer."""
    native = make(httpx2, "gzip", compress(b"1"))
    native.headers["Content-Length"] = "1000"
    receiver(native, 1)
    assert native.content == b"1"
    for length in ("70000", "9" * 5000):
        native = make(httpx2, "gzip", compress(b"1"))
        native.headers["Content-Length"] = length
        with pytest.raises(ResponseTooLargeError, match="more than 1 bytes"):
            receiver(native, 1)


def test_body_that_is_there(receiver: Read) -> None:
    """A response that has its body keeps it, unless it is too long."""
    native = httpx2.Response(200, content=b"12345")
    receiver(native, 5)
    assert native.content == b"12345"
    with pytest.raises(ResponseTooLargeError, match=r"more than 4 bytes \(max_response_bytes\)") as raised:
        receiver(native, 4)
    assert native is raised.value.response


@pytest.mark.parametrize("encoding", ["br", "zstd", "gzip, br", "gzip, gzip", "BR"])
def test_encodings_that_httpx_does_not_bound(receiver: Read, encoding: str) -> None:
    """The old library would decompress any amount at once, so it is not let do that."""
    native = make(httpx, encoding, b"")
    with pytest.raises(DecodingError, match="no limit could be kept with Content-Encoding "):
        receiver(native, 100)
    assert not native.is_stream_consumed


def test_encodings_that_httpx2_bounds(receiver: Read) -> None:
    """httpx2 decompresses step by step, so all that it knows can be read; and the steps are counted."""
    body = compress(compress(b"x" * 5 * STEP_BYTES))
    native = make(httpx2, "gzip, gzip", body)
    receiver(native, 5 * STEP_BYTES)
    assert len(native.content) == 5 * STEP_BYTES
    with pytest.raises(ResponseTooLargeError):
        receiver(make(httpx2, "gzip, gzip", body), 5 * STEP_BYTES - 1)


def test_time_is_looked_at_after_each_step() -> None:
    """There may be no time for more, though nothing more has to come in."""
    calls = 0

    def check() -> None:
        nonlocal calls
        calls += 1
        if calls == 3:
            raise TimeoutError

    with pytest.raises(TimeoutError):
        receive(make(httpx2, "gzip", compress(bytes(5 * STEP_BYTES))), 5 * STEP_BYTES, check)


def test_body_with_an_impossible_length(receiver: Read) -> None:
    """A length that is no number is not the business of who counts."""
    native = make(httpx2, "", b"12345")
    native.headers["Content-Length"] = "five"
    receiver(native, 5)
    assert native.content == b"12345"
    native = make(httpx2, "", b"12345")
    native.headers["Content-Length"] = "9" * 5000
    with pytest.raises(ResponseTooLargeError):
        receiver(native, 5)
