"""What proxies say, and who is believed."""

import pytest

from heksher.server.asgi.trusted_proxies import TrustedProxies

FOR = b"x-forwarded-for"
PROTO = b"x-forwarded-proto"


def apply(*headers: tuple[bytes, bytes], peer: str | None = "10.0.0.5", networks: tuple[str, ...] = ("10.0.0.0/24",)):
    """Return client and scheme of a request from a peer."""
    scope = {"client": None if peer is None else (peer, 5), "scheme": "http", "headers": [(b"host", b"a"), *headers]}
    TrustedProxies(networks).apply(scope)
    return None if scope["client"] is None else scope["client"][0], scope["scheme"]


def test_a_trusted_proxy_is_believed():
    """Also one that a socket for both families tells of."""
    said = ((FOR, b"9.9.9.9"), (PROTO, b"https"))
    assert ("9.9.9.9", "https") == apply(*said)
    assert ("9.9.9.9", "https") == apply(*said, peer="::ffff:10.0.0.5")


@pytest.mark.parametrize("network", ["::ffff:10.0.0.5", "::ffff:10.0.0.0/120", "::FFFF:a00:5/128", "::ffff:0:0/96"])
@pytest.mark.parametrize("peer", ["10.0.0.5", "::ffff:10.0.0.5"])
def test_a_proxy_may_be_named_by_either_form_of_its_address(network: str, peer: str):
    """As a socket for both families tells it, or not."""
    assert "9.9.9.9" == apply((FOR, b"9.9.9.9"), peer=peer, networks=(network,))[0]
    assert "9.9.9.9" == apply((FOR, b"9.9.9.9, ::ffff:10.0.0.5"), peer=peer, networks=(network,))[0]
    assert "::1" == apply((FOR, b"9.9.9.9"), peer="::1", networks=(network,))[0]


@pytest.mark.parametrize("peer", ["127.0.0.1", "10.0.1.5", "::1", "/run/heksher.sock", None])
def test_nobody_else_is(peer: str | None):
    """Nobody who is not named, from wherever."""
    assert (peer, "http") == apply((FOR, b"9.9.9.9"), (PROTO, b"https"), peer=peer)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ((b"1.1.1.1, 9.9.9.9",), "9.9.9.9"),
        ((b"1.1.1.1, 9.9.9.9, 10.0.0.7",), "9.9.9.9"),
        ((b"1.1.1.1", b"9.9.9.9"), "9.9.9.9"),
        ((b"1.1.1.1,9.9.9.9", b"10.0.0.7"), "9.9.9.9"),
        ((b"10.0.0.8, 10.0.0.7",), "10.0.0.8"),
        ((b"9.9.9.9:1234",), "9.9.9.9"),
        ((b"2001:DB8::1",), "2001:db8::1"),
        ((b"[2001:db8::1]:443",), "2001:db8::1"),
        ((b" 9.9.9.9 ",), "9.9.9.9"),
    ],
)
def test_the_client_is_the_last_one_that_is_no_proxy(values: tuple[bytes, ...], expected: str):
    """What stands before it, the client can have written."""
    assert expected == apply(*((FOR, value) for value in values))[0]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b"", "10.0.0.5"),
        (b"unknown", "10.0.0.5"),
        (b"9.9.9.9 [x] 2026-11-28 INFO heksher.access: DELETE /api/v1/rules/1 204", "10.0.0.5"),
        (b"fe80::1%[x]", "10.0.0.5"),
        (b"9.9.9.9" + b"x" * 3_000, "10.0.0.5"),
        (b"\xe9", "10.0.0.5"),
        (b"9.9.9.9,", "10.0.0.5"),
        (b"1.1.1.1, unknown, 10.0.0.7", "10.0.0.7"),
    ],
)
def test_only_an_address_is_one(value: bytes, expected: str):
    """Else the last proxy that is known of counts as the client, and nothing that stands before."""
    assert expected == apply((FOR, value))[0]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ((b"HTTPS ",), "https"),
        ((b"https", b"http"), "http"),
        ((b"ftp",), "http"),
        ((b"https,http",), "http"),
        ((b"",), "http"),
    ],
)
def test_a_scheme_is_one_of_the_web(values: tuple[bytes, ...], expected: str):
    """What the nearest proxy says; else it stays the connection's."""
    assert expected == apply(*((PROTO, value) for value in values))[1]


def test_many_addresses_cost_what_the_last_ones_do():
    """A client can send thousands in front of its own; they are not looked at."""
    text = b"10.0.0.1," * 7_000
    proxies = TrustedProxies(["10.0.0.5"])
    scope = {"client": ("10.0.0.5", 1), "scheme": "http", "headers": [(FOR, text + b"9.9.9.9")]}
    proxies.apply(scope)
    assert ("9.9.9.9", 0) == scope["client"]
    assert proxies._trusts.cache_info().misses == 2
