"""The way to a provider of identities and back, with a provider that can be wrong in each way."""

import asyncio
import time
from collections.abc import Callable, Iterator
from urllib.parse import parse_qsl, urlsplit

import pytest
from joserfc import jwt
from joserfc.jws import JWSRegistry
from joserfc.registry import HeaderParameter

from heksher.server.sign_in import provider, provider_client
from heksher.server.sign_in.provider_client import ClientRegistration, ProviderClient
from heksher.server.sign_in.sign_in_error import ProviderError, RefusedSignInError, SignInError
from heksher.server.sign_in.single_sign_on import Arrival, Departure, SingleSignOn
from tests.support.identity_provider import (
    CLIENT_ID,
    CLIENT_SECRET,
    IdentityProvider,
    make_key,
    read_query,
    sign_hs256,
    sign_nothing,
)

KEY = "the key that cookies are signed with"
CALLBACK = "https://heksher.example.com/sign-in/oidc/callback"


class Traveller:
    """Somebody who signs in, with a browser that keeps a cookie; each step in an event loop of its own."""

    def __init__(self, issuer: str, secret: str | None = CLIENT_SECRET) -> None:
        self.now_s = time.time()
        registration = ClientRegistration(issuer, CLIENT_ID, secret, CALLBACK, ("openid", "profile"))
        self._runner = asyncio.Runner()
        self.client = ProviderClient(registration)
        self.sso = SingleSignOn(self.client, "groups", _run, lambda: self.now_s)

    def begin(self, path: str = "/settings") -> Departure:
        return self._runner.run(self.sso.begin(KEY, path))

    def finish(self, cookie: str | None, url: str, key: str = KEY) -> Arrival:
        assert url.startswith(f"{CALLBACK}?")
        return self._runner.run(self.sso.finish(key, cookie, dict(parse_qsl(urlsplit(url).query))))

    def close(self) -> None:
        self._runner.close()


async def _run(work: Callable):
    return await asyncio.to_thread(work)


@pytest.fixture
def idp() -> Iterator[IdentityProvider]:
    with IdentityProvider() as idp:
        yield idp


@pytest.fixture
def traveller(idp: IdentityProvider) -> Iterator[Traveller]:
    traveller = Traveller(idp.issuer)
    yield traveller
    traveller.close()


def travel(idp: IdentityProvider, traveller: Traveller) -> Arrival:
    """Sign in at the provider, and come back."""
    departure = traveller.begin()
    return traveller.finish(departure.cookie, idp.sign_in(departure.url))


def test_somebody_signs_in(idp: IdentityProvider, traveller: Traveller):
    """The identity is issuer and subject; what people wanted to see is remembered."""
    idp.claims = {"preferred_username": "alice", "groups": ["support"]}
    identity, path = travel(idp, traveller)
    assert ("/settings", idp.issuer, "248289761001") == (path, identity.issuer, identity.subject)
    assert ("alice", ("support",)) == (identity.name, identity.groups)


def test_groups_and_names_can_be_at_the_userinfo_endpoint_alone(idp: IdentityProvider, traveller: Traveller):
    """Groups of both places count."""
    idp.claims = {"groups": "support"}
    idp.userinfo = {"sub": "248289761001", "email": "alice@example.com", "groups": ["platform", "support", 7]}
    identity, _ = travel(idp, traveller)
    assert ("alice@example.com", ("support", "platform")) == (identity.name, identity.groups)


def test_nothing_that_is_secret_is_in_a_cookie_or_a_second_time_in_a_url(idp: IdentityProvider, traveller: Traveller):
    """State, nonce and challenge are different each time, and the cookie has none of them."""
    first, second = traveller.begin(), traveller.begin()
    queries = [read_query(departure.url) for departure in (first, second)]
    values = [query[name][0] for query in queries for name in ("state", "nonce", "code_challenge")]
    assert 6 == len(set(values))
    assert all(43 == len(value) and value not in first.cookie + second.cookie for value in values)
    assert [[CALLBACK], ["openid profile"]] == [queries[0][name] for name in ("redirect_uri", "scope")]
    assert 600 == first.max_age_s


@pytest.mark.parametrize("change", ["{}", "x{}", "{}x", ""])
@pytest.mark.parametrize("has_cookie", [True, False])
def test_another_state_is_refused(idp: IdentityProvider, traveller: Traveller, change: str, has_cookie: bool):
    """One that is somebody else's, or changed, or not there; or that is right, in a browser that has begun nothing."""
    departure, other = traveller.begin(), traveller.begin()
    state = change.format(read_query((other if has_cookie else departure).url)["state"][0])
    idp.answer = {"state": state or None}
    with pytest.raises(RefusedSignInError, match="begin again"):
        traveller.finish(departure.cookie if has_cookie else None, idp.sign_in(departure.url))
    assert "/token" not in idp.asked


