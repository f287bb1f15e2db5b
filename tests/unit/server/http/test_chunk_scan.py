"""Where a body in chunks ends."""

import pytest

from heksher.server.http.chunk_scan import ChunkScan, find_end

NEXT = b"GET / HTTP/1.1\r\n\r\n"


@pytest.mark.parametrize(
    "body",
    [
        b"0\r\n\r\n",
        b"000;a=b\r\n\r\n",
        b"3\r\nabc\r\n0\r\n\r\n",
        b"9\r\n\r\n0\r\n\r\n\r\n\r\n0\r\n\r\n",
        b"0A;a\r\n0123456789\r\n1\r\n\n\r\n0\r\nT: v\r\nU:\r\n\r\n",
    ],
)
def test_the_end_is_found_in_whatever_pieces_a_body_comes(body: bytes):
    """Nothing of what follows counts, and data that looks like an end is none."""
    data = body + NEXT
    for size in range(1, len(data) + 1):
        scan = ChunkScan()
        ends = []
        for start in range(0, len(data), size):
            stop = min(start + size, len(data))
            ends.append(scan.find_end(data, start, stop))
            assert start < ends[-1] <= stop
            if ends[-1] >= len(body):
                break
        assert len(body) == ends[-1]


@pytest.mark.parametrize("line", [b"\r\n", b"g\r\n", b"-1\r\n", b";\r\n"])
def test_what_is_no_chunk_is_not_followed(line: bytes):
    """It is left to the parser, alone."""
    assert len(line) == ChunkScan().find_end(line + NEXT, 0, len(line + NEXT))


@pytest.mark.parametrize(("last", "end"), [(b"", 9), (b"a\r\n", 2), (b"\r\n\r", 1), (b"a", 9)])
def test_an_end_may_have_begun_before(last: bytes, end: int):
    """In the last bytes of a portion before."""
    assert end == find_end(b"\n\nabc\r\n\r\n" if end == 1 else b"\r\nabc\r\n\r\n", 0, 9, last)


def test_many_chunks_are_not_followed_at_once():
    """However small they are; what was followed so far is a part of the body."""
    body = b"1\r\nx\r\n" * 1000 + b"0\r\n\r\n"
    scan, end, steps = ChunkScan(), 0, 0
    while end < len(body):
        end = scan.find_end(body, end, len(body))
        steps += 1
        assert scan.is_cut is (end < len(body))
    assert 6 == steps
