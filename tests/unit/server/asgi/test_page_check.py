"""Which requests are made by pages of other origins."""

import pytest

from heksher.server.asgi.page_check import PageCheck
from heksher.server.config import Config

PLAIN = Config("unused")
PUBLIC = Config("unused", public_url="https://heksher.example.com:443/a")


def find_fault(config: Config = PLAIN, *, scheme: str = "http", host: bytes | None = b"heksher:8000", **fields: bytes):
    """Return what is wrong with a request with such fields."""
    named = {} if host is None else {b"host": host}
    sent = {name.replace("_", "-").encode(): value for name, value in fields.items()}
    return PageCheck(config).find_fault({"scheme": scheme}, named | sent)


@pytest.mark.parametrize("config", [PLAIN, PUBLIC])
@pytest.mark.parametrize("host", [b"heksher:8000", b"a b", None])
def test_a_program_is_no_page(config: Config, host: bytes | None):
    """It sends neither of the headers."""
    assert find_fault(config, host=host) is None


@pytest.mark.parametrize(
    ("scheme", "host", "origin"),
    [
        ("http", b"heksher:8000", b"http://heksher:8000"),
        ("http", b"Heksher", b"http://heksher"),
        ("http", b"heksher:80", b"http://heksher"),
        ("https", b"heksher", b"https://heksher"),
        ("https", b"heksher:443", b"https://heksher"),
        ("http", b"[::1]:8000", b"http://[::1]:8000"),
    ],
)
@pytest.mark.parametrize("site", [b"same-origin", b"none", None])
def test_a_page_of_the_host_that_is_named_is_the_own_one(scheme: str, host: bytes, origin: bytes, site: bytes | None):
    """With its scheme and its port."""
    more = {} if site is None else {"sec_fetch_site": site}
    assert find_fault(scheme=scheme, host=host, origin=origin, **more) is None


FOREIGN = [
    b"http://evil.example", b"https://heksher:8000", b"http://heksher", b"http://heksher:8001", b"null", b"", b"a",
    b"http://heksher:8000/", b"http://heksher:8000, http://heksher:8000", b"\xe9", b"http://heksher:8000.evil.example",
]  # fmt: skip


@pytest.mark.parametrize("origin", FOREIGN)
@pytest.mark.parametrize("site", [b"same-origin", None])
def test_a_page_of_another_origin_is_foreign(origin: bytes, site: bytes | None):
    """Of another scheme or port as well, and one that hides where it is from; whatever else the request says."""
    more = {} if site is None else {"sec_fetch_site": site}
    assert find_fault(origin=origin, **more) is not None


@pytest.mark.parametrize("site", [b"cross-site", b"same-site", b"", b"Same-Origin", b"same-origin, none", b"\xe9"])
@pytest.mark.parametrize("origin", [b"http://heksher:8000", None])
def test_a_page_of_another_site_is_foreign(site: bytes, origin: bytes | None):
    """One of the same site as well, such as another service on this host; what is unknown counts as foreign."""
    more = {} if origin is None else {"origin": origin}
    assert find_fault(sec_fetch_site=site, **more) is not None


@pytest.mark.parametrize("host", [None, b"", b"a b"])
def test_a_page_of_a_host_without_a_name_is_foreign(host: bytes | None):
    """There is nothing to compare it with."""
    assert find_fault(host=host, origin=b"http://a") is not None


def test_with_a_public_url_it_is_the_own_origin():
    """Whatever the host and the scheme of the request are; no other one is."""
    assert find_fault(PUBLIC, host=b"10.0.0.1:8000", origin=b"https://heksher.example.com") is None
    assert find_fault(PUBLIC, host=b"evil.example", origin=b"http://evil.example") is not None
    assert find_fault(PUBLIC, host=b"heksher.example.com", origin=b"http://heksher.example.com") is not None


def test_a_refusal_says_why_and_what_to_do():
    """With both origins, shortened where they are long."""
    fault = find_fault(origin=b"https://heksher:8000")
    assert fault.startswith(
        "a web page of 'https://heksher:8000' cannot write to this service, whose own pages are of http://heksher:8000."
    )
    assert "--public-url URL (HEKSHER_PUBLIC_URL)" in fault
    fault = find_fault(sec_fetch_site=b"same-site")
    assert fault.startswith("a web page of another site ('same-site') cannot write to this service, and no option lets")
    assert "write from a page of the service itself, or have a program send the request" in fault
    assert 1_000 > len(find_fault(origin=b"x" * 50_000))
    assert 1_000 > len(find_fault(sec_fetch_site=b"x" * 50_000))
