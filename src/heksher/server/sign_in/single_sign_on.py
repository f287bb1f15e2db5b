"""The way to a provider of identities and back: the authorization code flow of OpenID Connect.

::

    begin    browser <- where to go (state, nonce, PKCE challenge), and a signed cookie with a random number
             browser -> provider: signs in there
    finish   browser -> code, state, and the cookie, which must belong together
             provider <- code, PKCE verifier;  -> ID token, access token
             provider <- access token;         -> further claims
             -> who it is

State, nonce and verifier are made from the random number with the service's key, so every replica can finish what
another one has begun, nothing is kept meanwhile, and the cookie tells nobody what they are.

Source: OpenID Connect Core 1.0, section 3.1; RFC 7636; RFC 9207; RFC 9700, sections 2.1.1 and 4.
"""

import base64
import hashlib
import hmac
import secrets
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from typing import Final, NamedTuple, Protocol, TypeVar

from heksher.server.access.signed_session import read_signed, sign_content
from heksher.server.sign_in.id_token import TokenExpectation, UnknownKeyError, check_id_token
from heksher.server.sign_in.provided_identity import ProvidedIdentity, read_identity
from heksher.server.sign_in.provider import Metadata, Provider
from heksher.server.sign_in.provider_client import JSONMapping, ProviderClient
from heksher.server.sign_in.sign_in_error import RefusedSignInError
from heksher.value_type import JSON

T = TypeVar("T")

# How long somebody may take to sign in at the provider.
MAX_WAY_S: Final = 600
_PURPOSE: Final = "heksher.sign-in"
_RANDOM_BYTES: Final = 32
# Of how many sign-ins it is known that they are over, until they would be too old.
_MAX_SPENT: Final = 10_000
# What a provider may say when nobody was signed in; other texts could be anybody's.
_DENIALS: Final = frozenset(
    {
        "access_denied", "account_selection_required", "consent_required", "interaction_required", "invalid_request",
        "invalid_scope", "login_required", "server_error", "temporarily_unavailable", "unauthorized_client",
        "unsupported_response_type",
    }
)  # fmt: skip
_AGAIN = "begin again, in one tab"


class RunInThread(Protocol):
    """Runs something that needs the processor for longer than an event loop may."""

    def __call__(self, work: Callable[[], T]) -> Awaitable[T]: ...


class Departure(NamedTuple):
    """Where somebody is sent to, and the cookie that they take along, for so many seconds."""

    url: str
    cookie: str
    max_age_s: int


class Arrival(NamedTuple):
    """Who has come back, and the path of the service that they wanted to go to."""

    identity: ProvidedIdentity
    path: str


class _Way(NamedTuple):
    """What is made from a random number for one sign-in."""

    number: str
    path: str
    state: str
    nonce: str
    verifier: str


