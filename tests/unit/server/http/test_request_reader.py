"""Requests read from bytes, within limits."""

from itertools import pairwise

import httptools
import pytest
from hypothesis import given
from hypothesis import strategies as st

from heksher.server.http.request_reader import HeadTooLargeError, RefusedHeadError, RequestReader, _split

LIMIT = 1024
REQUESTS = (
    b"GET /a?b=1 HTTP/1.1\r\nHost: x\r\n\r\n"
    b"POST /b HTTP/1.1\r\nContent-Length: 5\r\nX-A: 1\r\n\r\n12\r\n\r"
    b"POST /c HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nT: v\r\n\r\n"
    b"GET /d HTTP/1.0\r\n\r\n"
)
EXPECTED = [
    ("/a", b"b=1", b"", True),
    ("/b", b"", b"12\r\n\r", True),
    ("/c", b"", b"abcde", True),
    ("/d", b"", b"", False),
]


class Recorder:
    """Is told of requests, and notes them."""

    def __init__(self) -> None:
        self.requests: list[list] = []
        self.completed = 0
        self.continued: list[bool] = []

    def begin_request(self, scope, *, is_kept: bool, expects_continue: bool) -> None:
        self.requests.append([scope["path"], scope["query_string"], b"", is_kept])
        self.scope = scope
        self.continued.append(expects_continue)

    def add_body(self, data: bytes) -> None:
        self.requests[-1][2] += data

    def end_request(self) -> None:
        self.completed += 1


def read(*pieces: bytes, limit: int = LIMIT) -> Recorder:
    """Read all that comes, piece by piece."""
    recorder = Recorder()
    reader = RequestReader(recorder, {"type": "http"}, limit)
    for piece in pieces:
        start = 0
        while start < len(piece):
            before, start = start, reader.read(piece, start)
            assert before < start
    reader.close()
    return recorder


def test_a_request_becomes_a_scope():
    """As ASGI has it: the path without its escapes, the names of header fields in lower case."""
    recorder = read(b"PUT /a%20b/%C3%BC?q=%20 HTTP/1.1\r\nHost: x\r\nX-A: B\r\n\r\n")
    assert {
        "type": "http",
        "http_version": "1.1",
        "method": "PUT",
        "path": "/a b/ü",
        "raw_path": b"/a%20b/%C3%BC",
        "query_string": b"q=%20",
        "headers": [(b"host", b"x"), (b"x-a", b"B")],
    } == recorder.scope


@given(st.lists(st.integers(0, len(REQUESTS))))
def test_it_does_not_matter_in_which_pieces_requests_come(cuts: list[int]):
    """Also where the end of a head is cut in two, and where a body looks like such an end."""
    places = [0, *sorted(cuts), len(REQUESTS)]
    recorder = read(*(REQUESTS[start:end] for start, end in pairwise(places)))
    assert [list(request) for request in EXPECTED] == recorder.requests
    assert len(EXPECTED) == recorder.completed


def test_one_request_is_read_at_once():
    """However many come in one piece, and of whichever kind: what reads them can stop after each."""
    recorder = Recorder()
    reader = RequestReader(recorder, {}, LIMIT)
    data = b"GET / HTTP/1.1\r\n\r\n" * 1000
    start = 0
    for number in range(1, 100):
        start = reader.read(data, start)
        assert number == recorder.completed
    chunked = b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n" + b"0\r\n\r\n"
    recorder = Recorder()
    reader = RequestReader(recorder, {}, LIMIT)
    assert len(chunked) == reader.read(chunked + data, reader.read(chunked + data, 0))
    assert 1 == recorder.completed


@pytest.mark.parametrize("size", [1, 7, LIMIT, 2 * LIMIT])
@pytest.mark.parametrize(
    ("head", "is_line"),
    [
        (b"GET /%s HTTP/1.1\r\n\r\n", True),
        (b"GET / HTTP/1.1\r\nX: %s\r\n\r\n", False),
        (b"GET / HTTP/1.1\r\n%s: x\r\n\r\n", False),
        (b"POST / HTTP/1.1\r\nContent-Length: 3\r\nX: %s\r\n\r\nabc", False),
    ],
)
def test_a_head_may_have_so_many_bytes_and_not_one_more(size: int, head: bytes, is_line: bool):
    """In whatever pieces it comes."""
    bare = len(head.partition(b"\r\n\r\n")[0]) + 4 - len(b"%s")

    def send(length: int) -> Recorder:
        whole = head.replace(b"%s", b"a" * (length - bare))
        return read(*(whole[start : start + size] for start in range(0, len(whole), size)))

    assert 1 == send(LIMIT).completed
    with pytest.raises(HeadTooLargeError) as raised:
        send(LIMIT + 1)
    assert is_line == raised.value.is_line


def test_many_small_fields_are_too_many():
    """Each of them costs more than its bytes."""
    with pytest.raises(HeadTooLargeError):
        read(b"GET / HTTP/1.1\r\n" + b"a:\r\n" * 201 + b"\r\n", limit=65536)


