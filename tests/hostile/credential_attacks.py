"""Tokens and cookies that are forged, cut off, used for another purpose, late, or too many."""

import base64
import hashlib
import json
import time
from collections.abc import Iterator
from typing import Final

from itsdangerous import URLSafeSerializer

from heksher.server.access.signed_session import MAX_SESSION_S, sign_content
from heksher.server.access.token import digest_token, make_token
from tests.hostile.guarded import Attack, Guarded, make

_READ: Final = "/api/v1/settings"
_TOKEN_FIELDS: Final = ("Authorization: Bearer {}", "Authorization: {}", "X-API-Key: {}", "api_token: {}")
_OWN: Final = "Sec-Fetch-Site: same-origin"
_FEATURE: Final = {"context_feature": "stolen"}


def list_token_attacks(guarded: Guarded) -> Iterator[Attack]:
    """Yield what is no token of this service, in each header; and what is."""
    good = guarded.tokens["admin"]
    wrong = {
        "nothing": "",
        "the beginning alone": "hks_",
        "one cut off": good[:-1],
        "half of one": good[: len(good) // 2],
        "one with more": f"{good}A",
        "one twice": good * 2,
        "one with another end": good[:-1] + ("A" if good[-1] != "A" else "B"),
        "one in upper case": good.upper(),
        "one without its beginning": good[4:],
        "one with another beginning": f"hkx_{good[4:]}",
        "its digest": digest_token(good),
        "the digest of nothing": hashlib.sha256(b"").hexdigest(),
        "another random one": make_token(),
        "one that has ended": guarded.tokens["ended"],
        "one that was taken back": guarded.tokens["revoked"],
        "the name of one": "admin",
        "a person's name": "Ada",
        "a session": guarded.sessions["Ada"],
        "the key of sessions": guarded.key,
        "one in quotes": f'"{good}"',
        "one with a blank in it": f"{good[:9]} {good[9:]}",
        "a token of JSON": base64.urlsafe_b64encode(b'{"alg":"none"}').decode() + ".e30.",
        "one in another encoding": good.replace("_", "%5F"),
        "bytes that are no text": "\xff\xfe\x80",
        "a long one": "hks_" + "A" * 40_000,
        "SQL": "' OR '1'='1",
        "a path": "../../etc/passwd",
    }
    for what, token in wrong.items():
        for field in _TOKEN_FIELDS:
            yield Attack(f"{what} in {field}", make("GET", _READ, field.format(token)), "401")
    for control in ("\x00", "\x01", "\x7f", "\n", "\r"):
        yield Attack(
            f"a token with {control!r}", make("GET", _READ, f"api_token: {good[:9]}{control}{good}"), "400 401"
        )
    yield Attack("a token that fills the head", make("GET", _READ, "api_token: " + "A" * 70_000), "400 431")
    for scheme in ("Basic", "Digest", "Token", "bearer", "BEARER", "Bearer "):
        expected = "200" if scheme.strip().lower() == "bearer" else "401"
        yield Attack(f"scheme {scheme}", make("GET", _READ, f"Authorization: {scheme} {good}"), expected)
    for field in _TOKEN_FIELDS:
        yield Attack(f"a good token in {field}", make("GET", _READ, field.format(good)), "200")
    for place in (f"{_READ}?api_token={good}", f"{_READ}?access_token={good}", f"{_READ}?token={good}"):
        yield Attack("a token in a query", make("GET", place), "401")
    yield Attack("a token in a cookie", make("GET", _READ, f"Cookie: heksher={good}", _OWN), "401")
    yield Attack("a token in a body", make("POST", "/api/v1/query", body={"settings": [], "token": good}), "401")
    yield Attack("a user in a URL", make("GET", f"http://{good}@localhost{_READ}"), "4xx")


def list_double_attacks(guarded: Guarded) -> Iterator[Attack]:
    """Yield requests with several credentials: two tokens count only if they are the same."""
    read, admin = guarded.tokens["read"], guarded.tokens["admin"]
    for first in _TOKEN_FIELDS:
        for second in _TOKEN_FIELDS:
            repeats = first.partition(":")[0] == second.partition(":")[0]
            name = f"{first} and {second}"
            different = make("GET", _READ, first.format(read), second.format(admin))
            yield Attack(f"{name}, different", different, "400")
            yield Attack(
                f"{name}, equal",
                make("GET", _READ, first.format(read), second.format(read)),
                "400" if repeats else "200",
            )
    for field in ("X-API-Key: {}, {}", "api_token: {},{}", "Authorization: Bearer {}, Bearer {}"):
        yield Attack(f"joined in {field}", make("GET", _READ, field.format(read, admin)), "400")
    for folded in (f"X-API-Key: {read}\r\n {admin}", f"Authorization: Bearer\r\n\t{admin}"):
        yield Attack("a folded line", make("GET", _READ, folded), "400 401")
    for field in ("Authorization :", "Authorization\t:", " Authorization:"):
        yield Attack(f"{field!r}", make("GET", _READ, f"{field} Bearer {admin}"), "400 401")
    own = guarded.carry("Ada")
    for what, field, expected in (
        ("a reader's token", f"api_token: {read}", "403"),
        ("a wrong token", "api_token: x", "401"),
        ("an empty token", "api_token:", "401"),
    ):
        request = make("POST", "/api/v1/context_features", field, *own, body=_FEATURE)
        yield Attack(f"{what} beside an admin's cookie", request, expected)
    beside = make("GET", _READ, f"api_token: {read}", "Cookie: heksher=x")
    yield Attack("a good token beside a wrong cookie", beside, "200")


def list_cookie_attacks(guarded: Guarded) -> Iterator[Attack]:
    """Yield cookies that are no session of this service, or not any more."""
    good, key, epoch = guarded.sessions["Ada"], guarded.key, guarded.find_person("Ada").epoch
    payload, _, signature = good.rpartition(".")
    other_payload = guarded.sessions["Rob"].rpartition(".")[0]
    now_s = int(time.time())
    options = {"key_derivation": "hmac", "digest_method": hashlib.sha256}
    forge = URLSafeSerializer(key, "heksher.session", signer_kwargs=options).dumps
    wrong = {
        "nothing": "",
        "a dot": ".",
        "no signature": payload,
        "an empty signature": f"{payload}.",
        "the signature alone": f".{signature}",
        "a signature cut off": good[:-1],
        "another's signature": f"{other_payload}.{signature}",
        "more behind it": f"{good}A",
        "more before it": f"A{good}",
        "the payload of somebody else": f"{_encode(['Ada', now_s, epoch])}.{signature}",
        "another key": guarded.sign("Ada", key="k" * 43),
        "an empty key": URLSafeSerializer("", "heksher.session", signer_kwargs=options).dumps(["Ada", now_s, epoch]),
        "the sign-in's purpose": sign_content(key, "heksher.sign-in", ["Ada", now_s, epoch]),
        "a way to a provider": sign_content(key, "heksher.sign-in", ["number", now_s, "/"]),
        "no purpose": sign_content(key, "", ["Ada", now_s, epoch]),
        "SHA-1": URLSafeSerializer(key, "heksher.session", signer_kwargs={"digest_method": hashlib.sha1}).dumps(
            ["Ada", now_s, epoch]
        ),
        "just ended": guarded.sign("Ada", age_s=MAX_SESSION_S),
        "long ended": guarded.sign("Ada", age_s=10 * MAX_SESSION_S),
        "of tomorrow": guarded.sign("Ada", age_s=-24 * 3600),
        "an epoch before": guarded.sign("Ada", epoch=epoch - 1),
        "an epoch to come": guarded.sign("Ada", epoch=epoch + 1),
        "somebody unknown": guarded.sign("Mallory", epoch=0),
        "a token's name": guarded.sign("admin", epoch=0),
        "other parts": forge(["Ada", now_s]),
        "more parts": forge(["Ada", now_s, epoch, "admin"]),
        "an object": forge({"person": "Ada", "epoch": epoch}),
        "a text in place of a time": forge(["Ada", str(now_s), epoch]),
        "no finite time": forge(["Ada", float("inf"), epoch]),
        "deep nesting": forge(json.loads("[" * 500 + "]" * 500)),
        "a compressed bomb": URLSafeSerializer(key, "heksher.session", signer_kwargs=options).dumps("A" * 2_000_000),
        "no text": "\xff\xfe\x80",
        "a long one": "A" * 20_000,
        "a percent sign": good.replace(".", "%2E"),
        "quotes": f'"{good}"',
    }
    for what, cookie in wrong.items():
        yield Attack(f"cookie: {what}", make("GET", _READ, f"Cookie: heksher={cookie}", _OWN), "401")
    for name in ("Heksher", "__Host-heksher", "__Secure-heksher", "heksher ", "heksher-sign-in", " heksher\x00"):
        expected = "200" if name.strip() == "heksher" else "400 401"
        yield Attack(f"a cookie {name!r}", make("GET", _READ, f"Cookie: {name}={good}", _OWN), expected)
    rob = guarded.sessions["Rob"]
    yield Attack("two cookies", make("GET", _READ, f"Cookie: heksher={rob}; heksher={good}", _OWN), "401")
    yield Attack("the same twice", make("GET", _READ, f"Cookie: heksher={rob}; heksher={rob}", _OWN), "401")
    twice = make("GET", _READ, f"Cookie: heksher={rob}", f"Cookie: heksher={good}", _OWN)
    yield Attack("two lines of cookies", twice, "401")
    yield Attack("a session", make("GET", _READ, *guarded.carry("Rob")), "200")
    yield Attack(
        "a session that may not", make("POST", "/api/v1/context_features", *guarded.carry("Rob"), body=_FEATURE), "403"
    )
    yield Attack("a session that may nothing", make("GET", _READ, *guarded.carry("Eve")), "403")
    yield Attack("no session", make("GET", "/api/v1/me", *guarded.carry("Eve")), "403")


def _encode(content: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(content, separators=(",", ":")).encode()).rstrip(b"=").decode()
