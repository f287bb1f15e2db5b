"""Requests to a provider of identities, bounded in time and in size. The one module that knows Authlib's client.

A provider is trusted to say who somebody is, and no more than that: not to answer in time, and not to answer little.
Nothing that is sent or received here is ever logged, or told in an error: it is secrets, for the most part.
"""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import quote_plus

import httpx2

# Authlib has no types.
from authlib.integrations.base_client.errors import OAuthError  # type: ignore[import-untyped]
from authlib.integrations.httpx_client import AsyncOAuth2Client  # type: ignore[import-untyped]
from authlib.oauth2.client import OAuth2Client  # type: ignore[import-untyped]

from heksher.server.sign_in.sign_in_error import ProviderError, RefusedSignInError
from heksher.value_type import JSON, shorten

JSONMapping = Mapping[str, JSON]

# For one request, and for all that is done to sign somebody in; in seconds.
_REQUEST_S: Final = 5.0
_CONVERSATION_S: Final = 15.0
MAX_ANSWER_BYTES: Final = 512 * 1024
# At once, in a process. Strangers can cause a request each, with a code that they have made up.
_MAX_CONVERSATIONS: Final = 8

_BASIC: Final = "client_secret_basic"
_POST: Final = "client_secret_post"


@dataclass(frozen=True, slots=True)
class ClientRegistration:
    """What the service is to a provider.

    Attributes:
        issuer: the provider, by its identifier.
        client_id: what the provider calls the service.
        client_secret: what the service shows to be it; ``None`` if the provider has given it none.
        redirect_uri: where the provider sends people back to.
        scopes: what it is asked to tell of people.
    """

    issuer: str
    client_id: str
    client_secret: str | None = field(repr=False)
    redirect_uri: str
    scopes: tuple[str, ...]


class ProviderClient:
    """Sends requests to a provider. Belongs to one event loop.

    Args:
        registration: what the service is to it.
    """

    def __init__(self, registration: ClientRegistration) -> None:
        self.registration = registration
        self._turns = asyncio.Semaphore(_MAX_CONVERSATIONS)
        # Made by the first request: to read the machine's certificates takes a tenth of a second.
        self._trust: ssl.SSLContext | None = None

    @asynccontextmanager
    async def conversing(self) -> AsyncIterator[None]:
        """Do what is inside this context within the time that it may take, a few at once.

        Raises:
            ProviderError: it took too long.
        """
        try:
            async with asyncio.timeout(_CONVERSATION_S), self._turns:
                yield
        except TimeoutError:
            raise ProviderError(f"the provider did not answer within {_CONVERSATION_S:g} seconds") from None

    async def get(self, url: str, access_token: str | None = None) -> JSONMapping:
        """Return the JSON object at a URL.

        Args:
            url: where it is.
            access_token: what allows to read it; ``None`` if everybody may.

        Raises:
            ProviderError: it cannot be had.
        """
        headers = {} if access_token is None else {"Authorization": f"Bearer {access_token}"}
        async with self._opening() as client:
            with _telling_failures(url):
                answer = await client.request("GET", url, headers=headers, withhold_token=True)
        if answer.status_code != httpx2.codes.OK:
            raise ProviderError(f"{_hide_query(url)} answered {answer.status_code}")
        return _read_object(url, answer)

    async def redeem(self, url: str, code: str, verifier: str, methods: tuple[str, ...]) -> JSONMapping:
        """Return what a provider gives for a code: an ID token, an access token, and more.

        Args:
            url: its token endpoint.
            code: what somebody has brought from it.
            verifier: what the service has committed itself to when it sent them there.
            methods: how the provider lets services show who they are.

        Raises:
            RefusedSignInError: the provider does not take the code: it is none, was used before, or is too old.
            ProviderError: the provider cannot be reached, or does not know the service.
        """
        async with self._opening(self._choose_method(methods)) as client:
            with _telling_failures(url):
                try:
                    tokens = await client.fetch_token(
                        url, grant_type="authorization_code", code=code, code_verifier=verifier
                    )
                except (ArithmeticError, AttributeError, RecursionError, TypeError, ValueError):
                    # How Authlib fails on what are no tokens.
                    raise _describe_nonsense(url) from None
        return dict(tokens)

    def make_authorization_url(self, endpoint: str, state: str, nonce: str, verifier: str) -> str:
        """Return the URL that somebody is sent to.

        Args:
            endpoint: the provider's authorization endpoint.
            state: what comes back with them.
            nonce: what stands in the ID token.
            verifier: what the service commits itself to (PKCE, S256).
        """
        of_service = self.registration
        client = OAuth2Client(
            session=None,
            client_id=of_service.client_id,
            redirect_uri=of_service.redirect_uri,
            scope=" ".join(of_service.scopes),
            code_challenge_method="S256",
        )
        url, _ = client.create_authorization_url(endpoint, state=state, code_verifier=verifier, nonce=nonce)
        return str(url)

    def _choose_method(self, methods: tuple[str, ...]) -> str:
        if self.registration.client_secret is None:
            return "none"
        # What is not announced is that one (OpenID Connect Discovery 1.0, section 3).
        return _POST if _POST in methods and _BASIC not in methods else _BASIC

    @asynccontextmanager
    async def _opening(self, method: str | None = None) -> AsyncIterator[AsyncOAuth2Client]:
        if self._trust is None:
            self._trust = await asyncio.to_thread(httpx2.create_ssl_context)
        of_service = self.registration
        client_id, secret = of_service.client_id, of_service.client_secret
        if method == _BASIC:
            # Authlib joins them as they are; RFC 6749, section 2.3.1, has them encoded first.
            client_id, secret = quote_plus(client_id), quote_plus(secret or "")
        async with AsyncOAuth2Client(
            client_id=client_id,
            client_secret=secret,
            token_endpoint_auth_method=method,
            redirect_uri=of_service.redirect_uri,
            verify=self._trust,
            timeout=_REQUEST_S,
            headers={"Accept": "application/json", "Accept-Encoding": "identity"},
            event_hooks={"response": [_bound]},
        ) as client:
            yield client