def test_many_small_fields_are_too_many_while_an_error_is_dealt_with():
    """Then the parser's own errors have another context."""
    try:
        raise ValueError
    except ValueError:
        with pytest.raises(HeadTooLargeError):
            read(b"GET / HTTP/1.1\r\n" + b"a:\r\n" * 201 + b"\r\n", limit=65536)


def test_line_breaks_before_a_request_count_as_its_head():
    """They are skipped, but not without end."""
    assert 1 == read(b"\r\n" * 10 + b"GET / HTTP/1.1\r\n\r\n").completed
    with pytest.raises(HeadTooLargeError):
        read(*[b"\r\n" * 10] * 100)


@pytest.mark.parametrize("start", [b"", b"\r", b"\r\n", b"\r\n\r\n\r"])
@pytest.mark.parametrize("first", [b"", b"GET / HTTP/1.1\r\n\r\n", b"POST / HTTP/1.1\r\nContent-Length: 1\r\n\r\na"])
def test_a_request_has_not_begun_with_the_empty_lines_before_it(first: bytes, start: bytes):
    """It has with its first character."""
    reader = RequestReader(Recorder(), {"type": "http"}, LIMIT)
    for piece, has_begun in ((first, False), (start, False), (b"\r\n", False), (b"G", True), (b"ET /", True)):
        at = 0
        while at < len(piece):
            at = reader.read(piece, at)
        assert has_begun == reader.has_begun


