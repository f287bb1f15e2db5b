"""Who may do what at one revision, in the form that requests are checked with: an immutable part of a picture."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from types import MappingProxyType
from typing import Final, NamedTuple, Protocol

from heksher.server.access.grants import read_grants
from heksher.server.access.principal import Principal
from heksher.server.storage.access_records import (
    PERSON,
    POLICY,
    SIGNING_KEY,
    TOKEN,
    AccessRecords,
    PersonRecord,
    TokenRecord,
)

_NOTHING: Final = AccessRecords((), (), "")
# The kinds of logged changes after which there is another picture of access.
ACCESS_KINDS: Final = frozenset({TOKEN, PERSON, SIGNING_KEY, POLICY})
# So long before a token ends, answers to it, the log of clients and a metric say so.
NOTICE_S: Final = 30 * 24 * 3600.0

# Most of many tokens allow one of a few things.
_read_grants = lru_cache(1024)(read_grants)


class KnownPerson(NamedTuple):
    """A person, as stored, and what they may do."""

    record: PersonRecord
    principal: Principal


class AnyCredential(Protocol):
    """By what somebody is known for as long as it holds."""

    def find_principal(self, access: "AccessPicture", now_s: float) -> Principal | None:
        """Return who it is, by ``time.time``; ``None`` if it does not hold, or not any more."""

    def describe_end(self, access: "AccessPicture") -> str:
        """Say to whoever has a credential why it does not hold: nothing that they could not know by having it."""


class TokenCredential(NamedTuple):
    """A token, by its digest."""

    digest: str

    def find_principal(self, access: "AccessPicture", now_s: float) -> Principal | None:
        """Return who has the token; ``None`` if there is none, or it has ended."""
        known = access.tokens.get(self.digest)
        return None if known is None or now_s >= known.expires_s else known.principal

    def describe_end(self, access: "AccessPicture") -> str:
        """Say why the token does not hold. Whether there ever was one like it is not said."""
        known = access.tokens.get(self.digest)
        if known is None:
            return "the service does not know this token: it was revoked, or is mistyped; ask an admin for another one"
        return (
            f"this token has ended, at {write_utc(known.expires_s)}; ask an admin for another one, or for a later end"
        )


class KnownToken:
    """A token. What each request needs of it is made beforehand.

    Attributes:
        principal: who has it.
        expires_s: when it ends, by ``time.time``; infinite if it does not.
        notice_s: from when on that is told, likewise.
        credential: by which those who send it are known.
        plain_until_s: until when there is nothing to do for a request but to let it in: the token holds, its end is not
            near, and its use is noted.
    """

    __slots__ = ("_form", "credential", "expires_s", "notice_s", "plain_until_s", "principal")

    def __init__(self, principal: Principal, expires_s: float, credential: TokenCredential) -> None:
        self.principal: Principal = principal
        self.expires_s: float = expires_s
        self.notice_s: float = expires_s - NOTICE_S
        self.credential: TokenCredential = credential
        self.plain_until_s: float = -math.inf
        # In which requests have it, as far as that is remembered.
        self._form: bytes | None = None

    def remember(self, forms: dict[bytes, "KnownToken"], form: bytes | None, plain_until_s: float) -> None:
        """Note in which form requests have the token: one for each token, so that nobody can fill the memory.

        Args:
            forms: the tokens by what was noted.
            form: the form; ``None`` for one that is not worth it.
            plain_until_s: as the attribute.
        """
        self.plain_until_s = plain_until_s
        if form is None or form == self._form:
            return
        if self._form is not None:
            del forms[self._form]
        forms[form], self._form = self, form


@dataclass(frozen=True, slots=True)
class AccessPicture:
    """All tokens and people at one revision.

    Attributes:
        records: what is stored.
        tokens: the tokens by their digests.
        persons: the people by their names.
        forms: the tokens by the forms in which requests had them lately, so that the next one needs no digest. A memo
            of one event loop; a picture with other tokens has an empty one, so nobody who is gone is let in by it.
    """

    records: AccessRecords = _NOTHING
    tokens: Mapping[str, KnownToken] = field(init=False, repr=False, compare=False)
    persons: Mapping[str, KnownPerson] = field(init=False, repr=False, compare=False)
    forms: dict[bytes, KnownToken] = field(init=False, repr=False, compare=False, default_factory=dict)
    _identities: Mapping[tuple[str, str], KnownPerson] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        persons = [_know_person(record) for record in self.records.persons]
        identities = {
            (person.record.issuer, person.record.subject): person
            for person in persons
            if person.record.issuer is not None and person.record.subject is not None
        }
        tokens = {record.digest: _know_token(record) for record in self.records.tokens}
        object.__setattr__(self, "tokens", MappingProxyType(tokens))
        object.__setattr__(self, "persons", MappingProxyType({person.record.name: person for person in persons}))
        object.__setattr__(self, "_identities", MappingProxyType(identities))

    @property
    def signing_key(self) -> str:
        """What cookies are signed with; empty before there is a key."""
        return self.records.signing_key

    def count_ending(self, now_s: float) -> int:
        """Return how many tokens end soon after a time by ``time.time``."""
        return sum(token.notice_s < now_s < token.expires_s for token in self.tokens.values())

    def find_person_by_identity(self, issuer: str, subject: str) -> KnownPerson | None:
        """Return the person whom a provider of identities knows by a subject."""
        return self._identities.get((issuer, subject))


def write_utc(time_s: float) -> str:
    """Return a time by ``time.time`` as text, in UTC and whole seconds."""
    return datetime.fromtimestamp(time_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _know_token(record: TokenRecord) -> KnownToken:
    principal = Principal("token", record.name, _read_grants(record.grants))
    expires_s = math.inf if record.expires_at is None else record.expires_at.timestamp()
    return KnownToken(principal, expires_s, TokenCredential(record.digest))


def _know_person(record: PersonRecord) -> KnownPerson:
    return KnownPerson(record, Principal("person", record.name, _read_grants(record.grants)))
