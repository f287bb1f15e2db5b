"""For which requests the cookie of a session counts."""

import pytest

from heksher.server.asgi.cookie_rule import CookieRule
from heksher.server.asgi.page_check import PageCheck
from heksher.server.config import Config

RULE = CookieRule(PageCheck(Config("unused", public_url="https://heksher.example.com")))
OWN = b"https://heksher.example.com"
SITES = [b"cross-site", b"same-site", b"same-origin", b"none"]
OWN_SITES = {b"same-origin", b"none"}


def counts(method: str = "GET", *, is_write: bool = False, is_stream: bool = False, **fields: bytes) -> bool:
    """Return whether the cookie of a request with such fields counts."""
    scope = {"method": method, "scheme": "http"}
    sent = {b"host": b"10.0.0.5:8000"} | {name.replace("_", "-").encode(): value for name, value in fields.items()}
    return RULE.counts(scope, sent, is_write=is_write, is_stream=is_stream)


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("site", SITES)
def test_it_counts_for_a_page_that_somebody_opens(method: str, site: bytes):
    """Wherever the link to it stands."""
    assert counts(method, sec_fetch_site=site, sec_fetch_mode=b"navigate", sec_fetch_dest=b"document")


@pytest.mark.parametrize("site", SITES)
@pytest.mark.parametrize("destination", [b"iframe", b"frame", b"object", b"embed"])
def test_a_page_within_another_one_is_not_opened_by_somebody(site: bytes, destination: bytes):
    """It counts only if that one is of the service, too."""
    expected = site in OWN_SITES
    assert expected == counts(sec_fetch_site=site, sec_fetch_mode=b"navigate", sec_fetch_dest=destination)


@pytest.mark.parametrize("site", SITES)
@pytest.mark.parametrize("mode", [b"cors", b"no-cors", b"same-origin", b"websocket"])
def test_what_a_page_fetches_has_to_be_of_the_own_page(site: bytes, mode: bytes):
    """Whether it is data or a fragment."""
    expected = site in OWN_SITES
    assert expected == counts(sec_fetch_site=site, sec_fetch_mode=mode, sec_fetch_dest=b"empty")


@pytest.mark.parametrize("site", SITES)
@pytest.mark.parametrize("more", [{"is_stream": True}, {"is_write": True}, {"hx_request": b"true"}], ids=str)
def test_streams_fragments_and_writes_have_to_be_of_the_own_page(site: bytes, more: dict):
    """Also when the browser says that somebody has opened them."""
    expected = site in OWN_SITES
    assert expected == counts(sec_fetch_site=site, sec_fetch_mode=b"navigate", **more)


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "ODD"])
@pytest.mark.parametrize("site", SITES)
def test_a_form_that_is_sent_is_no_page_that_is_opened(method: str, site: bytes):
    """Whatever its route says of itself."""
    expected = site in OWN_SITES
    assert expected == counts(method, sec_fetch_site=site, sec_fetch_mode=b"navigate", sec_fetch_dest=b"document")


@pytest.mark.parametrize("more", [{}, {"is_stream": True}, {"is_write": True}, {"hx_request": b"true"}], ids=str)
@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize(
    ("origin", "is_own"),
    [(OWN, True), (b"https://evil.example", False), (b"null", False), (b"http://10.0.0.5:8000", False)],
)
def test_without_a_site_the_origin_tells(more: dict, method: str, origin: bytes, is_own: bool):
    """As where there is no TLS: browsers name the site only where the way is safe."""
    assert is_own == counts(method, origin=origin, **more)


@pytest.mark.parametrize("site", sorted(OWN_SITES))
def test_a_foreign_origin_counts_for_more_than_the_own_site(site: bytes):
    """No browser says both; what does is not to be believed."""
    assert not counts("POST", is_write=True, sec_fetch_site=site, origin=b"https://evil.example")


def test_a_write_has_to_say_where_it_is_from():
    """A browser always does; a program that does not has a token."""
    assert not counts("POST", is_write=True)
    assert not counts("GET", is_write=True)
    assert not counts("DELETE")


@pytest.mark.parametrize("more", [{}, {"is_stream": True}, {"hx_request": b"true"}], ids=str)
def test_a_read_that_names_no_page_is_of_the_own_one(more: dict):
    """Where there is no TLS, nothing says more: what another page may read, or send with that header, has an origin."""
    assert counts(**more)