@pytest.mark.parametrize("rest", [b"0\r\nX: %s\r\n\r\n", b"0\r\n%s: x\r\n\r\n", b"1;%s\r\na\r\n0\r\n\r\n"])
@pytest.mark.parametrize("size", [1, 100, 5000])
def test_what_is_no_data_of_a_body_is_limited_likewise(rest: bytes, size: int):
    """Fields after it, and what is said of each part."""
    head = b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"
    whole = head + rest.replace(b"%s", b"a" * 2 * LIMIT)
    with pytest.raises(HeadTooLargeError) as raised:
        read(*(whole[start : start + size] for start in range(0, len(whole), size)))
    assert not raised.value.is_line
    small = head + rest.replace(b"%s", b"a" * (LIMIT // 2))
    assert 1 == read(*(small[start : start + size] for start in range(0, len(small), size))).completed


def test_bodies_have_no_limit_here():
    """With a length or in parts, however small those are."""
    assert 10_000 == len(read(b"POST / HTTP/1.1\r\nContent-Length: 10000\r\n\r\n" + b"a" * 10_000).requests[0][2])
    parts = b"1\r\n\r\r\n" * 10_000 + b"0\r\n\r\n"
    assert 10_000 == len(read(b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n" + parts).requests[0][2])


def test_a_body_is_read_in_few_portions():
    """Also one that consists of what ends a head."""
    body = b"\r\n\r\n" * 10_000
    data = b"POST / HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % len(body) + body
    recorder = Recorder()
    reader = RequestReader(recorder, {}, LIMIT)
    assert len(data) == reader.read(data, reader.read(data, 0))
    assert 1 == recorder.completed


@pytest.mark.parametrize(
    ("version", "length", "is_noticed"), [(b"1.1", b"1", True), (b"1.1", b"0", False), (b"1.0", b"1", False)]
)
@pytest.mark.parametrize("method", [b"POST", b"GET"])
def test_a_client_that_waits_to_send_its_body_is_noticed(
    method: bytes, version: bytes, length: bytes, *, is_noticed: bool
):
    """Where there is a body, and the version has such a thing."""
    fields = b"Expect: 100-Continue \t\r\nContent-Length: %b\r\n" % length
    recorder = read(b"%b / HTTP/%b\r\n%b\r\n%b" % (method, version, fields, b"a" * int(length)))
    assert [is_noticed] == recorder.continued


@pytest.mark.parametrize("count", [200, 201])
@pytest.mark.parametrize("size", [7, 65536])
def test_so_many_fields_may_follow_a_body_and_not_one_more(count: int, size: int):
    """In each request anew, and beside a wish for another protocol as well."""
    fields = b"Connection: Upgrade\r\nUpgrade: h2c\r\nTransfer-Encoding: chunked\r\n"
    request = b"POST / HTTP/1.1\r\n" + fields + b"\r\n1\r\na\r\n0\r\n" + b"a:\r\n" * count + b"\r\n"
    pieces = [request[start : start + size] for start in range(0, len(request), size)] * 2
    if count == 200:
        assert 2 == read(*pieces).completed
    else:
        with pytest.raises(HeadTooLargeError):
            read(*pieces)


@pytest.mark.parametrize("blanks", [b"", b" ", b"\t", b" \t  "])
def test_blanks_around_a_value_are_no_part_of_it(blanks: bytes):
    """Those within it are."""
    fields = b"Host:%b b %b\r\nX:%b\r\nY: a \t b%b\r\nContent-Length: 1%b\r\n".replace(b"%b", blanks)
    recorder = read(b"POST / HTTP/1.1\r\n" + fields + b"\r\na")
    expected = [(b"host", b"b"), (b"x", b""), (b"y", b"a \t b"), (b"content-length", b"1")]
    assert (expected, b"a") == (recorder.scope["headers"], recorder.requests[0][2])


@pytest.mark.parametrize(
    "field",
    [
        b"Transfer-Encoding: chunked \t",
        b"Transfer-Encoding: chunked\r\nContent-Length: 3 ",
        b"Transfer-Encoding : chunked",
        b"Transfer-Encoding: chunked\x0b",
        b"Content-Length: 3 3",
        b"Content-Length: 3\r\nContent-Length: 3\t",
        b"Content-Length: 3\x0c",
        b"Host: a\r\n Content-Length: 3",
    ],
)
@pytest.mark.parametrize("upgrade", [b"", b"Connection: Upgrade\r\nUpgrade: h2c\r\n"])
def test_blanks_smuggle_nothing(field: bytes, upgrade: bytes):
    """What two programs could read differently is refused, also beside a wish for another protocol."""
    with pytest.raises(httptools.HttpParserError):
        read(b"POST / HTTP/1.1\r\n" + upgrade + field + b"\r\n\r\n3\r\nabc\r\n0\r\n\r\n")


@pytest.mark.parametrize(
    "fields", [b"Transfer-Encoding: %b, chunked\r\n", b"Transfer-Encoding: %b\r\nTransfer-Encoding: chunked\r\n"]
)
@pytest.mark.parametrize("coding", [b"gzip", b"GZIP;q=1", b"", b"identity", b"gzip, deflate"])
@pytest.mark.parametrize("upgrade", [b"", b"Connection: Upgrade\r\nUpgrade: h2c\r\n"])
def test_a_body_that_would_have_to_be_decoded_is_refused(fields: bytes, coding: bytes, upgrade: bytes):
    """The application would take what is compressed for what was meant."""
    request = b"POST / HTTP/1.1\r\n" + upgrade + fields.replace(b"%b", coding or b" ") + b"\r\n0\r\n\r\n"
    with pytest.raises((RefusedHeadError, httptools.HttpParserError)) as raised:
        read(request)
    if coding:
        assert (501, "malformed") == (raised.value.status, raised.value.reason)
        assert "this service knows chunked alone" in raised.value.detail


@pytest.mark.parametrize(
    "fields",
    [b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n", b"Transfer-Encoding: chunked\r\nContent-Length: 3\r\n"],
)
@pytest.mark.parametrize("upgrade", [b"", b"Connection: Upgrade\r\nUpgrade: h2c\r\n"])
def test_a_body_has_one_length(fields: bytes, upgrade: bytes):
    """Two programs could take each the other one."""
    with pytest.raises(httptools.HttpParserError):
        read(b"POST / HTTP/1.1\r\n" + upgrade + fields + b"\r\n3\r\nabc\r\n0\r\n\r\n")


@pytest.mark.parametrize(
    ("end", "status"), [(b" HTTP/2.0", 505), (b" HTTP/0.9", 400), (b"", 400), (b"\r\nHost: a", 400)]
)
def test_other_versions_are_not_spoken(end: bytes, status: int):
    """The answer would be one that they do not know; a line without a version is of one that had no header fields."""
    with pytest.raises(RefusedHeadError, match=r"HTTP/1\.1 and HTTP/1\.0") as raised:
        read(b"GET /a" + end + b"\r\n\r\n")
    assert (status, "malformed") == (raised.value.status, raised.value.reason)


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        (b"http://h", (b"/", b"")),
        (b"http://h:80", (b"/", b"")),
        (b"http://h?a=/b", (b"/", b"a=/b")),
        (b"http://h/?", (b"/", b"")),
    ],
)
def test_a_whole_url_may_leave_out_its_path(target: bytes, expected: tuple[bytes, bytes]):
    """It is that of the root."""
    assert expected == _split(target)


@pytest.mark.parametrize("target", [b"/", b"/a?b?c", b"//a/b", b"/a#b?c", b"http://h/p?q", b"*", b"/a;b=c?"])
def test_targets_are_split_as_the_parsers_library_does(target: bytes):
    """The usual ones without it."""
    url = httptools.parse_url(target)
    assert (url.path, url.query or b"") == _split(target)


@pytest.mark.parametrize(
    "data", [b"CONNECT a:1 HTTP/1.1\r\n\r\n", "GET /ü HTTP/1.1\r\n\r\n".encode(), b"nothing\r\n\r\n"]
)
def test_what_is_no_request_to_this_service_is_an_error(data: bytes):
    """As the library says it."""
    with pytest.raises(httptools.HttpParserError):
        read(data)