def test_what_was_begun_too_long_ago_is_refused(idp: IdentityProvider, traveller: Traveller):
    """After ten minutes."""
    departure = traveller.begin()
    traveller.now_s += 599
    assert traveller.finish(departure.cookie, idp.sign_in(departure.url))
    departure = traveller.begin()
    traveller.now_s += 600
    with pytest.raises(RefusedSignInError, match="no sign-in in the last 10 minutes"):
        traveller.finish(departure.cookie, idp.sign_in(departure.url))


def test_a_cookie_of_another_key_is_refused(idp: IdentityProvider, traveller: Traveller):
    """As after the key was replaced."""
    departure = traveller.begin()
    with pytest.raises(RefusedSignInError):
        traveller.finish(departure.cookie, idp.sign_in(departure.url), "another key")


def test_an_answer_that_is_brought_twice_is_refused(idp: IdentityProvider, traveller: Traveller):
    """Here, and by the provider if another replica gets it."""
    departure = traveller.begin()
    url = idp.sign_in(departure.url)
    assert traveller.finish(departure.cookie, url)
    with pytest.raises(RefusedSignInError, match="over"):
        traveller.finish(departure.cookie, url)
    replica = Traveller(idp.issuer)
    with pytest.raises(RefusedSignInError, match="used before"):
        replica.finish(departure.cookie, url)
    replica.close()


def test_another_replica_can_finish_what_one_has_begun(idp: IdentityProvider, traveller: Traveller):
    """Nothing is kept meanwhile."""
    replica = Traveller(idp.issuer)
    departure = traveller.begin()
    assert replica.finish(departure.cookie, idp.sign_in(departure.url))
    replica.close()


def test_an_expired_code_is_refused(idp: IdentityProvider, traveller: Traveller):
    """By the provider."""
    idp.lost_codes = True
    with pytest.raises(RefusedSignInError, match="too old"):
        travel(idp, traveller)


def test_a_code_of_another_sign_in_is_refused(idp: IdentityProvider, traveller: Traveller):
    """The provider has the challenge of the one that it was made for."""
    departure, other = traveller.begin(), traveller.begin()
    idp.answer = {"code": read_query(idp.sign_in(other.url))["code"][0]}
    with pytest.raises(RefusedSignInError, match="used before"):
        traveller.finish(departure.cookie, idp.sign_in(departure.url))


@pytest.mark.parametrize(
    ("announced", "named", "is_let_in"),
    [
        (True, "own", True),
        (True, None, False),
        (True, "https://other.example.com", False),
        (False, None, True),
        (False, "own", True),
        (False, "https://other.example.com", False),
        ("yes", None, True),
    ],
)
def test_the_provider_of_an_answer_has_to_be_the_right_one(
    idp: IdentityProvider, traveller: Traveller, announced: object, named: str | None, is_let_in: bool
):
    """If it says that it names itself (RFC 9207), it has to; if it does not, it may."""
    idp.metadata["authorization_response_iss_parameter_supported"] = announced
    idp.answer = {"iss": idp.issuer if named == "own" else named}
    if is_let_in:
        assert travel(idp, traveller)
    else:
        with pytest.raises(RefusedSignInError, match=r"\(iss\)"):
            travel(idp, traveller)
        assert "/token" not in idp.asked


CLAIMS = {
    "another nonce": {"nonce": "x"},
    "no nonce": {"nonce": None},
    "another audience": {"aud": "another"},
    "no audience": {"aud": None},
    "other audiences": {"aud": ["another", "third"]},
    "an audience more, and it is not said for whom": {"aud": [CLIENT_ID, "another"]},
    "for another one": {"aud": [CLIENT_ID, "another"], "azp": "another"},
    "another issuer": {"iss": "https://other.example.com"},
    "no issuer": {"iss": None},
    "expired": {"exp": int(time.time()) - 3600},
    "no expiry": {"exp": None},
    "an odd expiry": {"exp": "never"},
    "of tomorrow": {"iat": int(time.time()) + 86400},
    "not valid yet": {"nbf": int(time.time()) + 86400},
    "no subject": {"sub": None},
    "an empty subject": {"sub": ""},
    "an odd subject": {"sub": 7},
    "a long subject": {"sub": "a" * 256},
    "another access token": {"at_hash": "AAAAAAAAAAAAAAAAAAAAAA"},
    "an odd hash": {"at_hash": 7},
}


