"""Where a request has its token."""

import pytest

from heksher.server.access.credential import find_form, find_token

TOKEN = b"hks_abc"


@pytest.mark.parametrize(
    "fields",
    [
        {b"authorization": b"Bearer hks_abc"},
        {b"authorization": b"bearer  hks_abc "},
        {b"authorization": b"hks_abc"},
        {b"x-api-key": b"hks_abc"},
        {b"api_token": b"hks_abc"},
        {b"authorization": b"BEARER hks_abc", b"x-api-key": b"hks_abc", b"api_token": b"hks_abc"},
    ],
)
def test_a_token_is_found(fields: dict[bytes, bytes]):
    """In each of the headers in which programs send it; the same one may stand in several."""
    assert TOKEN == find_token({b"host": b"a", **fields})


def test_a_request_without_a_token():
    """Has none."""
    assert find_token({b"host": b"a", b"cookie": b"heksher=hks_abc"}) is None


@pytest.mark.parametrize(
    "fields",
    [
        {b"authorization": b"Bearer hks_abc", b"x-api-key": b"hks_abd"},
        {b"authorization": b"Bearer hks_abc", b"api_token": b""},
        {b"x-api-key": b"hks_abc", b"api_token": b"hks_abd"},
        {b"authorization": b"Basic YTpi", b"api_token": b"hks_abc"},
        {b"authorization": b"Bearer hks_abc,Bearer hks_abc"},
        {b"api_token": b"hks_abc,hks_abc"},
    ],
)
def test_two_tokens_are_refused(fields: dict[bytes, bytes]):
    """A proxy could have checked the one, and the service would take the other."""
    with pytest.raises(ValueError, match="two different tokens"):
        find_token(fields)


@pytest.mark.parametrize("value", [b"Basic YTpi", b"Bearer", b"Bearer ", b"", b"Bearer a b", b"\xff"])
def test_what_is_no_token_is_a_wrong_one(value: bytes):
    """Never nothing: who sends something wrong is not somebody who sends nothing."""
    assert find_token({b"authorization": value}) is not None


@pytest.mark.parametrize(
    ("fields", "form"),
    [
        ({}, None),
        ({b"authorization": b"Bearer hks_abc"}, b"Bearer hks_abc"),
        ({b"api_token": b"hks_abc"}, b"hks_abc"),
        ({b"api_token": b"Bearer hks_abc"}, None),
        ({b"api_token": b"hks_abc", b"authorization": b"hks_abc"}, None),
        ({b"x-api-key": b"hks_abc"}, None),
        ({b"x-api-key": b"hks_abc", b"authorization": b"hks_abc"}, None),
    ],
)
def test_the_form_of_a_token(fields: dict[bytes, bytes], form: bytes | None):
    """From the same one never follows another token."""
    assert form == find_form({b"host": b"a", **fields})
