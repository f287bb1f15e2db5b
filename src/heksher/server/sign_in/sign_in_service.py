"""What the pages of signing in work with: the ways to sign in that there are, and the sessions that come of them."""

import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

from heksher.server.access.cookie import CookieForm, find_cookie, make_cookie_form
from heksher.server.access.grants import Role
from heksher.server.access.group_grants import GroupGrants, find_grants, read_group_grants
from heksher.server.access.signed_session import MAX_SESSION_S, sign
from heksher.server.catalog.access_picture import AccessPicture
from heksher.server.catalog.catalog import Catalog
from heksher.server.config import Config
from heksher.server.operations import people
from heksher.server.operations.last_admin import WaysIn
from heksher.server.queries.workshop import Workshop
from heksher.server.sign_in.password_sign_in import PasswordSignIn
from heksher.server.sign_in.provided_identity import ProvidedIdentity, keep_person
from heksher.server.sign_in.rate_limit import TryLimiter
from heksher.server.sign_in.sign_in_error import NoGrantError, ProviderError, SignInError, WrongPasswordError
from heksher.server.sign_in.signing_key import ensure_signing_key
from heksher.server.storage.access_records import PersonRecord
from heksher.server.storage.base import Origin, Storage
from heksher.server.write_turns import WriteTurns

if TYPE_CHECKING:
    from heksher.server.sign_in.single_sign_on import SingleSignOn

logger: logging.Logger = logging.getLogger(__name__)

CALLBACK_PATH: Final = "/sign-in/oidc/callback"
_NOBODY_KNOWN: Final = AccessPicture()


@dataclass(frozen=True, slots=True)
class Admission:
    """What a browser is told of somebody who is signed in from now on, or is sent to a provider.

    Attributes:
        target: where to go on: a path of the service, or the provider; ``None`` for nowhere in particular.
        cookies: the header fields ``Set-Cookie``.
    """

    target: str | None
    cookies: tuple[str, ...]


