"""Who may do what at one revision, in the form that requests are checked with: an immutable part of a picture."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final, NamedTuple, Protocol

from heksher.server.access.grants import read_grants
from heksher.server.access.principal import Principal
from heksher.server.storage.access_records import (
    PERSON,
    SIGNING_KEY,
    TOKEN,
    AccessRecords,
    PersonRecord,
    TokenRecord,
)

_NOTHING: Final = AccessRecords((), (), "")
# The kinds of logged changes after which there is another picture of access.
ACCESS_KINDS: Final = frozenset({TOKEN, PERSON, SIGNING_KEY})
# So long before a token ends, answers to it, the log of clients and a metric say so.
NOTICE_S: Final = 30 * 24 * 3600.0


class KnownToken(NamedTuple):
    """A token.

    Attributes:
        principal: who has it.
        expires_s: when it ends, by ``time.time``; ``None`` if it does not.
    """

    principal: Principal
    expires_s: float | None


class KnownPerson(NamedTuple):
    """A person, as stored, and what they may do."""

    record: PersonRecord
    principal: Principal


class AnyCredential(Protocol):
    """By what somebody is known for as long as it holds."""

    def find_principal(self, access: "AccessPicture", now_s: float) -> Principal | None:
        """Return who it is, by ``time.time``; ``None`` if it does not hold any more."""


class TokenCredential(NamedTuple):
    """A token, by its digest."""

    digest: str

    def find_principal(self, access: "AccessPicture", now_s: float) -> Principal | None:
        """Return who has the token; ``None`` if there is none, or it has ended."""
        known = access.tokens.get(self.digest)
        if known is None or (known.expires_s is not None and known.expires_s <= now_s):
            return None
        return known.principal


@dataclass(frozen=True, slots=True)
class AccessPicture:
    """All tokens and people at one revision.

    Attributes:
        records: what is stored.
        tokens: the tokens by their digests.
        persons: the people by their names.
    """

    records: AccessRecords = _NOTHING
    tokens: Mapping[str, KnownToken] = field(init=False, repr=False, compare=False)
    persons: Mapping[str, KnownPerson] = field(init=False, repr=False, compare=False)
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
        ends = [token.expires_s for token in self.tokens.values() if token.expires_s is not None]
        return sum(now_s < end_s < now_s + NOTICE_S for end_s in ends)

    def find_person_by_identity(self, issuer: str, subject: str) -> KnownPerson | None:
        """Return the person whom a provider of identities knows by a subject."""
        return self._identities.get((issuer, subject))


def _know_token(record: TokenRecord) -> KnownToken:
    principal = Principal("token", record.name, read_grants(record.grants))
    return KnownToken(principal, None if record.expires_at is None else record.expires_at.timestamp())


def _know_person(record: PersonRecord) -> KnownPerson:
    return KnownPerson(record, Principal("person", record.name, read_grants(record.grants)))
