"""The choice of the HTTP library, how its clients are made, and that nothing secret gets out."""

import logging
from collections.abc import Iterator
from typing import Any

import httpx
import httpx2
import pytest

from heksher.clients.transport.http_library import (
    ClientSettings,
    RefusedRequestError,
    check_redirect,
    check_request,
    mask_userinfo,
)

URL = "http://heksher.test"


# ---- the choice of the library


class OldAuth(httpx.Auth):
    """An object of the program's own, derived from the old library."""


@pytest.mark.parametrize(
    "old",
    [
        {"auth": OldAuth()},
        {"timeout": httpx.Timeout(3)},
        {"mounts": {"all://": None, "http://": httpx.MockTransport(lambda _: httpx.Response(200))}},
    ],
)
def test_old_library(old: dict[str, Any]) -> None:
    """Objects of httpx among the arguments, also inside a mapping, are handed to httpx."""
    settings = ClientSettings(URL, old)
    assert httpx is settings.library
    for kind in ("Client", "AsyncClient"):
        assert isinstance(settings.make_client(kind, None, None), getattr(httpx, kind))


def test_new_library() -> None:
    """Without objects of httpx, httpx2 is used, even where the program has imported both."""
    for client_args in (None, {"timeout": 3, "headers": {"a": "b"}}, {"timeout": httpx2.Timeout(3)}):
        assert httpx2 is ClientSettings(URL, client_args).library


# ---- the service's URL


@pytest.mark.parametrize(
    "url",
    ["", "heksher.test", "ftp://heksher.test", "http://", "http://h:port", "Ellipsis"],
)
def test_no_url(url: str) -> None:
    """A service URL that cannot be one is taken, and it is said why nothing can be sent there."""
    settings = ClientSettings(url, None)
    assert (url, True) == (settings.base_url, str(settings.url_problem).startswith("service_url "))


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("ftp://me:secret@heksher.test", "ftp://heksher.test"),
        ("http://me:55#secret@heksher.test", "http://heksher.test"),
        ("http://heksher.test/?token=secret", "http://heksher.test/?..."),
        ("http://me:secret@heksher.test/#secret", "http://heksher.test/#..."),
    ],
)
def test_no_url_tells_no_password(url: str, shown: str) -> None:
    """What is said of a wrong URL does not show the credentials in it."""
    settings = ClientSettings(url, None)
    problem = f"service_url must be http(s)://host, with or without a path, not {shown!r}"
    assert (shown, problem) == (settings.base_url, settings.url_problem)


@pytest.mark.parametrize("sign", "/?#")
def test_a_password_is_not_taken_for_a_port(sign: str) -> None:
    """The library's error would show it; how to write it is said instead."""
    settings = ClientSettings(f"http://me:secret{sign}secret@heksher.test", None)
    assert "http://heksher.test" == settings.base_url
    assert "secret" not in settings.url_problem
    assert "write / ? # and @ as %2F %3F %23 and %40" in settings.url_problem


def test_url() -> None:
    """Nothing is said of a URL that can be one."""
    assert ClientSettings(URL, None).url_problem is None


def test_url_without_credentials() -> None:
    """Credentials are taken out of the URL, and so is a slash at its end."""
    assert "https://h:8080/base" == ClientSettings("https://me:p%40ss@h:8080/base/", None).base_url


# ---- arguments


@pytest.mark.parametrize("library", [httpx, httpx2])
def test_hooks_of_the_program(library: Any) -> None:
    """The program's own hooks stay: a request is checked after them, a response is read before them."""
    timeout = library.Timeout(3)
    called: list[str] = []

    def hook(_: object) -> None:
        called.append("hook")

    args = {"timeout": timeout, "event_hooks": {"request": [hook], "response": [hook]}}
    check, receive = (lambda _: called.append("check")), (lambda _: called.append("receive"))
    client = ClientSettings(URL, args).make_client("Client", check, receive)
    for event in ("request", "response"):
        for function in client.event_hooks[event]:
            function(None)
    assert ["hook", "check", "receive", "hook"] == called
    assert {"request": [hook], "response": [hook]} == args["event_hooks"]


@pytest.mark.parametrize(
    "headers", [{"accept-encoding": "br"}, [("Accept-Encoding", "br")], httpx2.Headers({"ACCEPT-encoding": "br"})]
)
def test_headers_of_the_program(headers: Any) -> None:
    """What the program accepts is what is accepted, in whatever form it says so."""
    client = ClientSettings(URL, {"headers": headers}).make_client("Client", len, str)
    assert ["br"] == client.headers.get_list("Accept-Encoding")
    assert "User-Agent" in client.headers


