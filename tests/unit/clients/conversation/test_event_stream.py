"""Server-sent events: what bytes mean, however they come in, and how many of them are too many."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heksher.clients.conversation.event_stream import (
    COMMENT,
    MAX_EVENT_BYTES,
    EventReader,
    EventStreamError,
    ServerEvent,
)


def read(*chunks: bytes) -> list[ServerEvent]:
    """Read a stream to its end."""
    reader = EventReader()
    return [event for chunk in chunks for event in reader.feed(chunk)]


CHANGE = b'event: change\nid: 17\ndata: {"revision":17}\n\n'


def test_change() -> None:
    """An event has its kind, data and identifier."""
    assert [ServerEvent("change", '{"revision":17}', "17")] == read(CHANGE)


def test_heartbeat() -> None:
    """A comment is given as one; the empty line after it is nothing."""
    assert [ServerEvent(COMMENT)] == read(b":\n\n")
    assert [ServerEvent(COMMENT)] == read(b": I am here\n")


def test_end() -> None:
    """What a service says before it ends has a time to come back, with data or without."""
    expected = [ServerEvent("end", "", "", 1234)]
    assert expected == read(b"event: end\nretry: 1234\n\n") == read(b"event: end\nretry: 1234\ndata\n\n")


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (b"data: a\ndata:b\ndata\ndata:  c\n\n", ServerEvent("message", "a\nb\n\n c")),
        (b"event: x\nevent: y\n\n", ServerEvent("y")),
        (b"event:\ndata: a\n\n", ServerEvent("message", "a")),
        ("data: é\u2028\x85\x0b\n\n".encode(), ServerEvent("message", "é\u2028\x85\x0b")),
        (b"data: \xff\n\n", ServerEvent("message", "\ufffd")),
        (b"data: a\nid: 5\nid: 6\x00\n\n", ServerEvent("message", "a", "5")),
        (b"data: a\nretry: 5s\nretry: \xd9\xa3\nretry: 9999999999\n\n", ServerEvent("message", "a")),
        (b"data: a\nteleport: b\n data: c\n\n", ServerEvent("message", "a")),
        (b"\xef\xbb\xbfdata: a\n\n", ServerEvent("message", "a")),
    ],
)
def test_fields(lines: bytes, expected: ServerEvent) -> None:
    """Fields are read as the standard says; what it does not know is passed over."""
    assert [expected] == read(lines)


def test_mark_within_a_stream() -> None:
    """A byte order mark is one at the very begin only."""
    assert [ServerEvent("message", "a")] == read(b"data: a\n\n\xef\xbb\xbfdata: b\n\n")


def test_identifier_stays() -> None:
    """An event without an identifier has the last one before it, which may stand alone."""
    assert ["5", "5", "6"] == [event.last_id for event in read(b"id: 5\ndata: a\n\ndata: b\n\nid: 6\n\ndata: c\n\n")]


def test_incomplete_event() -> None:
    """What is not ended by an empty line is no event."""
    assert [] == read(b"data: a\n")


@given(
    st.lists(st.sampled_from([b"data: a", b"event: change", b"id: 7", b"retry: 5", b":", b"", b"x", b"\xef\xbb\xbf"])),
    st.lists(st.sampled_from([b"\n", b"\r", b"\r\n"]), min_size=1),
    st.data(),
)
def test_chunks_do_not_matter(lines: list[bytes], ends: list[bytes], data: st.DataObject) -> None:
    """However a stream is cut into pieces, and its lines end, its events are those of the whole."""
    stream = b"".join(line + ends[number % len(ends)] for number, line in enumerate(lines))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    pieces = [stream[begin:end] for begin, end in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    plain = b"".join(line + b"\n" for line in lines)
    assert read(stream) == read(*pieces)
    # "\r" and the "\n" of an empty line after it are one end of a line, not two.
    if len(plain.split(b"\n")) == len(re.split(rb"\r\n|\r|\n", stream)):
        assert read(plain) == read(stream)


@pytest.mark.parametrize(
    "endless",
    [b"x", b": still here", b"data: x\n", b"id: 5\n", b"\xff"],
    ids=["line", "comment", "event", "fields", "garbage"],
)
def test_what_has_no_end(endless: bytes) -> None:
    """A line, or an event, that does not come to its end is given up."""
    with pytest.raises(EventStreamError, match="65536"):
        read(*[endless] * (2 * MAX_EVENT_BYTES // len(endless)))


def test_huge_event_at_once() -> None:
    """So is one that comes at once, though it comes to its end."""
    with pytest.raises(EventStreamError):
        read(b"data: " + b"x" * MAX_EVENT_BYTES + b"\n\n")
    with pytest.raises(EventStreamError):
        read(b":" + b"x" * MAX_EVENT_BYTES + b"\n")


def test_stream_may_be_long() -> None:
    """A stream has as many events and comments as it likes."""
    reader = EventReader()
    assert 20_000 == sum(len(reader.feed(CHANGE + b": here\n")) for _ in range(10_000))
