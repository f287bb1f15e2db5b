"""Ways to a route that its access could be looked up for under another name, and bodies that nobody should send."""

from collections.abc import Iterator
from typing import Final

from tests.hostile.guarded import Attack, Guarded, make

_TOKENS: Final = (
    "/api/v1/tokens", "/api/v1/tokens/", "//api/v1/tokens", "/api//v1/tokens", "/./api/v1/tokens",
    "/api/v1/settings/../tokens", "/api/v1/settings/%2e%2e/tokens", "/api/v1/settings/..%2ftokens",
    "/api/v1/settings%2f..%2ftokens", "/api/v1/tokens;x=1", "/api/v1/tokens%3B", "/api/v1/tokens%00",
    "/api/v1/tokens%20", "/api/v1/tokens%0a", "/API/V1/TOKENS", "/api/v1/Tokens", "/api/v1/%74okens",
    "/%61pi/v1/tokens", "/api/v1/tokens%2f", "/api/v1/query/../tokens", "/api/health/../v1/tokens",
    "/docs/../api/v1/tokens", "/docs/assets/..%2f..%2fapi/v1/tokens", "/healthz/live/../../api/v1/tokens",
    "/api/v1/tokens?x=/api/health", "/api/v1/tokens#/api/health", "/api/v1/tokens/.", "\\api\\v1\\tokens",
    "/api/v1/tokens%5c", "/api/v1/tokens/..;/tokens", "/api/v1/t%6Fkens?limit=1", "/api/v1/tokens%25",
    "/api/v1/tokens/%c0%ae%c0%ae/tokens", "/api/v1/%ff%fe", "/api/v1/me/../tokens", "/sign-in/../api/v1/tokens",
    "/metrics/../api/v1/tokens", "http://localhost/api/v1/tokens", "http://elsewhere.example/api/v1/tokens", "*", "",
)  # fmt: skip
_METHODS: Final = ("HEAD", "OPTIONS", "PUT", "PATCH", "DELETE", "TRACE", "CONNECT", "PROPFIND", "get", "GET\t", "FOO")
_OVERRIDES: Final = ("X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override")
_REWRITES: Final = ("X-Original-URL", "X-Rewrite-URL", "X-Forwarded-Uri", "X-Forwarded-Prefix")
_NEW: Final = {"name": "stolen", "grants": ["admin"]}


def list_path_attacks(guarded: Guarded) -> Iterator[Attack]:
    """Yield ways to the tokens that are no way, or that need the grant as the straight one does."""
    read, evaluate = guarded.bear("read"), guarded.bear("evaluate")
    for path in _TOKENS:
        yield Attack(f"nobody {path}", make("GET", path), "400 401 404 421")
        yield Attack(f"a reader {path}", make("GET", path, read), "400 403 404 405 307 421")
    for path in ("/api/v1/query?settings=", "//api/v1/query", "/api/v1/query/", "/api/v1/settings/..%2fquery"):
        yield Attack(f"evaluate {path}", make("GET", path, evaluate), "403 404 307")
    for method in _METHODS:
        expected = "400 401 404 405 501"
        yield Attack(f"nobody {method}", make(method, "/api/v1/tokens"), expected)
        yield Attack(f"a reader {method}", make(method, "/api/v1/tokens", read), "400 403 404 405 501")
    for path in ("/api/v1/settings/in.a", "/api/v1/context_features", "/api/v1/people", "/nothing"):
        for method in ("HEAD", "OPTIONS"):
            yield Attack(f"nobody {method} {path}", make(method, path), "401")


def list_detour_attacks(guarded: Guarded) -> Iterator[Attack]:
    """Yield what would have a server take a request for another one, and what needs an admin by the straight way."""
    read = guarded.bear("read")
    for field in _OVERRIDES:
        for method in ("DELETE", "POST"):
            yield Attack(f"{field} {method}", make("GET", "/api/v1/settings/in.a", read, f"{field}: {method}"), "200")
    for field in _REWRITES:
        yield Attack(f"{field}", make("GET", "/api/health", read, f"{field}: /api/v1/tokens"), "200")
        yield Attack(f"{field} for nobody", make("GET", "/api/v1/settings", f"{field}: /api/health"), "401")
    for method, path in (
        ("DELETE", "/api/v1/settings/in.a"), ("DELETE", "/api/v1/tokens/admin"), ("DELETE", "/api/v1/people/Ada"),
        ("POST", "/api/v1/people/Ada/sign-out"), ("DELETE", "/api/v1/context_features/theme"),
    ):  # fmt: skip
        for grant in ("evaluate", "read", "declare", "edit"):
            yield Attack(f"{grant} {method} {path}", make(method, path, guarded.bear(grant)), "403")


