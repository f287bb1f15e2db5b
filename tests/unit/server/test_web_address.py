"""Names of hosts and origins of web pages."""

import pytest

from heksher.server.web_address import (
    Host,
    is_loopback_address,
    make_web_origin,
    read_address,
    read_host,
    read_web_origin,
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("localhost", Host("localhost", None)),
        ("LocalHost:8000", Host("localhost", 8000)),
        ("heksher.example.com:", Host("heksher.example.com", None)),
        ("heksher_1:080", Host("heksher_1", 80)),
        ("127.0.0.1:65535", Host("127.0.0.1", 65535)),
        ("[::1]", Host("[::1]", None)),
        ("[2001:DB8::1]:80", Host("[2001:db8::1]", 80)),
    ],
)
def test_a_host_has_a_name_and_perhaps_a_port(text: str, expected: Host):
    """Whose case and zeros make no difference."""
    assert expected == read_host(text)


MALFORMED = [
    "", ":80", "a:b", "a:65536", "a:-1", "a b", "a/b", "a@b", "http://a", "::1", "[::1", "::1]", "[a]", "[::1%eth0]",
    "[:::]", "a\n", "a,b", "é", "a" * 256, "localhost:000080", "[x", "[" + "1" * 50 + "]",
]  # fmt: skip


@pytest.mark.parametrize("text", MALFORMED)
def test_a_malformed_host_is_none(text: str):
    """Not what a part of it could mean."""
    assert read_host(text) is None


@pytest.mark.parametrize(
    "name",
    [
        "localhost",
        "LOCALHOST:1",
        "127.0.0.1",
        "127.255.1.2:80",
        "[::1]:8000",
        "[0:0:0:0:0:0:0:1]",
        "[::ffff:127.0.0.1]",
    ],
)
def test_the_names_of_the_machine_itself(name: str):
    """In any case, with any port or none."""
    assert read_host(name).is_loopback


@pytest.mark.parametrize(
    "name",
    ["localhost.", "localhost.evil.example", "evil.localhost", "127.0.0.1.evil.example", "128.0.0.1", "0.0.0.0",
     "127.1", "2130706433", "0x7f.0.0.1", "[::2]", "[::]", "[::ffff:10.0.0.1]"],
)  # fmt: skip
def test_other_names_are_not_the_machine_itself(name: str):
    """Whatever some programs make of them."""
    assert not read_host(name).is_loopback


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("https://heksher.example.com", "https://heksher.example.com"),
        ("HTTPS://Heksher.Example.com:443", "https://heksher.example.com"),
        ("http://a:80", "http://a"),
        ("http://a:443", "http://a:443"),
        ("http://[::1]:8000", "http://[::1]:8000"),
    ],
)
def test_an_origin_is_scheme_host_and_port(text: str, expected: str):
    """Without a port that the scheme has anyway."""
    assert expected == read_web_origin(text)


@pytest.mark.parametrize(
    "text",
    ["null", "", "a", "https://", "ftp://a", "file://", "https://a/", "https://a b", "https://a, https://b", "://a"],
)
def test_other_texts_are_no_origin(text: str):
    """Above all not the one by which a browser hides where a page is from."""
    assert read_web_origin(text) is None


def test_an_origin_can_be_made_of_a_host():
    """As a request names it."""
    assert ["https://a:8000", "http://a", None, None] == [
        make_web_origin("https", "A:8000"),
        make_web_origin("http", "a:80"),
        make_web_origin("https", ""),
        make_web_origin("ws", "a"),
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [("10.0.0.7", "10.0.0.7"), ("2001:DB8:0::1", "2001:db8::1"), ("::ffff:10.0.0.7", "10.0.0.7")],
)
def test_an_address_has_one_form(text: str, expected: str):
    """An IPv4 address is one also where a socket for both families tells of it."""
    assert expected == str(read_address(text))


@pytest.mark.parametrize("text", ["", "a", "10.0.0", "10.0.0.07", "fe80::1%eth0", "::1%[x] DELETE /", " 10.0.0.1", "1"])
def test_what_is_no_address_is_none(text: str):
    """A zone can be any text, and so write what it likes into a log."""
    assert read_address(text) is None


def test_a_machine_reaches_itself_at_loopback_addresses():
    """Of both families."""
    expected = {"127.0.0.1": True, "127.8.8.8": True, "::1": True, "::ffff:127.0.0.1": True}
    expected |= {"10.0.0.1": False, "0.0.0.0": False, "heksher": False, "/run/heksher.sock": False}
    assert expected == {address: is_loopback_address(address) for address in expected}