@pytest.mark.parametrize("claims", CLAIMS.values(), ids=CLAIMS)
def test_an_id_token_for_something_else_is_refused(idp: IdentityProvider, traveller: Traveller, claims: dict):
    """Though it is signed."""
    idp.claims = claims
    with pytest.raises(RefusedSignInError, match="ID token"):
        travel(idp, traveller)


def sign_with(key, header: dict, algorithm: str = "RS256"):
    return lambda claims: jwt.encode({"alg": algorithm, **header}, claims, key, algorithms=[algorithm])


def sign_extended(claims: dict) -> str:
    header = {"alg": "RS256", "kid": "first", "crit": ["odd"], "odd": "x"}
    registry = JWSRegistry({"odd": HeaderParameter("Odd", "str")}, algorithms=["RS256"])
    return jwt.encode(header, claims, make_key("first"), registry=registry)


def cut(text: str) -> str:
    return text.rpartition(".")[0] + "."


SIGNATURES = {
    "another key": sign_with(make_key("second"), {"kid": "second"}),
    "another key of the same name": sign_with(make_key("second"), {"kid": "first"}),
    "unsigned": sign_nothing,
    "no signature": lambda claims: cut(sign_with(make_key("first"), {"kid": "first"})(claims)),
    "the public key as a secret": lambda claims: sign_hs256(claims, make_key("first").as_pem(private=False)),
    "the client's secret": lambda claims: sign_hs256(claims, CLIENT_SECRET.encode()),
    "an extension that must be understood": sign_extended,
    "no token": lambda claims: "x",
    "nothing": lambda claims: "",
    "no text": lambda claims: 7,
    "odd characters": lambda claims: "é.é.é",
    "an encrypted one": lambda claims: "a.b.c.d.e",
}


@pytest.mark.parametrize("sign", SIGNATURES.values(), ids=SIGNATURES)
@pytest.mark.filterwarnings("ignore::joserfc.errors.SecurityWarning")
def test_an_id_token_that_the_provider_has_not_signed_is_refused(
    idp: IdentityProvider, traveller: Traveller, sign: Callable
):
    """Or not with one of its keys, whatever algorithm the token or the provider names."""
    idp.metadata["id_token_signing_alg_values_supported"] = ["RS256", "HS256", "none"]
    idp.sign = sign
    with pytest.raises(RefusedSignInError, match="ID token"):
        travel(idp, traveller)


def test_the_provider_can_change_its_key(idp: IdentityProvider, traveller: Traveller, monkeypatch: pytest.MonkeyPatch):
    """It is asked for its keys again when it has signed with one that is not known; not all the time, though."""
    assert travel(idp, traveller)
    idp.key = make_key("second")
    idp.published = [make_key("first"), idp.key]
    with pytest.raises(RefusedSignInError, match="a key that is not the provider's"):
        travel(idp, traveller)
    monkeypatch.setattr(provider, "_REST_S", 0.0)
    assert travel(idp, traveller)
    assert travel(idp, traveller)
    assert 2 == idp.asked.count("/keys")
    assert 1 == idp.asked.count("/.well-known/openid-configuration")


@pytest.mark.parametrize("userinfo", [{"sub": "another"}, {}, {"sub": 248289761001}])
def test_claims_about_somebody_else_are_refused(idp: IdentityProvider, traveller: Traveller, userinfo: dict):
    """The subject has to be the same in both places."""
    idp.userinfo = userinfo
    with pytest.raises(RefusedSignInError, match="not about the same person"):
        travel(idp, traveller)


def test_a_provider_without_userinfo_endpoint_is_asked_for_nothing_more(idp: IdentityProvider, traveller: Traveller):
    """All is in the ID token."""
    del idp.metadata["userinfo_endpoint"]
    assert travel(idp, traveller)
    assert "/userinfo" not in idp.asked


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ({"code": None}, "no code"),
        ({"code": ""}, "no code"),
        ({"code": "made up"}, "does not take the code"),
        ({"code": None, "error": "access_denied"}, "access_denied"),
        ({"error": "<b>sign in at evil.example</b>"}, "an error that it has made up"),
    ],
)
def test_an_answer_without_a_code_that_counts_is_refused(
    idp: IdentityProvider, traveller: Traveller, answer: dict, message: str
):
    """What anybody can write into a URL is not shown."""
    idp.answer = answer
    with pytest.raises(RefusedSignInError, match=message) as caught:
        travel(idp, traveller)
    assert "evil" not in str(caught.value)


