"""The cookies of the service, as they are set and found."""

import pytest

from heksher.server.access.cookie import find_cookie, make_cookie_form

SECURE = make_cookie_form("https://heksher.example.com/a")
PLAIN = make_cookie_form("http://127.0.0.1:8000")


def test_over_tls_a_cookie_is_of_the_host_alone():
    """By its name, which browsers hold to."""
    assert ("__Host-heksher", "__Host-heksher-sign-in") == (SECURE.session, SECURE.sign_in)
    text = SECURE.set(SECURE.session, "a.b", 60)
    assert "__Host-heksher=a.b; Max-Age=60; Path=/; HttpOnly; SameSite=Lax; Secure" == text


@pytest.mark.parametrize("form", [PLAIN, make_cookie_form(None)])
def test_without_tls_a_browser_would_not_keep_such_a_cookie(form):
    """So it has a plain name."""
    assert ("heksher", "heksher-sign-in") == (form.session, form.sign_in)
    assert "heksher=a.b; Max-Age=60; Path=/; HttpOnly; SameSite=Lax" == form.set("heksher", "a.b", 60)


def test_a_cookie_is_removed_by_one_that_ends_at_once():
    """With the same attributes, or a browser would not take it for the same one."""
    assert "__Host-heksher=; Max-Age=0; Path=/; HttpOnly; SameSite=Lax; Secure" == SECURE.remove(SECURE.session)


@pytest.mark.parametrize(
    ("header", "value"),
    [
        (b"heksher=a.b", "a.b"),
        (b"theme=dark; heksher=a.b; lang=en", "a.b"),
        (b"theme=dark;heksher=a.b", "a.b"),
        (b"heksher=", ""),
        (b"heksher=a=b", "a=b"),
        (b"heksher = a ", "a"),
        (b"Heksher=a", None),
        (b"heksher", None),
        (b"__Host-heksher=a", None),
        (b"heksher2=a; xheksher=b", None),
        (b"", None),
        (b";;=;", None),
        (b"heksher=\xe9", "é"),
        # Of two, one may have been put there by somebody else.
        (b"heksher=a; heksher=b", None),
        (b"heksher=a; heksher=a", None),
        # Two header fields, which a browser never sends.
        (b"heksher=a,heksher=b", "a,heksher=b"),
    ],
)
def test_a_cookie_is_found_by_its_exact_name(header: bytes, value: str | None):
    """If it stands there once."""
    assert value == find_cookie({b"cookie": header}, "heksher")


def test_a_request_without_cookies_has_none():
    """The header field is not there."""
    assert find_cookie({}, "heksher") is None
