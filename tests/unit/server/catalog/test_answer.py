"""An answer as it is sent: its forms and their tags."""

import gzip
import os
import sys

import pytest

from heksher.server.catalog.answer import MIN_COMPRESSED_BYTES, Answer, Encoding, choose_encoding

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

LARGE = b'{"settings":{' + b"x" * MIN_COMPRESSED_BYTES + b"}}"
SMALL = b'{"settings":{}}'
DECOMPRESS = {"gzip": gzip.decompress, "zstd": zstd.decompress}


def test_equal_answers_have_equal_tags():
    """So any process, and any start of it, answers 304 to what another one has told."""
    assert Answer(SMALL, ("a", "b")).plain.tag == Answer(SMALL, ("a", "b")).plain.tag


@pytest.mark.trap(21)
def test_the_tag_covers_content_and_order():
    """Wherever one of the two ends."""
    several = [
        Answer(SMALL, ("a", "b")),
        Answer(SMALL, ("b", "a")),
        Answer(SMALL + b" ", ("a", "b")),
        Answer(SMALL, ()),
        Answer(b"\n" + SMALL, ()),
    ]
    assert len(several) == len({answer.plain.tag for answer in several})


def test_the_headers_say_what_is_sent():
    """Each form has its own, and some are those of all forms."""
    answer = Answer(LARGE, ("a", "b"))
    compressed = answer.compress("gzip")
    assert {
        b"content-type": b"application/json",
        b"content-length": b"%d" % len(LARGE),
        b"etag": answer.plain.tag,
    } == dict(answer.plain.headers)
    assert {
        b"content-type": b"application/json",
        b"content-length": b"%d" % len(compressed.body),
        b"etag": compressed.tag,
        b"content-encoding": b"gzip",
    } == dict(compressed.headers)
    assert {
        b"x-content-type-options": b"nosniff",
        b"vary": b"accept-encoding",
        b"heksher-capabilities": b"post-query, aliases, stream, any-values, declare-many",
        b"heksher-context-features": b"a,b",
    } == dict(answer.shared_headers)


@pytest.mark.parametrize("encoding", ["gzip", "zstd"])
def test_a_large_answer_is_compressed_once(encoding: Encoding):
    """It is not there before, and then it stays; its tag is its own."""
    answer = Answer(LARGE, ())
    assert answer.find(encoding) is None
    form = answer.compress(encoding)
    assert form is answer.find(encoding) is answer.compress(encoding)
    assert LARGE == DECOMPRESS[encoding](form.body)
    assert form.tag not in {answer.plain.tag, answer.compress("gzip" if encoding == "zstd" else "zstd").tag}


def test_a_small_answer_is_not_compressed():
    """It would not arrive any earlier."""
    answer = Answer(SMALL, ())
    assert answer.plain is answer.find("gzip") is answer.compress("zstd")
    assert len(SMALL) < answer.cost_bytes < Answer(LARGE, ()).cost_bytes


def test_an_answer_may_have_one_form_only():
    """Then its tag is that of the plain form, also for a star."""
    answer = Answer(LARGE, (), is_compressible=False)
    assert answer.plain is answer.find("gzip") is answer.compress("zstd")
    assert answer.plain.tag == answer.find_known_tag(b"*", "gzip")
    assert Answer(LARGE, ()).cost_bytes == answer.cost_bytes


@pytest.mark.parametrize("encoding", ["gzip", "zstd"])
def test_a_form_costs_what_it_takes(encoding: Encoding):
    """From when it exists: also one that is as long as what it was made from."""
    answer = Answer(os.urandom(100_000), ())
    before = answer.cost_bytes
    answer.compress(encoding)
    assert answer.cost_bytes - before >= 100_000


def test_all_answers_share_the_text_of_the_order():
    """It can be long."""
    order = ("a", "b" * 200)
    assert Answer(SMALL, order).shared_headers is Answer(LARGE, order).shared_headers


TAG = Answer(LARGE, ()).plain.tag
GZIP, ZSTD = TAG[:-1] + b'-gzip"', TAG[:-1] + b'-zstd"'


@pytest.mark.parametrize(
    ("if_none_match", "expected"),
    [
        (TAG, TAG),
        (b"W/" + TAG, TAG),
        (b'"b",' + TAG, TAG),
        (b'"b" ' + TAG, TAG),
        (b"w/" + TAG, TAG),
        (GZIP, GZIP),
        (b"W/" + ZSTD, ZSTD),
        (b'"b" , ' + ZSTD + b"," + TAG, ZSTD),
        (b"*", TAG),
        (b" * ", TAG),
        (b"", None),
        (b'"b"', None),
        (b'"*"', None),
        (TAG.strip(b'"'), None),
        (TAG[:-1], None),
        (TAG[1:], None),
        (b'"x' + TAG[1:], None),
        (b'"b,' + TAG + b'"', None),
        (TAG[:-1] + b'-br"', None),
    ],
)
@pytest.mark.trap(36)
def test_tags_are_compared_weakly(if_none_match: bytes, expected: bytes | None):
    """A tag is what stands in double quotes; what is before it does not matter, nor which form it is of."""
    assert expected == Answer(LARGE, ()).find_known_tag(if_none_match, "")


@pytest.mark.parametrize(
    ("body", "encoding", "expected"), [(LARGE, "gzip", GZIP), (LARGE, "zstd", ZSTD), (SMALL, "gzip", None)]
)
def test_a_star_means_the_form_that_would_be_sent(body: bytes, encoding: Encoding, expected: bytes | None):
    """A small answer has one form only."""
    answer = Answer(body, ())
    assert (expected or answer.plain.tag) == answer.find_known_tag(b"*", encoding)
    assert (expected or answer.plain.tag) == answer.compress(encoding).tag


@pytest.mark.parametrize(
    ("accept_encoding", "expected"),
    [
        ("", ""),
        ("gzip", "gzip"),
        ("gzip, deflate, br, zstd", "zstd"),
        ("GZIP", "gzip"),
        ("*", "zstd"),
        ("identity", ""),
        ("gzip;q=0", ""),
        ("gzip;q=0, *", "zstd"),
        ("zstd;q=0.5, gzip;q=0.8", "gzip"),
        ("zstd ; q=0.8 , gzip;q=0.5", "zstd"),
        ("*;q=0", ""),
        ("zstd;q=0, *;q=0.1", "gzip"),
        ("gzip;q=high", ""),
        ("gzip;level=9", "gzip"),
        (",,;q=1,", ""),
    ],
)
def test_the_client_chooses_the_encoding(accept_encoding: str, expected: str):
    """By weight; of equal ones the better, and what makes no sense is not wanted."""
    assert expected == choose_encoding(accept_encoding)


def test_the_end_of_an_absurdly_long_header_is_not_read():
    """No program sends one, and reading it would take longer than the answer."""
    assert ("gzip", "") == (choose_encoding("gzip," + "x," * 500), choose_encoding("x," * 500 + "gzip"))