class _BoundedStream(httpx2.AsyncByteStream):
    """The body of an answer, which fails once it is too large."""

    def __init__(self, stream: httpx2.AsyncByteStream) -> None:
        self._stream = stream

    async def __aiter__(self) -> AsyncIterator[bytes]:
        size_bytes = 0
        async for part in self._stream:
            size_bytes += len(part)
            if size_bytes > MAX_ANSWER_BYTES:
                raise httpx2.ReadError(f"the answer has more than {MAX_ANSWER_BYTES} bytes")
            yield part

    async def aclose(self) -> None:
        await self._stream.aclose()


async def _bound(answer: httpx2.Response) -> None:
    """Have the body of an answer end where it is too large. Is called before it is read."""
    if "Content-Encoding" in answer.headers:
        # Nobody has asked for it, and a small one can be a large body.
        raise httpx2.DecodingError("the answer is compressed")
    if isinstance(answer.stream, httpx2.AsyncByteStream):
        answer.stream = _BoundedStream(answer.stream)


def _read_object(url: str, answer: httpx2.Response) -> JSONMapping:
    try:
        found = json.loads(answer.content)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise _describe_nonsense(url)
    return found


@contextmanager
def _telling_failures(url: str) -> Iterator[None]:
    """Turn errors of a request into those of signing in. Not their texts: what was sent can be in them."""
    try:
        yield
    except OAuthError as error:
        # The codes are those of RFC 6749, section 5.2.
        if error.error == "invalid_grant":
            raise RefusedSignInError("the provider does not take the code: it was used before, or is too old") from None
        raise ProviderError(f"the provider refused the service: {shorten(repr(error.error))}") from None
    except (httpx2.HTTPError, httpx2.InvalidURL) as error:
        raise ProviderError(f"{_hide_query(url)} cannot be used: {type(error).__name__}") from None


def _describe_nonsense(url: str) -> ProviderError:
    return ProviderError(f"{_hide_query(url)} answered what is no JSON object")


def _hide_query(url: str) -> str:
    return shorten(url.partition("?")[0])
