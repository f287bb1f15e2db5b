"""Which names a service answers to."""

import pytest

from heksher.server.asgi.host_check import HostCheck
from heksher.server.config import Config

LOOPBACK = ("127.0.0.1", 8000)
CONFIG = Config(
    "unused", public_url="https://heksher.example.com:8443/a", allowed_hosts=("heksher.internal", "[2001:db8::1]")
)


def find_fault(host: bytes | None, server: tuple[str, int | None] | None = LOOPBACK, config: Config = CONFIG):
    """Ask about a request twice, as the second one may be remembered."""
    check = HostCheck(config)
    scope = {"server": server}
    fields = {} if host is None else {b"host": host}
    first, second = (check.find_fault(scope, fields) for _ in range(2))
    assert first == second
    return first


OWN = [b"localhost", b"LOCALHOST:8000", b"localhost:", b"127.0.0.1", b"127.9.9.9:1", b"[::1]", b"[::1]:8000"]
NAMED = [
    b"heksher.internal",
    b"Heksher.Internal:80",
    b"heksher.example.com",
    b"heksher.example.com:1",
    b"[2001:DB8::1]:80",
]
FOREIGN = [b"evil.example", b"evil.example:8000", b"localhost.evil.example", b"127.0.0.1.evil.example", b"0.0.0.0:8000",
           b"heksher.example.com.evil.example", b"10.0.0.1"]  # fmt: skip


@pytest.mark.parametrize("host", [*OWN, *NAMED])
@pytest.mark.parametrize("server", [LOOPBACK, ("127.3.2.1", 80), ("::1", 80), ("::ffff:127.0.0.1", 80)])
def test_its_own_names_are_answered_to(host: bytes, server: tuple[str, int]):
    """Those of the machine itself, those that are configured, and that of the public URL; with any port."""
    assert find_fault(host, server) is None


@pytest.mark.parametrize("host", [*FOREIGN, b"a b", b"\xe9", b"[", b"a:b", b"localhost, localhost"])
@pytest.mark.parametrize("server", [LOOPBACK, ("127.3.2.1", 80), ("::1", 80), ("::ffff:127.0.0.1", 80)])
def test_others_are_not_where_a_connection_arrives_at_a_loopback_address(host: bytes, server: tuple[str, int]):
    """Whoever owns a domain can have it resolve to one."""
    assert find_fault(host, server) is not None


@pytest.mark.parametrize("host", NAMED)
def test_a_name_that_is_not_configured_is_no_own_one(host: bytes):
    """By default only the machine's names are."""
    assert find_fault(host, config=Config("unused")) is not None


@pytest.mark.parametrize("server", [("10.0.0.1", 80), ("heksher", None), ("/run/heksher.sock", None), None])
@pytest.mark.parametrize("host", FOREIGN)
def test_other_connections_may_name_whatever_they_like(host: bytes, server: tuple[str, int | None] | None):
    """The names by which a service is reached in a network are many."""
    assert find_fault(host, server) is None


@pytest.mark.parametrize("host", [None, b""])
def test_a_request_without_a_name_is_answered(host: bytes | None):
    """Health checks of some proxies speak HTTP/1.0 and send none, and each browser sends one."""
    assert find_fault(host) is None


def test_a_refusal_says_what_to_do():
    """With the name in it, shortened where it is long."""
    fault = find_fault(b"Heksher.Lan:8000")
    assert fault.startswith(
        "this service does not go by the name 'heksher.lan'. If it should, start it with --allowed-hosts"
    )
    assert " heksher.lan (HEKSHER_ALLOWED_HOSTS), or with --public-url " in fault
    assert "Host: 'a b' is no name of a host" == find_fault(b"a b")
    assert 1_000 > max(len(find_fault(host)) for host in (b"a" * 255, b"a b" * 10_000))


def test_what_is_remembered_is_bounded():
    """A client can name as many ports and loopback addresses as there are."""
    check = HostCheck(CONFIG)
    for number in range(2_000):
        assert check.find_fault({"server": LOOPBACK}, {b"host": b"localhost:%d" % number}) is None
    assert 256 == len(check._known)
