"""Requests that come by way of somebody else: web pages, names of other hosts, and proxies."""

from collections.abc import Iterator
from typing import Final

from tests.hostile.guarded import PASSWORD, Attack, Guarded, make

_READ: Final = "/api/v1/settings"
_FEATURES: Final = "/api/v1/context_features"
_FORM: Final = "Content-Type: application/x-www-form-urlencoded"
_NEW: Final = {"context_feature": "stolen"}
_SIGN_IN: Final = f"name=Ada&password={PASSWORD.replace(' ', '+')}".encode()
_TARGETS: Final = (
    "//evil.example", "https://evil.example", "/\\evil.example", "\\\\evil.example", "/%09/evil.example",
    "javascript:alert(1)", "/\t/evil.example", "/a\r\nSet-Cookie: x=1", "", "/" + "a" * 5000,
)  # fmt: skip
_OTHER_HOSTS: Final = (
    "evil.example", "localhost.evil.example", "evil.example:80", "127.0.0.1.evil.example", "169.254.169.254",
    "[::ffff:10.0.0.1]", "0.0.0.0",
)  # fmt: skip
_BROKEN_HOSTS: Final = (
    "local host", "localhost,evil.example", "local\x00host", "localhost/", "a" * 300, "localhost:99999", "\xff",
    "user@localhost",
)  # fmt: skip
_OTHER_NAMES: Final = (
    "Eve", "Mallory", "", "ada", "ADA", "Ada,Rob", "Ada\x00", "%41da", "A%64a", "Ada%00", "admin", "\xc3\x84da", "Ada;",
    '"Ada"', "Ada=", "../Ada", "A" * 10_000,
)  # fmt: skip
USER: Final = "X-Forwarded-User"


def list_page_attacks(guarded: Guarded) -> Iterator[Attack]:
    """Yield what web pages elsewhere have the browser of somebody send who has signed in."""
    cookie = f"Cookie: heksher={guarded.sessions['Ada']}"
    pages = (
        ("Origin: https://evil.example",), ("Origin: null",), ("Origin: http://localhost:9999",), ("Origin: file://",),
        ("Origin: https://localhost",), ("Origin: http://localhost.evil.example",), ("Origin:",),
        ("Sec-Fetch-Site: cross-site",), ("Sec-Fetch-Site: same-site",), ("Sec-Fetch-Site: none, cross-site",),
        ("Sec-Fetch-Site: SAME-ORIGIN",), ("Sec-Fetch-Site: same-origin", "Origin: https://evil.example"),
        ("Sec-Fetch-Site: cross-site", "Origin: http://localhost"),
    )  # fmt: skip
    for fields in pages:
        yield Attack(f"write {fields}", make("POST", _FEATURES, cookie, *fields, body=_NEW), "401 403")
        yield Attack(f"read {fields}", make("GET", _READ, cookie, *fields), "401")
        yield Attack(f"stream {fields}", make("GET", "/api/v1/stream?settings=", cookie, *fields), "401")
        for path in ("/sign-in", "/sign-out", "/sign-out-everywhere"):
            form = make("POST", path, cookie, _FORM, *fields, body=_SIGN_IN)
            yield Attack(f"{path} {fields}", form, "403")
    yield Attack("a page that says nothing writes", make("POST", _FEATURES, cookie, body=_NEW), "401")
    yield Attack("it signs out everywhere", make("POST", "/sign-out-everywhere", cookie), "403")
    opened = ("Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: document")
    yield Attack("a link that is followed", make("GET", _READ, cookie, *opened), "200")
    yield Attack("it writes", make("POST", _FEATURES, cookie, *opened, body=_NEW), "401 403")
    yield Attack("it deletes", make("DELETE", f"{_FEATURES}/theme", cookie, *opened), "401 403")
    yield Attack("it follows", make("GET", "/api/v1/stream?settings=", cookie, *opened), "401")
    yield Attack("it asks for a part", make("GET", _READ, cookie, *opened, "HX-Request: true"), "401")
    for other in ("iframe", "embed", "object", "script", "empty"):
        framed = (*opened[:2], f"Sec-Fetch-Dest: {other}")
        yield Attack(f"it is a part: {other}", make("GET", _READ, cookie, *framed), "401")
    for mode in ("no-cors", "cors", "websocket", "Navigate"):
        fetched = (opened[0], f"Sec-Fetch-Mode: {mode}", opened[2])
        yield Attack(f"it fetches: {mode}", make("GET", _READ, cookie, *fetched), "401")
    for field in ("Origin: http://localhost", "Sec-Fetch-Site: same-origin"):
        twice = make("GET", _READ, cookie, field, field)
        yield Attack(f"twice {field}", twice, "400")
    for target in _TARGETS:
        form = _SIGN_IN + b"&next=" + "".join(f"%{byte:02x}" for byte in target.encode()).encode()
        name = f"next={target[:20]!r}"
        # A wrong password, as of right ones only some are tried.
        yield Attack(name, make("POST", "/sign-in", _FORM, body=form.replace(b"battery", b"staple")), "403 429")
        yield Attack(f"GET {name}", make("GET", f"/sign-in?{form.decode().rpartition('&')[2]}", cookie), "200")


