"""The header fields of a request by name."""

import pytest

from heksher.server.asgi.header_fields import get_fields, put_fields


def test_all_steps_have_the_fields_by_name():
    """As the server gives them: names in lower case."""
    scope = {"http_version": "1.1", "headers": [(b"host", b"a"), (b"accept", b"b")]}
    assert {b"host": b"a", b"accept": b"b"} == put_fields(scope) == get_fields(scope)


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        (b"host", "Host"),
        (b"origin", "Origin"),
        (b"sec-fetch-site", "Sec-Fetch-Site"),
        (b"heksher-actor", "Heksher-Actor"),
    ],
)
def test_what_decides_stands_once(name: bytes, shown: str):
    """Even with one value twice; of two values one would be ignored without a word."""
    with pytest.raises(ValueError, match=f"^{shown}: the header stands more than once; a request has one$"):
        put_fields({"http_version": "1.1", "headers": [(name, b"ada"), (b"accept", b"b"), (name, b"ada")]})


def test_other_headers_may_stand_on_several_lines():
    """They are one list then."""
    headers = [(b"accept", b"a"), (b"host", b"c"), (b"accept", b"b, d"), (b"x-request-id", b"e"), (b"accept", b"")]
    scope = {"http_version": "1.1", "headers": headers}
    assert {b"accept": b"a,b, d,", b"host": b"c", b"x-request-id": b"e"} == put_fields(scope)


def test_a_request_says_for_which_host_it_is():
    """In HTTP/1.1 only, and an empty name is one: that of a client whose URL has none."""
    for version, headers in (("1.1", [(b"host", b"")]), ("1.0", []), ("2", [])):
        assert dict(headers) == put_fields({"http_version": version, "headers": headers})
    with pytest.raises(ValueError, match=r"^Host: the header is missing; a request of HTTP/1\.1 has one"):
        put_fields({"http_version": "1.1", "headers": [(b"accept", b"b"), (b"accept", b"b")]})
