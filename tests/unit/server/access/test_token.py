"""Tokens of programs."""

import pytest

from heksher.server.access.token import digest_token, is_token, make_token


def test_a_token_has_a_form_of_its_own():
    """Which scanners for leaked secrets know it by; no two are alike."""
    tokens = {make_token() for _ in range(100)}
    assert 100 == len(tokens)
    assert all(is_token(token) and len(token) == 47 and token.startswith("hks_") for token in tokens)


@pytest.mark.parametrize("text", ["", "hks_", "hks_" + "a" * 42, "hks_" + "a" * 44, "hks_" + "a" * 42 + "!", "a" * 47])
def test_what_is_no_token(text: str):
    """By its form."""
    assert not is_token(text)


def test_a_digest_is_that_of_the_bytes():
    """SHA-256 in hexadecimal digits, which does not tell the token."""
    expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert [expected] * 2 == [digest_token("abc"), digest_token(b"abc")]
