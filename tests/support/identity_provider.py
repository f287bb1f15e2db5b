"""A provider of identities (OpenID Connect) of our own, which can be wrong in each way that a service has to notice."""

import base64
import hashlib
import hmac
import json
import secrets
import threading
import time
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self
from urllib.parse import parse_qs, parse_qsl, unquote_plus, urlencode, urlsplit

from joserfc import jwt
from joserfc.jwk import KeySet, RSAKey
from joserfc.jws import JWSRegistry

CLIENT_ID = "heksher"
CLIENT_SECRET = "s3cret+of/the=service"  # noqa: S105 - of this provider alone
_BASIC = f"{CLIENT_ID}:{CLIENT_SECRET}"


@cache
def make_key(name: str) -> RSAKey:
    """Return the key with a name, the same one each time: to make one takes long."""
    return RSAKey.generate_key(2048, {"kid": name, "use": "sig"})


class IdentityProvider:
    """A provider on a thread of this process. A context manager.

    Attributes:
        issuer: its identifier.
        metadata: what it says of itself; tests may change it.
        published: the keys that it publishes.
        key: the one that it signs with.
        claims: what is different in its ID tokens, besides who it is; ``None`` leaves a claim out.
        userinfo: what its userinfo endpoint says; ``None`` is a failure.
        answer: what is different in what people bring back from it; ``None`` leaves a part out.
        sign: makes the ID token of claims.
        broken: what it answers at some paths instead: a status, header fields, and a body.
        asked: the paths of the requests that it has got.
        lost_codes: whether it has forgotten all codes, as it does after a minute.
    """

    def __init__(self) -> None:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _make_handler(self))
        self.issuer = f"http://127.0.0.1:{self._server.server_port}/realm"
        self.metadata: dict[str, object] = {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "userinfo_endpoint": f"{self.issuer}/userinfo",
            "jwks_uri": f"{self.issuer}/keys",
            "id_token_signing_alg_values_supported": ["RS256"],
        }
        self.key = make_key("first")
        self.published = [self.key]
        self.claims: dict[str, object] = {}
        self.userinfo: dict[str, object] | None = {"sub": "248289761001"}
        self.answer: dict[str, str | None] = {}
        self.sign = self.sign_rs256
        self.broken: dict[str, tuple[int, dict[str, str], bytes]] = {}
        self.asked: list[str] = []
        self.lost_codes = False
        self._codes: dict[str, dict[str, str]] = {}

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def sign_in(self, url: str) -> str:
        """Sign somebody in who was sent to this URL; return the one that they are sent back to."""
        query = dict(parse_qsl(urlsplit(url).query))
        assert f"{self.issuer}/authorize" == url.partition("?")[0]
        assert ("code", CLIENT_ID, "S256") == (
            query["response_type"],
            query["client_id"],
            query["code_challenge_method"],
        )
        assert "openid" in query["scope"].split()
        code = secrets.token_urlsafe()
        self._codes[code] = query
        answer = {"code": code, "state": query["state"]} | self.answer
        given = {name: value for name, value in answer.items() if value is not None}
        return f"{query['redirect_uri']}?{urlencode(given)}"

    def sign_rs256(self, claims: dict[str, object]) -> str:
        """Sign an ID token as it should be."""
        return jwt.encode({"alg": "RS256", "kid": self.key.kid}, claims, self.key)

    def answer_request(self, path: str, body: str, authorization: str) -> tuple[int, dict[str, str], bytes]:
        """Return what is answered: a status, header fields, and a body."""
        path = path.removeprefix("/realm")
        self.asked.append(path)
        if path in self.broken:
            return self.broken[path]
        if path == "/.well-known/openid-configuration":
            return _answer(self.metadata)
        if path == "/keys":
            return _answer(KeySet(self.published).as_dict(private=False))
        if path == "/token":
            return self._redeem(dict(parse_qsl(body)), authorization)
        if path == "/userinfo" and authorization.startswith("Bearer access-"):
            return (500, {}, b"") if self.userinfo is None else _answer(self.userinfo)
        return 404, {}, b""

    def _redeem(self, form: dict[str, str], authorization: str) -> tuple[int, dict[str, str], bytes]:
        if not self._knows(form, authorization):
            return _answer({"error": "invalid_client"}, 401)
        begun = self._codes.pop(form["code"], None)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(form["code_verifier"].encode()).digest()).rstrip(b"=")
        if begun is None or self.lost_codes or challenge.decode() != begun["code_challenge"]:
            return _answer({"error": "invalid_grant"}, 400)
        assert begun["redirect_uri"] == form["redirect_uri"]
        now_s = int(time.time())
        claims = {
            "iss": self.issuer, "sub": "248289761001", "aud": CLIENT_ID, "nonce": begun["nonce"], "iat": now_s,
            "exp": now_s + 3600,
        } | self.claims  # fmt: skip
        token = self.sign({name: value for name, value in claims.items() if value is not None})
        return _answer({"access_token": "access-1", "token_type": "Bearer", "expires_in": 60, "id_token": token})

    def _knows(self, form: dict[str, str], authorization: str) -> bool:
        scheme, _, credential = authorization.partition(" ")
        if scheme == "Basic":
            return _BASIC == ":".join(map(unquote_plus, base64.b64decode(credential).decode().split(":")))
        given = (form.get("client_id"), form.get("client_secret"))
        return given in {(CLIENT_ID, CLIENT_SECRET), (CLIENT_ID, None)}


def sign_nothing(claims: dict[str, object]) -> str:
    """Return an ID token that nobody has signed."""
    registry = JWSRegistry(algorithms=["none"])
    return jwt.encode({"alg": "none"}, claims, make_key("first"), registry=registry)


def sign_hs256(claims: dict[str, object], secret: bytes) -> str:
    """Return an ID token that is signed with a secret, whatever it is of another kind."""
    parts = [json.dumps(part).encode() for part in ({"alg": "HS256", "kid": "first"}, claims)]
    signed = b".".join(base64.urlsafe_b64encode(part).rstrip(b"=") for part in parts)
    signature = base64.urlsafe_b64encode(hmac.digest(secret, signed, "sha256")).rstrip(b"=")
    return b".".join((signed, signature)).decode()


def read_query(url: str) -> dict[str, list[str]]:
    """Return what a URL has after its question mark."""
    return parse_qs(urlsplit(url).query)


def _answer(content: dict[str, object], status: int = 200) -> tuple[int, dict[str, str], bytes]:
    return status, {"Content-Type": "application/json"}, json.dumps(content).encode()


def _make_handler(provider: IdentityProvider) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._answer("")

        def do_POST(self) -> None:
            self._answer(self.rfile.read(int(self.headers["Content-Length"])).decode())

        def log_message(self, *_: object) -> None:
            """Say nothing."""

        def _answer(self, body: str) -> None:
            status, fields, content = provider.answer_request(self.path, body, self.headers.get("Authorization", ""))
            self.send_response(status)
            for name, value in fields.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

    return Handler