def list_host_attacks(guarded: Guarded) -> Iterator[Attack]:
    """Yield requests for other hosts, which a name that resolves to this machine would make."""
    admin, own = guarded.bear("admin"), guarded.carry("Ada")
    for host in _OTHER_HOSTS:
        for fields in ((admin,), own):
            yield Attack(f"Host {host}", make("GET", _READ, f"Host: {host}", *fields), "421")
        yield Attack(f"Host {host} signs in", make("POST", "/sign-in", f"Host: {host}", _FORM, body=_SIGN_IN), "421")
    for host in _BROKEN_HOSTS:
        yield Attack(f"Host {host!r}", make("GET", _READ, f"Host: {host}", admin), "400 421")
    yield Attack("two hosts", make("GET", _READ, "Host: localhost", "Host: evil.example", admin), "400")
    preflight = (
        "Origin: https://evil.example",
        "Access-Control-Request-Method: POST",
        "Access-Control-Request-Headers: *",
    )
    for path in (_READ, "/api/v1/tokens", "/sign-in"):
        yield Attack(f"asks beforehand {path}", make("OPTIONS", path, *preflight), "401 405")


def list_stranger_attacks(guarded: Guarded) -> Iterator[Attack]:
    """Yield what somebody sends to be taken for a person whom a proxy names, where no such proxy is believed."""
    spoofs = (
        (), ("X-Forwarded-For: 10.0.0.5",), ("X-Forwarded-For: 10.0.0.5, 127.0.0.1",), ("X-Real-IP: 10.0.0.5",),
        ("Forwarded: for=10.0.0.5",), ("X-Forwarded-For: 10.0.0.5", "X-Forwarded-For: 10.0.0.5"), ("Via: 1.1 proxy",),
        ("X-Forwarded-For: ::ffff:10.0.0.5",), ("True-Client-IP: 10.0.0.5",), ("X-Client-IP: 10.0.0.5",),
    )  # fmt: skip
    for fields in spoofs:
        for field in (USER, USER.upper(), "X-Remote-User", "Remote-User", "X_Forwarded_User"):
            request = make("GET", _READ, f"{field}: Ada", *fields, "Sec-Fetch-Site: same-origin")
            yield Attack(f"{field} {fields}", request, "401")
    both = (f"{USER}: Ada", *guarded.carry("Rob"))
    yield Attack("a session stays what it is", make("POST", _FEATURES, *both, body=_NEW), "403")
    yield Attack("so does a token", make("POST", _FEATURES, f"{USER}: Ada", guarded.bear("read"), body=_NEW), "403")
    claims = (guarded.bear("edit:in."), "Heksher-Actor: Ada")
    rule = {"setting": "in.a", "feature_values": {"user": "claimed"}, "value": 1}
    yield Attack("a claim is none", make("POST", "/api/v1/rules", *claims, body=rule), "200 201", changes=1)


def list_proxy_attacks(guarded: Guarded) -> Iterator[Attack]:
    """Yield what a trusted proxy may have passed on without looking at it."""
    own = "Sec-Fetch-Site: same-origin"
    for name in _OTHER_NAMES:
        request = make("GET", _READ, f"{USER}: {name}", own)
        yield Attack(f"proxy names {name[:20]!r}", request, "400 401 403")
    yield Attack("it names two", make("GET", _READ, f"{USER}: Rob", f"{USER}: Ada", own), "401")
    yield Attack("it names a reader", make("GET", _READ, f"{USER}: Rob", own), "200")
    yield Attack("who may not write", make("POST", _FEATURES, f"{USER}: Rob", own, body=_NEW), "403")
    for fields in (("Sec-Fetch-Site: cross-site",), ("Origin: https://evil.example",), ()):
        request = make("POST", _FEATURES, f"{USER}: Ada", *fields, body=_NEW)
        yield Attack(f"a page has an admin write {fields}", request, "401 403")
    yield Attack("a token counts", make("GET", _READ, f"{USER}: Ada", "api_token: x", own), "401")