WRONG_METADATA = {
    "another issuer": {"issuer": "https://other.example.com"},
    "a slash more": {"issuer": None},
    "no token endpoint": {"token_endpoint": None},
    "a plain one": {"token_endpoint": "http://login.example.com/token"},
    "an odd one": {"authorization_endpoint": "javascript:alert(1)"},
    "no URL": {"jwks_uri": 7},
    "one with a line break": {"jwks_uri": "https://login.example.com/\r\nx"},
    "half a URL": {"userinfo_endpoint": "https://["},
}


@pytest.mark.parametrize("wrong", WRONG_METADATA.values(), ids=WRONG_METADATA)
def test_a_provider_that_is_not_what_was_configured_is_not_used(
    idp: IdentityProvider, traveller: Traveller, wrong: dict
):
    """Nobody is sent there."""
    idp.metadata |= wrong
    with pytest.raises(ProviderError):
        traveller.begin()


BROKEN = {
    "an error": (500, {}, b""),
    "no JSON": (200, {}, b"<html>"),
    "no object": (200, {}, b"[]"),
    "deep": (200, {}, b"[" * 100_000),
    "too much": (200, {}, b'{"a": "' + b"a" * 600_000 + b'"}'),
    "compressed": (200, {"Content-Encoding": "gzip"}, b"\x1f\x8b"),
    "another place": (302, {"Location": "http://127.0.0.1:9/"}, b""),
    "an odd time": (200, {}, b'{"access_token": "a", "expires_in": 1e999, "id_token": "x"}'),
}


@pytest.mark.parametrize("path", ["/.well-known/openid-configuration", "/token", "/keys", "/userinfo"])
@pytest.mark.parametrize("broken", BROKEN.values(), ids=BROKEN)
def test_a_provider_that_answers_nothing_useful_signs_nobody_in(
    idp: IdentityProvider, traveller: Traveller, path: str, broken: tuple
):
    """And breaks nothing; nobody is told what it was."""
    idp.broken[path] = broken
    with pytest.raises(SignInError) as caught:
        travel(idp, traveller)
    assert "code=" not in str(caught.value)
    assert "access-1" not in str(caught.value)


def test_a_provider_that_is_away_is_not_asked_by_everybody(idp: IdentityProvider, traveller: Traveller):
    """For some seconds; then it is again."""
    idp.broken["/.well-known/openid-configuration"] = (503, {}, b"")
    for _ in range(5):
        with pytest.raises(ProviderError, match="answered 503"):
            traveller.begin()
    assert 1 == len(idp.asked)


def test_what_a_provider_has_said_is_used_while_it_is_away(
    idp: IdentityProvider, traveller: Traveller, monkeypatch: pytest.MonkeyPatch
):
    """Where it is, does not change often."""
    assert traveller.begin()
    for name in ("_FRESH_S", "_REST_S"):
        monkeypatch.setattr(provider, name, 0.0)
    idp.broken["/.well-known/openid-configuration"] = (503, {}, b"")
    assert traveller.begin()
    assert 2 == len(idp.asked)


def test_a_provider_that_does_not_answer_is_not_waited_for(
    idp: IdentityProvider, traveller: Traveller, monkeypatch: pytest.MonkeyPatch
):
    """For longer than a sign-in may take."""
    go_on = asyncio.Event()

    async def hang(self, url: str, access_token: str | None = None) -> None:
        await go_on.wait()

    monkeypatch.setattr(ProviderClient, "get", hang)
    monkeypatch.setattr(provider_client, "_CONVERSATION_S", 0.05)
    with pytest.raises(ProviderError, match="did not answer"):
        traveller.begin()


@pytest.mark.parametrize("methods", [["client_secret_basic"], ["client_secret_post"], ["private_key_jwt"], "odd", None])
def test_the_service_shows_who_it_is_as_the_provider_wants(
    idp: IdentityProvider, traveller: Traveller, methods: object
):
    """With a secret that has characters which a URL has not."""
    idp.metadata["token_endpoint_auth_methods_supported"] = methods
    assert travel(idp, traveller)


def test_a_service_without_a_secret_names_itself(idp: IdentityProvider):
    """As a public client does, which PKCE protects."""
    traveller = Traveller(idp.issuer, None)
    assert travel(idp, traveller)
    traveller.close()


def test_a_service_with_a_wrong_secret_is_refused(idp: IdentityProvider):
    """It is the service's fault, not of whoever signs in; the secret is not told."""
    traveller = Traveller(idp.issuer, "wrong-secret")
    with pytest.raises(ProviderError, match="refused the service: 'invalid_client'") as caught:
        travel(idp, traveller)
    assert "wrong-secret" not in f"{caught.value}{traveller.client.registration!r}"
    traveller.close()
