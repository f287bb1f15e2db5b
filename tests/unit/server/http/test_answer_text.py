"""How answers begin on the wire."""

import json

import pytest

from heksher.server.http import answer_text
from heksher.server.http.answer_text import write_fields, write_head, write_refusal


def test_a_head_has_status_time_and_fields():
    """Also with a status that has no name."""
    fields = write_fields(((b"a", b"b"), (b"c", b"")))
    assert b"HTTP/1.1 299 \r\ndate: x\r\na: b\r\nc: \r\n\r\n" == write_head(299, b"date: x\r\n", fields.text)


def test_what_fields_say_of_an_answer_is_read():
    """How long its body is, and whether the connection ends."""
    assert write_fields(((b"content-length", b"12"),))[1:] == (12, False)
    assert write_fields(((b"connection", b"x, Close"),))[1:] == (None, True)


def test_fields_may_be_lists():
    """As the specification of ASGI has it."""
    assert write_fields([(b"a", b"b")]) == write_fields([[b"a", bytearray(b"b")]])  # type: ignore[list-item]


def test_few_and_short_fields_are_remembered():
    """Longer ones can be made up by clients: what waits for them would fill the memory."""
    short, long = ((b"a", b"b"),), ((b"a", b"b" * 2000),)
    assert write_fields(short) is write_fields(short)
    assert write_fields(long) is not write_fields(long)
    for number in range(2000):
        write_fields(((b"a", b"%d" % number),))
    assert len(answer_text._known) <= 512


@pytest.mark.parametrize("value", [b"a\r\nb: c", b"a\nb", b"a\r", b"\r\n\r\n"])
def test_a_field_with_a_line_break_is_never_written(value: bytes):
    """In its name or its value."""
    with pytest.raises(ValueError, match="line break"):
        write_fields(((b"a", value),))
    with pytest.raises(ValueError, match="line break"):
        write_fields(((value, b"a"),))


def test_a_refusal_is_an_answer_in_the_format_of_the_api():
    """One for which it is too early says when to come again."""
    head, _, body = write_refusal(503, b"date: x\r\n", 'not "now"')[0].partition(b"\r\n\r\n")
    assert {"detail": 'not "now"'} == json.loads(body)
    assert b"content-length: %d\r\n" % len(body) in head
    assert b"\r\nx-content-type-options: nosniff\r\n" in head
    assert b"connection: close\r\nretry-after: 1" in head
    assert b"retry-after" not in write_refusal(431, b"date: x\r\n", "")[0]
