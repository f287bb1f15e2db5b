"""How answers begin on the wire."""

import json

import pytest

from heksher.server.http.answer_text import write_head, write_refusal


def test_a_head_has_status_time_and_fields():
    """Also with a status that has no name."""
    assert b"HTTP/1.1 299 \r\ndate: x\r\na: b\r\nc: \r\n\r\n" == write_head(
        299, b"date: x\r\n", [(b"a", b"b"), (b"c", b"")]
    )


@pytest.mark.parametrize("value", [b"a\r\nb: c", b"a\nb", b"a\r", b"\r\n\r\n"])
def test_a_field_with_a_line_break_is_never_written(value: bytes):
    """In its name or its value."""
    with pytest.raises(ValueError, match="line break"):
        write_head(200, b"date: x\r\n", [(b"a", value)])
    with pytest.raises(ValueError, match="line break"):
        write_head(200, b"date: x\r\n", [(value, b"a")])


def test_a_refusal_is_an_answer_in_the_format_of_the_api():
    """One for which it is too early says when to come again."""
    head, _, body = write_refusal(503, b"date: x\r\n", 'not "now"')[0].partition(b"\r\n\r\n")
    assert {"detail": 'not "now"'} == json.loads(body)
    assert b"content-length: %d\r\n" % len(body) in head
    assert b"\r\nx-content-type-options: nosniff\r\n" in head
    assert b"connection: close\r\nretry-after: 1" in head
    assert b"retry-after" not in write_refusal(431, b"date: x\r\n", "")[0]
