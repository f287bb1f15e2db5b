"""How answers are made."""

import json

import pytest

from heksher.server.api.responses import JSONAnswer, answer_list, answer_text, document, empty, encode, problem


@pytest.mark.parametrize("number", [2**53 + 1, 2**64 + 1, 10**299, -(10**299), 0.1, 1e300, 5e-324, -0.0])
def test_numbers_keep_every_digit(number: float):
    """What is written is read again as the same number of the same kind."""
    read = json.loads(encode(number))
    assert (type(number), repr(number)) == (type(read), repr(read))


def test_texts_are_utf_8():
    """Only what JSON asks for is escaped."""
    assert '"é😀\u2028\\u0000"'.encode() == encode("é😀\u2028\0")


def test_half_a_character_does_not_fail():
    """It is written as the escape that it came from."""
    assert b'"\\ud800"' == encode("\ud800")
    assert b"\\ud800" == answer_text("\ud800", 404).body


def test_nan_is_never_written():
    """It is a fault of the service if it comes as far as here."""
    with pytest.raises(ValueError, match="not JSON compliant"):
        encode(float("nan"))


def test_an_answer_in_json_says_so():
    """It has the media type, and no charset, which JSON has none of."""
    assert "application/json" == JSONAnswer({}).headers["content-type"]


def test_descriptions_are_put_together():
    """A later description of a status replaces an earlier one."""
    assert {404: {"description": "b"}, 503: problem(503, "c")[503]} == document(
        empty(404, "a"), empty(404, "b"), problem(503, "c")
    )


@pytest.mark.parametrize("items", [[], [1], [{"a": "é"}, {"b": [None, 1.0]}]])
def test_a_list_is_written_as_a_whole_would_be(items: list[object]):
    """Item by item, byte for byte."""
    answer = answer_list("settings", iter(items))
    assert encode({"settings": items}) == answer.body
    assert "application/json" == answer.headers["content-type"]