class SingleSignOn:
    """Signs people in through a provider. Belongs to one event loop.

    Args:
        client: sends requests to it.
        groups_claim: the claim with somebody's groups.
        run_in_thread: runs what needs the processor.
        read_clock_s: tells the time, as ``time.time``.
    """

    def __init__(
        self,
        client: ProviderClient,
        groups_claim: str,
        run_in_thread: RunInThread,
        read_clock_s: Callable[[], float] = time.time,
    ) -> None:
        self._client = client
        self._provider = Provider(client)
        self._groups_claim = groups_claim
        self._run_in_thread = run_in_thread
        self._read_clock_s = read_clock_s
        self._spent: OrderedDict[str, None] = OrderedDict()

    async def begin(self, key: str, path: str) -> Departure:
        """Return where to send somebody to sign in.

        Args:
            key: what the service signs cookies with.
            path: the path of the service that they want to go to.

        Raises:
            ProviderError: the provider cannot be reached, or is none.
        """
        async with self._client.conversing():
            metadata = await self._provider.get_metadata()
        number = secrets.token_urlsafe(_RANDOM_BYTES)
        way = _make_way(key, number, path)
        url = self._client.make_authorization_url(metadata.authorization_endpoint, way.state, way.nonce, way.verifier)
        cookie = sign_content(key, _PURPOSE, [number, int(self._read_clock_s()), path])
        return Departure(url, cookie, MAX_WAY_S)

    async def finish(self, key: str, cookie: str | None, answer: Mapping[str, str]) -> Arrival:
        """Return who has come back from the provider.

        Args:
            key: what the service signs cookies with.
            cookie: what the browser was given when it was sent there; ``None`` if it has nothing.
            answer: what the browser brings from there.

        Raises:
            RefusedSignInError: it does not belong together, or is not to be believed.
            ProviderError: the provider cannot be reached, or is none.
        """
        way = self._take_way(key, cookie, answer.get("state", ""))
        async with self._client.conversing():
            metadata = await self._provider.get_metadata()
            _require_issuer(metadata, answer.get("iss"))
            tokens = await self._client.redeem(
                metadata.token_endpoint, _find_code(answer), way.verifier, metadata.client_methods
            )
            claims = await self._check(metadata, tokens, way.nonce)
            userinfo = await self._ask_userinfo(metadata, tokens)
        return Arrival(read_identity(claims, userinfo, self._groups_claim), way.path)

    def _take_way(self, key: str, cookie: str | None, state: str) -> _Way:
        """Return the sign-in that a browser has begun, which is over by that."""
        now_s = self._read_clock_s()
        match None if cookie is None else read_signed(key, _PURPOSE, cookie):
            case [str(number), int(begun_s), str(path)] if now_s < begun_s + MAX_WAY_S:
                way = _make_way(key, number, path)
            case _:
                minutes = MAX_WAY_S // 60
                raise RefusedSignInError(
                    f"this browser has begun no sign-in in the last {minutes} minutes that is still open: {_AGAIN}"
                )
        if not hmac.compare_digest(way.state.encode(), state.encode()):
            raise RefusedSignInError(f"the answer belongs to another sign-in (state): {_AGAIN}")
        if way.number in self._spent:
            raise RefusedSignInError(f"this sign-in is over: {_AGAIN}")
        self._spent[way.number] = None
        if len(self._spent) > _MAX_SPENT:
            self._spent.popitem(last=False)
        return way

    async def _check(self, metadata: Metadata, tokens: JSONMapping, nonce: str) -> JSONMapping:
        token, access_token = tokens.get("id_token"), tokens.get("access_token")
        if not isinstance(token, str):
            raise RefusedSignInError("the provider has sent no ID token: the scope openid is missing, or not allowed")
        expected = TokenExpectation(
            metadata.issuer,
            self._client.registration.client_id,
            nonce,
            access_token if isinstance(access_token, str) else None,
        )
        keys = await self._provider.get_keys()
        try:
            return await self._run_in_thread(lambda: check_id_token(token, keys, expected, self._read_clock_s()))
        except UnknownKeyError:
            fresh = await self._provider.get_keys(are_stale=True)
        return await self._run_in_thread(lambda: check_id_token(token, fresh, expected, self._read_clock_s()))

    async def _ask_userinfo(self, metadata: Metadata, tokens: JSONMapping) -> Mapping[str, JSON] | None:
        access_token = tokens.get("access_token")
        if metadata.userinfo_endpoint is None or not isinstance(access_token, str):
            return None
        return await self._client.get(metadata.userinfo_endpoint, access_token)


def _require_issuer(metadata: Metadata, named: str | None) -> None:
    """Check that an answer is of this provider, if it can be told."""
    if named is None and metadata.names_itself:
        raise RefusedSignInError("the answer does not say which provider it is of (iss), as this one does")
    if named is not None and named != metadata.issuer:
        raise RefusedSignInError("the answer is of another provider (iss)")


def _find_code(answer: Mapping[str, str]) -> str:
    error = answer.get("error")
    if error is not None:
        shown = error if error in _DENIALS else "an error that it has made up"
        raise RefusedSignInError(f"the provider signs nobody in: {shown}")
    code = answer.get("code")
    if not code:
        raise RefusedSignInError("the answer has no code")
    return code


def _make_way(key: str, number: str, path: str) -> _Way:
    state, nonce, verifier = (_derive(key, purpose, number) for purpose in ("state", "nonce", "verifier"))
    return _Way(number, path, state, nonce, verifier)


def _derive(key: str, purpose: str, number: str) -> str:
    """Return 43 characters that only who has the key can tell from random ones: as many as a verifier must have."""
    digest = hmac.digest(key.encode(), f"{_PURPOSE}:{purpose}:{number}".encode(), hashlib.sha256)
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
