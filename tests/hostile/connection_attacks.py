"""Several requests on one connection, of which only some have a credential, and bodies that look like requests."""

from collections.abc import Iterator
from typing import Final

from tests.hostile.guarded import Attack, Guarded, make

_READ: Final = "/api/v1/settings"
_DELETE: Final = "/api/v1/context_features/theme"


def list_connection_attacks(guarded: Guarded) -> Iterator[Attack]:
    """Yield requests one after another: each is judged by what it has itself."""
    good, cookie = guarded.bear("admin"), guarded.carry("Ada")

    def get(*fields: str, path: str = _READ) -> bytes:
        return make("GET", path, *fields, is_last=False)

    last, query = make("GET", _READ), "/api/v1/query?settings="
    yield Attack("a token, then none", get(good) + last, "200,401")
    yield Attack("a token, then none, in memory", get(good, path=query) * 2 + make("GET", query), "200,200,401")
    yield Attack("none, then a token, then none", get() + get(good) + last, "401,200,401")
    yield Attack("a session, then none", get(*cookie) + last, "200,401")
    yield Attack("a session, then a reader's", get(*cookie) + make("DELETE", _DELETE, *guarded.carry("Rob")), "200,403")
    yield Attack("an admin, then a reader", get(good) + make("DELETE", _DELETE, guarded.bear("read")), "200,403")
    yield Attack("HEAD, then none", make("HEAD", _READ, good, is_last=False) + last, "200,401")
    yield Attack("many", get(good) * 20 + get() * 20 + last, ",".join(["200"] * 20 + ["401"] * 21))
    posted = make("POST", "/api/v1/query", good, body={"settings": []}, is_last=False)
    yield Attack("a body, then none", posted + make("POST", "/api/v1/query", body={"settings": []}), "200,401")


def list_smuggling_attacks(guarded: Guarded) -> Iterator[Attack]:
    """Yield a request within another one, which a proxy and the service could each see in another place."""
    good = guarded.bear("admin")
    hidden = make("DELETE", _DELETE, good)
    chunk = b"%x\r\n%b\r\n0\r\n\r\n" % (len(hidden), hidden)
    lengths = {
        "both lengths": (f"Content-Length: {len(chunk)}", "Transfer-Encoding: chunked"),
        "both, the other way": ("Transfer-Encoding: chunked", "Content-Length: 4"),
        "two lengths": ("Content-Length: 0", f"Content-Length: {len(chunk)}"),
        "a list of lengths": (f"Content-Length: 0, {len(chunk)}",),
        "a length with a sign": (f"Content-Length: +{len(chunk)}",),
        "a length below zero": ("Content-Length: -1",),
        "a length in hexadecimal digits": (f"Content-Length: 0x{len(chunk):x}",),
        "a length with a separator": ("Content-Length: 1_0",),
        "no length": ("Content-Length:",),
        "a coding that is none": ("Transfer-Encoding: xchunked",),
        "a coding twice": ("Transfer-Encoding: chunked, chunked",),
        "a coding and another": ("Transfer-Encoding: chunked, identity",),
        "a blank before the colon": ("Transfer-Encoding : chunked",),
        "a coding after a tab": ("Transfer-Encoding:\tchunked\x0b",),
        "a line within": ("X: a\nTransfer-Encoding: chunked",),
        "a folded coding": ("Transfer-Encoding:\r\n chunked",),
    }
    for what, fields in lengths.items():
        for credential in ((), (guarded.bear("read"),)):
            request = make("POST", "/api/v1/query", *credential, *fields, is_last=False) + chunk
            # One answer, and none to what is hidden: the connection has ended before it.
            yield Attack(f"smuggled by {what}", request, "400 411 501")


def list_hidden_attacks(guarded: Guarded) -> Iterator[Attack]:
    """Yield what stands in a body, behind one, or in a head where it does not count."""
    good, read = guarded.bear("admin"), guarded.bear("read")
    hidden = make("DELETE", _DELETE, good)
    for method, path in (("GET", _READ), ("POST", "/api/v1/query"), ("DELETE", "/api/v1/settings/in.a")):
        yield Attack(f"a body of {method} nobody reads", make(method, path, body=hidden), "401")
    yield Attack("a request as a body", make("POST", "/api/v1/query", read, body=hidden), "422")
    chunked = make("POST", "/api/v1/query", "Transfer-Encoding: chunked")
    trailer = b"2\r\n{}\r\n0\r\n" + good.encode() + b"\r\n\r\n"
    yield Attack("a token behind the body", chunked + trailer, "401")
    cut = make("POST", "/api/v1/query", "Transfer-Encoding: chunked", read) + b"0\r\n\r\n" + hidden
    yield Attack("behind the last one", cut, "200 422")
    old = make("GET", _READ).replace(b"HTTP/1.1", b"HTTP/1.0") + hidden
    yield Attack("behind one of HTTP/1.0", old, "401")
    for version in (b"HTTP/2.0", b"HTTP/0.9", b"HTTP/1.1 HTTP/1.1", b"ICAP/1.0", b"http/1.1"):
        yield Attack(f"as {version!r}", make("GET", _READ).replace(b"HTTP/1.1", version), "400 401 505")
    upgrade = make("GET", _READ, "Upgrade: h2c", "HTTP2-Settings: AAMAAABk", "Connection: Upgrade, HTTP2-Settings")
    yield Attack("an upgrade", upgrade, "401")
    hop = make("DELETE", _DELETE, read, "Connection: Authorization, api_token")
    yield Attack("a token that is for one hop", hop, "403")
    waiting = make("POST", "/api/v1/query", "Expect: 100-continue", body=hidden)
    yield Attack("one that waits to be told", waiting, "401")
