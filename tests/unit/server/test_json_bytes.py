"""JSON as the service sends it."""

import json

import pytest

from heksher.server.json_bytes import decode, encode


def test_json_is_short_and_utf_8():
    """Without spaces, keys as they come, characters as they are."""
    assert '{"b":[1,"é",null],"a":true}'.encode() == encode({"b": [1, "é", None], "a": True})


@pytest.mark.parametrize("number", [1, 1.0, -0.0, 10**299 + 7, 0.1 + 0.2, 1e300])
def test_numbers_keep_every_digit(number: float):
    """They come back as what they were, whole or not."""
    written = encode({"n": number})
    assert repr(number) == repr(decode(written)["n"])


def test_half_a_surrogate_pair_is_written_as_an_escape():
    """It is no character, so UTF-8 has none for it; what reads it gets it back."""
    assert b'{"t":"a\\ud800b"}' == encode({"t": "a\ud800b"})
    assert {"t": "a\ud800b"} == decode(encode({"t": "a\ud800b"}))


def test_what_is_no_json_is_refused():
    """Rather than being sent."""
    with pytest.raises(ValueError, match="JSON"):
        encode(float("nan"))


@pytest.mark.parametrize("content", [{}, {"a": {"b": [1.5, False, ""]}}])
def test_what_is_written_can_be_read(content: dict):
    """By this module and by others."""
    assert content == decode(encode(content)) == json.loads(encode(content))