def list_body_attacks(guarded: Guarded) -> Iterator[Attack]:
    """Yield bodies that break what reads them, from those who may send them and from those who may not."""
    deep = b"[" * 50_000 + b"]" * 50_000
    bodies = {
        "deep lists": b'{"name":"a","grants":' + deep + b"}",
        "deep objects": b'{"a":' * 20_000 + b"1" + b"}" * 20_000,
        "UTF-16": '{"name": "stolen"}'.encode("utf-16"),
        "no UTF-8": b'{"name": "\xff\xfe", "grants": ["admin"]}',
        "half a surrogate pair": b'{"name": "\\ud800", "grants": ["admin"]}',
        "a null byte": b'{"name": "a\x00", "grants": ["admin"]}',
        "an escaped null byte": b'{"name": "a\\u0000", "grants": ["admin"]}',
        "a key twice": b'{"name": "a", "grants": ["read"], "grants": ["admin"]}',
        "no number": b'{"name": NaN, "grants": ["admin"]}',
        "no object": b"[]",
        "nothing at all": b" ",
        "not the end": b'{"name": "a", "grants": ["admin"',
        "a form": b"name=stolen&grants=admin",
        "a long name": b'{"name": "' + b"a" * 100_000 + b'", "grants": ["admin"]}',
        "a name of a path": b'{"name": "..", "grants": ["admin"]}',
        "a name that turns round": '{"name": "a\u202eb", "grants": ["admin"]}'.encode(),
        "many grants": b'{"name": "a", "grants": [' + b",".join([b'"read"'] * 2000) + b"]}",
        "no list": b'{"name": "a", "grants": "admin"}',
        "grants of grants": b'{"name": "a", "grants": [["admin"]]}',
        "an end that is past": b'{"name": "a", "grants": ["read"], "expires_at": "2000-01-01T00:00:00Z"}',
        "an end without a zone": b'{"name": "a", "grants": ["read"], "expires_at": "2999-01-01T00:00:00"}',
        "an end out of all time": b'{"name": "a", "grants": ["read"], "expires_at": "9999-12-31T23:59:59-12:00"}',
    }
    grants = (
        "edit:", "edit:in", "edit:*.", "edit: in.", "edit:in. ", "EDIT", "admin:", "admin:in.", "read:in.",
        "edit:\u0456n.", "edit:in.\n", "root", "", " admin", "admin\u0000", "edit:a:b.",
    "evaluate:" + "a" * 5000 + ".", )  # fmt: skip
    bodies |= {f"grant {grant!r}": {"name": "a", "grants": [grant]} for grant in grants}
    for what, body in bodies.items():
        yield Attack(
            f"an admin sends {what}", make("POST", "/api/v1/tokens", guarded.bear("admin"), body=body), "422 413"
        )
    for what in ("deep lists", "no UTF-8", "a key twice"):
        body = bodies[what]
        yield Attack(f"nobody sends {what}", make("POST", "/api/v1/tokens", body=body), "401")
        yield Attack(f"edit sends {what}", make("POST", "/api/v1/people", guarded.bear("edit"), body=body), "403")
    for coding in ("gzip", "br", "identity, gzip"):
        packed = make("POST", "/api/v1/tokens", guarded.bear("admin"), f"Content-Encoding: {coding}", body=_NEW)
        yield Attack(f"a body in {coding}", packed, "415")
    for content_type in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"):
        form = make("POST", "/api/v1/tokens", guarded.bear("admin"), f"Content-Type: {content_type}", body=_NEW)
        yield Attack(f"a body of {content_type}", form, "422")
    for grant in ("evaluate", "read", "declare", "declare:in.", "edit", "edit:in."):
        for method, path, body in (
            ("POST", "/api/v1/tokens", _NEW),
            ("PATCH", f"/api/v1/tokens/{grant}", {"grants": ["admin"]}),
            ("PATCH", "/api/v1/people/Rob", {"grants": ["admin"]}),
            ("POST", "/api/v1/people/Ada/password", {"password": "mine, all mine"}),
        ):
            yield Attack(f"{grant} {method} {path}", make(method, path, guarded.bear(grant), body=body), "403")