@pytest.mark.trap(28)
@pytest.mark.parametrize("auth", ["me:s3cret", ["me", "s3cret"], 5, httpx2.Headers({"a": "s3cret"})])
@pytest.mark.parametrize("kind", [httpx.Timeout(3), httpx2.Timeout(3)])
def test_useless_auth(auth: object, kind: object) -> None:
    """What cannot be used to log in is an error that does not show it."""
    with pytest.raises(TypeError, match=r"http_client_args\['auth'\] must be .* not a ") as raised:
        ClientSettings(URL, {"auth": auth, "timeout": kind})
    assert "s3cret" not in f"{raised.value!r}{raised.value.__cause__!r}{raised.value.__context__!r}"


@pytest.mark.parametrize("auth", [None, ("me", "secret"), httpx2.DigestAuth("me", "secret"), lambda request: request])
def test_useful_auth(auth: Any) -> None:
    """Everything that the library takes can be used."""
    ClientSettings(URL, {"auth": auth}).make_client("Client", len, str)


# ---- requests


@pytest.mark.trap(28)
@pytest.mark.parametrize("value", ["s3cret\n", " s3cret", "s3cret ", "s3\rcret", "s3\0cret", "\ts3cret"])
def test_header_that_cannot_be_sent(value: str) -> None:
    """A header with a line break, as of a token read from a file, is refused by its name."""
    request = httpx2.Request("GET", URL, headers={"api_token": value})
    with pytest.raises(RefusedRequestError, match="the value of the header 'api_token' has ") as raised:
        check_request(request)
    assert "s3" not in repr(raised.value)


@pytest.mark.parametrize("value", ["", "a", "two words", "tab\tinside", "\xe9\xff", '"quoted"'])
def test_header_that_can_be_sent(value: str) -> None:
    """Whatever HTTP allows is left alone."""
    check_request(httpx2.Request("GET", URL, headers={"a": value.encode("latin-1")}))


def test_url_of_a_redirect() -> None:
    """Credentials that a redirect brings are not in the URL that is asked for."""
    request = httpx2.Request("GET", "http://me:s3cret@other.test/x?y=1")
    check_request(request)
    assert "http://other.test/x?y=1" == str(request.url)


def answer(url: str, location: str | None, status: int = 302) -> httpx2.Response:
    headers = {} if location is None else {"Location": location}
    return httpx2.Response(status, headers=headers, request=httpx2.Request("GET", url))


@pytest.mark.parametrize("location", ["http://me:s3cret@other.test/x?token=s3cret#s3cret", "http://heksher.test/x"])
def test_redirect_to_plain_text(location: str) -> None:
    """From https nobody is followed to http; the error shows where to, and no secrets."""
    with pytest.raises(RefusedRequestError, match=r"redirected to http://(other|heksher)\.test/x, which") as raised:
        check_redirect(answer("https://heksher.test", location), is_followed=True)
    assert "s3cret" not in repr(raised.value)


@pytest.mark.parametrize(
    ("url", "location", "status"),
    [
        ("https://heksher.test", "https://other.test", 302),
        ("https://heksher.test", "/path", 302),
        ("https://heksher.test", "//other.test", 302),
        ("http://heksher.test", "http://other.test", 302),
        ("http://heksher.test", "https://heksher.test", 302),
        ("https://heksher.test", None, 302),
        ("https://heksher.test", "http://other.test", 201),
    ],
)
def test_redirect_that_is_as_safe(url: str, location: str | None, status: int) -> None:
    """Any other redirect is the library's to follow."""
    check_redirect(answer(url, location, status), is_followed=True)


def test_redirect_that_is_not_followed() -> None:
    """What is not followed need not be refused: the answer tells of it."""
    check_redirect(answer("https://heksher.test", "http://other.test"), is_followed=False)


# ---- the log


@pytest.fixture
def messages() -> Iterator[list[str]]:
    """What a logger with the filter writes."""
    written: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: written.append(record.getMessage())  # type: ignore[method-assign]
    logger = logging.getLogger("masked")
    logger.addHandler(handler)
    logger.addFilter(mask_userinfo)
    yield written
    logger.removeFilter(mask_userinfo)
    logger.removeHandler(handler)


@pytest.mark.trap(28)
@pytest.mark.parametrize(
    ("text", "masked"),
    [
        (
            "[(b'Location', b'http://me:pa'ss@h/x'), (b'a', b'b@c')]",
            "[(b'Location', b'http://[secure]@h/x'), (b'a', b'b@c')]",
        ),
        ("http://me:p@ss@h https://you@h", "http://[secure]@h https://[secure]@h"),
        ("http://h/a@b http://h?a@b mail@h", "http://h/a@b http://h?a@b mail@h"),
        ("nothing", "nothing"),
    ],
)
def test_mask(messages: list[str], text: str, masked: str) -> None:
    """Credentials in URLs are masked, and nothing else."""
    logging.getLogger("masked").warning(text)
    assert [masked] == messages


def test_mask_leaves_others_alone(messages: list[str]) -> None:
    """A message that is no text is passed on as it is, and so are arguments."""
    logging.getLogger("masked").warning(ValueError("http://me@h"))
    logging.getLogger("masked").warning("%s", "http://me@h")
    assert ["http://me@h", "http://me@h"] == messages
