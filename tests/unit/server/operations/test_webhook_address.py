"""Tests of which URLs webhooks can have, and what is told of them."""

import pytest

from heksher.server.operations.webhook_address import find_host, find_origin, find_url_fault


@pytest.mark.parametrize(
    ("url", "origin", "host"),
    [
        ("https://hooks.slack.com/services/T0/B0/secret", "https://hooks.slack.com", "hooks.slack.com"),
        ("https://Example.com:443?key=secret", "https://example.com", "Example.com:443"),
        ("http://10.0.0.7:8080", "http://10.0.0.7:8080", "10.0.0.7:8080"),
        ("https://[2606:4700::1111]:8443/in", "https://[2606:4700::1111]:8443", "[2606:4700::1111]:8443"),
        ("https://xn--bcher-kva.example/in", "https://xn--bcher-kva.example", "xn--bcher-kva.example"),
    ],
)
def test_urls_of_the_web_are_possible(url: str, origin: str, host: str):
    """Only scheme, host and port are told."""
    assert (None, origin, host) == (find_url_fault(url), find_origin(url), find_host(url))


IMPOSSIBLE = {
    "": "it is not like https://example.com/path",
    "example.com": "it is not like https://example.com/path",
    "/in": "it is not like https://example.com/path",
    "https:///in": "it is not like https://example.com/path",
    "HTTPS://example.com": "it is not like https://example.com/path",
    "ftp://example.com": "it is not like https://example.com/path",
    "file:///etc/passwd": "it is not like https://example.com/path",
    "https://example.com:99999/": "it is not like https://example.com/path",
    "https://[::1/": "it is not like https://example.com/path",
    "https://a\\b/": "it is not like https://example.com/path",
    "https://bücher.example": "it has characters that a URL has only in an encoded form",
    "https://example.com/a b": "it has characters that a URL has only in an encoded form",
    "https://example.com/\r\nHost: other": "it has characters that a URL has only in an encoded form",
    "https://example.com/#top": "it has a fragment (#), which is never sent",
    "https://ada:secret@example.com/": "it has a user or a password: the signature of a message shows who has sent it",
    f"https://example.com/{'x' * 2000}": "it has 2020 characters, and 2000 are allowed",
}


@pytest.mark.parametrize(("url", "fault"), IMPOSSIBLE.items())
def test_others_are_not(url: str, fault: str):
    """Why is said without anything of them, which may be secret."""
    assert fault == find_url_fault(url)
