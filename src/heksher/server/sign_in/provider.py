"""What a provider of identities says of itself, and its keys, both kept for an hour.

When it cannot be asked anew, what it has said before goes on being used: a provider that is away for a minute would
not let anybody sign in anyway, and one that comes back need not be asked by everybody at once.

Source: OpenID Connect Discovery 1.0, sections 3 and 4; RFC 9207, section 3.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from joserfc.jwk import KeySet

from heksher.server.oidc_kind import is_provider_url
from heksher.server.sign_in.id_token import read_keys
from heksher.server.sign_in.provider_client import ProviderClient
from heksher.server.sign_in.sign_in_error import ProviderError
from heksher.value_type import JSON, shorten

T = TypeVar("T")

_WELL_KNOWN: Final = "/.well-known/openid-configuration"
_FRESH_S: Final = 3600.0
# How long the provider is not asked again after it has failed, or after it was asked for keys that it may have anew.
_REST_S: Final = 10.0


@dataclass(frozen=True, slots=True)
class Metadata:
    """What a provider says of itself.

    Attributes:
        issuer: its identifier.
        authorization_endpoint: where people sign in.
        token_endpoint: where codes are redeemed.
        keys_url: where its keys are.
        userinfo_endpoint: where claims are; ``None`` if they are in ID tokens alone.
        client_methods: how services can show there who they are; empty if it does not say.
        names_itself: whether it names itself in what people bring back from it (RFC 9207).
    """

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    keys_url: str
    userinfo_endpoint: str | None
    client_methods: tuple[str, ...]
    names_itself: bool


class Provider:
    """A provider. Belongs to one event loop.

    Args:
        client: sends requests to it.
        read_clock_s: tells the time.
    """

    def __init__(self, client: ProviderClient, read_clock_s: Callable[[], float] = time.monotonic) -> None:
        self._client = client
        self._metadata = _Kept(self._fetch_metadata, read_clock_s)
        self._keys = _Kept(self._fetch_keys, read_clock_s)

    async def get_metadata(self) -> Metadata:
        """Return what it says of itself.

        Raises:
            ProviderError: it cannot be asked, and has not been, or does not say what it has to.
        """
        return await self._metadata.get()

    async def get_keys(self, *, are_stale: bool = False) -> KeySet:
        """Return the keys that it signs with.

        Args:
            are_stale: whether it has signed with one that is not among them, so that it is to be asked anew.

        Raises:
            ProviderError: it cannot be asked, and has not been, or does not say what it has to.
        """
        return await self._keys.get(is_stale=are_stale)

    async def _fetch_metadata(self) -> Metadata:
        issuer = self._client.registration.issuer
        return read_metadata(issuer, await self._client.get(issuer.rstrip("/") + _WELL_KNOWN))

    async def _fetch_keys(self) -> KeySet:
        url = (await self.get_metadata()).keys_url
        entries = (await self._client.get(url)).get("keys")
        keys = read_keys(entries if isinstance(entries, list) else ())
        if not keys.keys:
            raise ProviderError(f"{shorten(url)} has no keys that can be used")
        return keys


class _Kept(Generic[T]):
    """Something that is asked for once an hour, whoever wants it."""

    def __init__(self, fetch: Callable[[], Awaitable[T]], read_clock_s: Callable[[], float]) -> None:
        self._fetch = fetch
        self._read_clock_s = read_clock_s
        self._turn = asyncio.Lock()
        # None before it was first there.
        self._value: T | None = None
        self._fetched_s = 0.0
        # Why it was not there when it was last asked for, and when that was; None if it was.
        self._problem: ProviderError | None = None
        self._asked_s = 0.0

    async def get(self, *, is_stale: bool = False) -> T:
        """Return it; as it was before, if it cannot be had now."""
        async with self._turn:
            now_s = self._read_clock_s()
            if (is_stale or not self._is_fresh(now_s)) and not self._is_resting(now_s):
                await self._ask(now_s)
        if self._value is None:
            # The same one would gather all tracebacks.
            raise ProviderError(str(self._problem))
        return self._value

    def _is_fresh(self, now_s: float) -> bool:
        return self._value is not None and now_s < self._fetched_s + _FRESH_S

    def _is_resting(self, now_s: float) -> bool:
        return (self._value is not None or self._problem is not None) and now_s < self._asked_s + _REST_S

    async def _ask(self, now_s: float) -> None:
        self._asked_s = now_s
        try:
            self._value, self._problem = await self._fetch(), None
            self._fetched_s = now_s
        except ProviderError as error:
            self._problem = error


def read_metadata(issuer: str, found: Mapping[str, JSON]) -> Metadata:
    """Return what a provider says of itself, once it is sure that this is the provider.

    Args:
        issuer: the identifier that it must have.
        found: what it says.

    Raises:
        ProviderError: it has another identifier, or lacks what is needed; the message says what.
    """
    named = found.get("issuer")
    if named != issuer:
        raise ProviderError(
            f"the provider at {shorten(issuer)} calls itself {shorten(repr(named))}: --oidc-issuer has to be"
            " exactly what it calls itself"
        )
    methods = found.get("token_endpoint_auth_methods_supported")
    has_userinfo = found.get("userinfo_endpoint") is not None
    return Metadata(
        issuer=issuer,
        authorization_endpoint=_read_url(found, "authorization_endpoint"),
        token_endpoint=_read_url(found, "token_endpoint"),
        keys_url=_read_url(found, "jwks_uri"),
        userinfo_endpoint=_read_url(found, "userinfo_endpoint") if has_userinfo else None,
        client_methods=tuple(map(str, methods)) if isinstance(methods, list) else (),
        names_itself=found.get("authorization_response_iss_parameter_supported") is True,
    )


def _read_url(found: Mapping[str, JSON], name: str) -> str:
    url = found.get(name)
    if not isinstance(url, str) or not is_provider_url(url):
        raise ProviderError(f"the provider names no {name} that is reached over TLS")
    return url
