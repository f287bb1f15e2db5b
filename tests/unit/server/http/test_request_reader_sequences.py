"""Requests of all kinds, one after the other on a connection: none is taken for a part of another."""

from itertools import pairwise

import httptools
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from heksher.server.http.request_reader import RefusedHeadError, RequestReader

LIMIT = 1024
UPGRADE = b"Connection: Upgrade\r\nUpgrade: h2c\r\n"
# What would do harm if it were taken for a request, or for an end.
BODIES = st.one_of(
    st.sampled_from([b"", b"a", b"\r\n\r\n", b"\r\n0\r\n\r\n", b"DELETE /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"]),
    st.binary(max_size=20),
    st.text("\r\n0", max_size=20).map(str.encode),
    st.sampled_from([b"\r\n\r\n" * LIMIT, b"a" * 2 * LIMIT]),
)
NUMBERS = st.integers(0, 1_000_000)


class Recorder:
    """Notes requests, and whether each is complete before the next one begins."""

    def __init__(self) -> None:
        self.requests: list[list] = []

    def begin_request(self, scope, *, is_kept: bool, expects_continue: bool) -> None:
        assert all(request[-1] for request in self.requests)
        self.requests.append([scope["method"], scope["raw_path"], scope["headers"], is_kept, b"", False])

    def add_body(self, data: bytes) -> None:
        self.requests[-1][-2] += data

    def end_request(self) -> None:
        self.requests[-1][-1] = True


def read(*pieces: bytes) -> list[list]:
    """Read all pieces; what one portion has is at most one request, with which it ends."""
    recorder = Recorder()
    reader = RequestReader(recorder, {"type": "http"}, LIMIT)
    for piece in pieces:
        start = 0
        while start < len(piece):
            count = sum(request[-1] for request in recorder.requests)
            before, start = start, reader.read(piece, start)
            assert before < start
            assert sum(request[-1] for request in recorder.requests) - count <= 1
    reader.close()
    return recorder.requests


@st.composite
def make_chunks(draw: st.DrawFn, body: bytes) -> bytes:
    """Make the chunks of a body, with all that they may have."""
    cuts = sorted({0, len(body), *draw(st.lists(st.integers(0, len(body)), max_size=3))})
    extension = draw(st.sampled_from([b"", b"", b";a", b";a=b", b';a="b;c"']))
    chunks = b"".join(
        draw(st.sampled_from([b"", b"0"])) + b"%x%b\r\n%b\r\n" % (end - start, extension, body[start:end])
        for start, end in pairwise(cuts)
    )
    end = draw(st.sampled_from([b"0", b"000", b"0;a=b"])) + b"\r\n"
    return (
        chunks + end + draw(st.sampled_from([b"", b"", b"T: v\r\n", b"T:\r\nConnection: close\r\nU: v\r\n"])) + b"\r\n"
    )


@st.composite
def make_request(draw: st.DrawFn) -> tuple[bytes, bytes]:
    """Make a request, and what its body is."""
    method = draw(st.sampled_from([b"GET", b"HEAD", b"POST", b"PUT", b"DELETE", b"OPTIONS", b"CONNECT"]))
    head = draw(st.sampled_from([b"", b"\r\n"])) + b"%b /%d HTTP/1.%d\r\n" % (
        method,
        draw(NUMBERS),
        draw(st.sampled_from([1, 1, 0])),
    )
    framing = draw(st.sampled_from(["none", "length", "chunked"]))
    body = b"" if framing == "none" else draw(BODIES)
    fields = [
        draw(st.sampled_from([b"", UPGRADE])),
        draw(st.sampled_from([b"", b"Host: a\r\n", b"X:\r\n", b"Connection: close\r\n"])),
    ]
    sent = body
    if framing == "length":
        fields.append(b"Content-Length: %d\r\n" % len(body))
    elif framing == "chunked":
        fields.append(b"Transfer-Encoding: chunked\r\n")
        sent = draw(make_chunks(body))
    return head + b"".join(draw(st.permutations(fields))) + b"\r\n" + sent, body


UPGRADED = b"PUT /A HTTP/1.1\r\n" + UPGRADE
CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n"
FIRST = (b"POST /r0 HTTP/1.1\r\n" + CHUNKED + b"0\r\n\r\n", b"")
SMUGGLED = b"DELETE /smuggled HTTP/1.1\r\nHost:localhost\r\nX:\r\n\r\n"


@given(st.lists(make_request(), max_size=6), st.lists(NUMBERS, max_size=8))
@example(
    [
        FIRST,
        (UPGRADED + b"Content-Length: %d\r\n\r\n" % len(SMUGGLED) + SMUGGLED, SMUGGLED),
        (b"GET /B HTTP/1.1\r\n" + UPGRADE + b"\r\n", b""),
    ],
    [],
)
@example([FIRST, *[(UPGRADED + CHUNKED + b"1\r\na\r\n0\r\n\r\n", b"a")] * 2, (b"GET / HTTP/1.1\r\n\r\n", b"")], [])
@example([FIRST, *[(b"CONNECT /A HTTP/1.1\r\nContent-Length: 1\r\n\r\na", b"a")] * 2, FIRST], [])
def test_requests_are_read_as_if_each_came_alone(requests: list[tuple[bytes, bytes]], cuts: list[int]):
    """Wherever what is sent is cut."""
    expected = [read(sent)[0] for sent, _ in requests]
    assert [body for _, body in requests] == [body for *_, body, _ in expected]
    data = b"".join(sent for sent, _ in requests)
    places = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    assert expected == read(*(data[start:end] for start, end in pairwise(places)))
    assert all(request[-1] for request in expected)


@given(st.lists(make_request(), min_size=1, max_size=3))
def test_requests_may_come_byte_by_byte(requests: list[tuple[bytes, bytes]]):
    """Each end is cut in every way then."""
    data = b"".join(sent for sent, _ in requests)
    assert [body for _, body in requests] == [body for *_, body, _ in read(*(bytes([byte]) for byte in data))]


@given(
    make_request(),
    st.lists(st.tuples(NUMBERS, st.sampled_from([b"", b"\r", b"\n", b"0", b";", b'"', b" ", b"-", b"_"]))),
)
def test_what_is_malformed_is_never_read_as_more_requests(request_: tuple[bytes, bytes], changes: list):
    """A portion is the same request for the parser as it is here, or else an error, whatever a chunk may look like."""
    data = request_[0]
    for place, text in changes:
        index = place % (len(data) + 1)
        data = data[:index] + text + data[index + 1 :]
    recorder = Recorder()
    reader = RequestReader(recorder, {"type": "http"}, LIMIT)
    data += b"GET /last HTTP/1.1\r\n\r\n"
    start = 0
    context: object = None
    try:
        while start < len(data):
            count = len(recorder.requests)
            start = reader.read(data, start)
            assert len(recorder.requests) <= count + 1
    except httptools.HttpParserError as error:
        context = error.__context__
    except RefusedHeadError:
        pass
    # Where a request ended, was known before.
    assert "within a portion" not in str(context)


@pytest.mark.parametrize(
    "line", [b"-1", b"", b"g", b"1_0", b"0x1", b"1 ", b"+1", b" 1", b"\t1", b"1\n", b"1\r\r", b"f" * 17]
)
def test_what_is_no_size_of_a_chunk_is_refused(line: bytes):
    """Also where Python would take it for a number."""
    with pytest.raises(httptools.HttpParserError):
        read(b"POST / HTTP/1.1\r\n" + CHUNKED + line + b"\r\n" + b"a" * 20 + b"\r\n0\r\n\r\n")
