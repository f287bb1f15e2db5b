"""Options that name hosts, networks and origins."""

import pytest

from heksher.server.address_kind import Hosts, ListenHost, Networks, PublicURL, WebOrigins
from heksher.server.errors import StartupError
from heksher.server.option_kind import OptionKind, OptionValue


@pytest.mark.parametrize(
    ("kind", "text", "expected"),
    [
        (PublicURL(), "https://heksher.example.com", "https://heksher.example.com"),
        (PublicURL(), "http://10.0.0.1:8000/heksher/", "http://10.0.0.1:8000/heksher"),
        (Hosts(), "heksher.internal", ("heksher.internal",)),
        (Hosts(), "A, b-c_d,10.0.0.1,::1,[::2]", ("a", "b-c_d", "10.0.0.1", "[::1]", "[::2]")),
        (WebOrigins(), "https://App.example.com:443,http://a:8080", ("https://app.example.com", "http://a:8080")),
        (Networks(), "10.0.0.5,10.1.0.0/16, ::1", ("10.0.0.5/32", "10.1.0.0/16", "::1/128")),
    ],
)
def test_a_text_is_read(kind: OptionKind, text: str, expected: OptionValue):
    """In the form in which it is compared."""
    assert expected == kind.read("HEKSHER_X", text)


@pytest.mark.parametrize(
    ("kind", "text", "message"),
    [
        (Hosts(), "a:80", "HEKSHER_X: 'a:80' is no name of a host without a port, such as heksher.internal"),
        (Hosts(), "a,,b", "HEKSHER_X: '' is no name of a host without a port, such as heksher.internal"),
        (Hosts(), "*", "HEKSHER_X: '*' is no name of a host without a port, such as heksher.internal"),
        (WebOrigins(), "null", "HEKSHER_X: 'null' is no origin of web pages, such as https://app.example.com"),
        (WebOrigins(), "*", "HEKSHER_X: '*' is no origin of web pages, such as https://app.example.com"),
        (
            WebOrigins(),
            "https://a/b",
            "HEKSHER_X: 'https://a/b' is no origin of web pages, such as https://app.example.com",
        ),
        (Networks(), "proxy", "HEKSHER_X: 'proxy' is no address or network, such as 10.0.0.5 or 10.0.0.0/24"),
        (
            Networks(),
            "10.0.0.1/24",
            "HEKSHER_X: '10.0.0.1/24' is no address or network, such as 10.0.0.5 or 10.0.0.0/24",
        ),
        (Networks(), "*", "HEKSHER_X: '*' is no address or network, such as 10.0.0.5 or 10.0.0.0/24"),
    ],
)
def test_a_text_that_makes_no_sense_is_refused(kind: OptionKind, text: str, message: str):
    """The message has the part that makes none, and what it could be."""
    with pytest.raises(StartupError) as raised:
        kind.read("HEKSHER_X", text)
    assert message == str(raised.value)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "heksher.example.com",
        "ftp://a",
        "https://",
        "https://u:secret@a",
        "https://a?b",
        "https://a#b",
        "https://[",
        "//a",
    ],
)
def test_a_public_url_that_is_none_is_refused(text: str):
    """Without its text: there may be a password in it."""
    with pytest.raises(
        StartupError, match=r"^HEKSHER_X: this is no URL of a service, which is like https://"
    ) as raised:
        PublicURL().read("HEKSHER_X", text)
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize("kind", [ListenHost("TEXT"), Hosts(), WebOrigins(), Networks(), PublicURL()])
@pytest.mark.parametrize("text", ["http://user:pa55@host", "user:1@pa55@host", "http://host/?t=pa55", "http://h/#pa55"])
def test_a_password_is_not_shown(kind: OptionKind, text: str):
    """Somebody has given the URL of another thing."""
    with pytest.raises(StartupError, match="HEKSHER_X: ") as raised:
        kind.read("HEKSHER_X", text)
    assert "pa55" not in str(raised.value)


def test_a_host_is_listened_on():
    """By its name, its address or all of them."""
    for text in ("localhost", "0.0.0.0", "fe80::1%eth0"):
        assert text == ListenHost("TEXT").read("HEKSHER_HOST", text)