class SignInService:
    """Signs people in and out. Belongs to one event loop.

    Args:
        config: says through which provider people can sign in, and what its groups allow.
        catalog: knows the people.
        storage: keeps them.
        workshop: has threads for what needs the processor.
        write_turns: has threads for writes.

    Attributes:
        cookies: how cookies look.
        ways_in: how people can come in besides by passwords, who are to count as admins.
    """

    def __init__(
        self, config: Config, catalog: Catalog, storage: Storage, workshop: Workshop, write_turns: WriteTurns
    ) -> None:
        self.cookies: CookieForm = make_cookie_form(config.public_url)
        self._catalog = catalog
        self._storage = storage
        self._write_turns = write_turns
        self._limiter = TryLimiter()
        self._passwords = PasswordSignIn(self._find_person, self._limiter)
        self._group_grants = read_group_grants(config.oidc_grants)
        self.ways_in: WaysIn = _find_ways_in(config, self._group_grants)
        # None if there is no provider.
        self._single_sign_on: SingleSignOn | None = _make_single_sign_on(config, workshop)

    def close(self) -> None:
        """Release the threads."""
        self._passwords.close()

    @property
    def has_provider(self) -> bool:
        """Whether people can sign in through a provider."""
        return self._single_sign_on is not None

    @property
    def has_passwords(self) -> bool:
        """Whether anybody can sign in with a password."""
        return any(person.password_hash is not None for person in self._access.records.persons)

    def list_admins(self) -> list[str]:
        """Return the names of the people who can give others grants."""
        return [person.name for person in self._access.records.persons if Role.ADMIN in person.grants]

    async def sign_in(self, name: str, password: str, address: str) -> Admission:
        """Sign somebody in by name and password.

        Args:
            name: any text.
            password: any text.
            address: where the request comes from.

        Raises:
            WrongPasswordError: there is no such person.
            TooManyTriesError: there were too many tries.
            StorageUnavailableError: there is no key yet to sign cookies with, and none can be stored.
        """
        try:
            person = await self._passwords.sign_in(name, password, address)
        except WrongPasswordError:
            # Not the name that was typed, which may be a password.
            logger.warning("somebody at %s could not sign in: name or password was wrong", address)
            raise
        logger.info("%r has signed in with a password from %s", person.name, address)
        return Admission(None, (self._make_session(await self._get_key(), person),))

    async def depart(self, path: str | None) -> Admission:
        """Send somebody to the provider.

        Args:
            path: where to go on afterwards; ``None`` for nowhere in particular.

        Raises:
            ProviderError: the provider cannot be reached.
            StorageUnavailableError: as in ``sign_in``.
        """
        key = await self._get_key()
        try:
            departure = await self._get_single_sign_on().begin(key, path or "")
        except ProviderError as error:
            logger.warning("nobody can sign in through the provider: %s", error)
            raise
        cookie = self.cookies.set(self.cookies.sign_in, departure.cookie, departure.max_age_s)
        return Admission(departure.url, (cookie,))

    async def arrive(self, fields: Mapping[bytes, bytes], answer: Mapping[str, str], address: str) -> Admission:
        """Sign somebody in who has come back from the provider.

        Args:
            fields: the header fields of the request.
            answer: what the browser brings from there.
            address: where the request comes from.

        Raises:
            RefusedSignInError: what it brings is not to be believed.
            ProviderError: the provider cannot be reached.
            NoGrantError: they may do nothing.
            TooManyTriesError: there were too many tries from this address.
            StorageUnavailableError: as in ``sign_in``; or the person cannot be stored.
        """
        self._limiter.take_for_address(address)
        key = await self._get_key()
        cookie = find_cookie(fields, self.cookies.sign_in)
        try:
            identity, path = await self._get_single_sign_on().finish(key, cookie, answer)
            person = await self._keep(identity)
        except SignInError as error:
            logger.warning("somebody at %s could not sign in through the provider: %s", address, error)
            raise
        logger.info("%r has signed in through the provider from %s", person.name, address)
        return Admission(path or None, (self._make_session(key, person), self.forget_way()))

    def forget_way(self) -> str:
        """Return the header field ``Set-Cookie`` that ends a sign-in through a provider."""
        return self.cookies.remove(self.cookies.sign_in)

    def sign_out(self) -> str:
        """Return the header field ``Set-Cookie`` that signs somebody out in their browser."""
        return self.cookies.remove(self.cookies.session)

    async def sign_out_everywhere(self, person: str) -> None:
        """Void all cookies of a person.

        Raises:
            NotFoundError: there is no such person any more.
            StorageUnavailableError: that cannot be stored.
        """
        origin = Origin(person, actor_kind="person")
        await self._write_turns.run(partial(people.sign_out, self._storage, person, origin))

    async def _keep(self, identity: ProvidedIdentity) -> PersonRecord:
        grants = find_grants(self._group_grants, identity.groups)
        person = await self._write_turns.run(partial(keep_person, self._storage, identity, grants))
        if person is None or not grants.items:
            raise NoGrantError(identity.name if person is None else person.name, identity.groups)
        return person

    async def _get_key(self) -> str:
        key = self._access.signing_key
        return key or await self._write_turns.run(partial(ensure_signing_key, self._storage))

    def _make_session(self, key: str, person: PersonRecord) -> str:
        cookie = sign(key, person.name, person.epoch, time.time())
        return self.cookies.set(self.cookies.session, cookie, MAX_SESSION_S)

    def _find_person(self, name: str) -> PersonRecord | None:
        known = self._access.persons.get(name)
        return None if known is None else known.record

    def _get_single_sign_on(self) -> "SingleSignOn":
        if self._single_sign_on is None:
            raise ValueError("there is no provider to sign in through")
        return self._single_sign_on

    @property
    def _access(self) -> AccessPicture:
        state = self._catalog.state
        return _NOBODY_KNOWN if state is None else state.picture.access


def _find_ways_in(config: Config, group_grants: GroupGrants) -> WaysIn:
    # Where no group makes admins, whoever is one loses that by signing in.
    makes_admins = any(grants.allow(Role.ADMIN) for grants in group_grants.values())
    return WaysIn(config.oidc_issuer if makes_admins else None, has_proxy=config.proxy_user_header is not None)


def _make_single_sign_on(config: Config, workshop: Workshop) -> "SingleSignOn | None":
    if config.oidc_issuer is None or config.oidc_client_id is None or config.public_url is None:
        return None
    # Authlib takes a quarter of a second to import, which is for those who use it.
    from heksher.server.sign_in.provider_client import ClientRegistration, ProviderClient  # noqa: PLC0415 - see above
    from heksher.server.sign_in.single_sign_on import SingleSignOn  # noqa: PLC0415 - see above

    registration = ClientRegistration(
        config.oidc_issuer,
        config.oidc_client_id,
        config.oidc_client_secret,
        f"{config.public_url}{CALLBACK_PATH}",
        config.oidc_scopes,
    )
    return SingleSignOn(ProviderClient(registration), config.oidc_groups_claim, workshop.run)
