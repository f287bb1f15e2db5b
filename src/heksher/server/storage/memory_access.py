"""The tokens, people, signing key and policies of the storage in memory."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from heksher.server.storage.access_records import AccessRecords, PersonRecord, PolicyRecord, TokenRecord, floor_hour
from heksher.server.storage.storage_errors import ContractError
from heksher.server.storage.unit import (
    require_proper_key,
    require_proper_person,
    require_proper_policy,
    require_proper_token,
)


@dataclass(slots=True)
class MemoryAccess:
    """Everything that is stored about access, by name. The records are immutable."""

    tokens: dict[str, TokenRecord] = field(default_factory=dict)
    persons: dict[str, PersonRecord] = field(default_factory=dict)
    signing_key: str = ""
    policies: dict[str, PolicyRecord] = field(default_factory=dict)

    def copy(self) -> "MemoryAccess":
        """Return a copy that may be changed."""
        return MemoryAccess(self.tokens.copy(), self.persons.copy(), self.signing_key, self.policies.copy())

    def read(self) -> AccessRecords:
        """Return all records."""
        tokens = tuple(token for _, token in sorted(self.tokens.items()))
        persons = tuple(person for _, person in sorted(self.persons.items()))
        return AccessRecords(tokens, persons, self.signing_key, self.list_policies())

    def list_policies(self) -> tuple[PolicyRecord, ...]:
        """Return all policies, sorted by prefix."""
        return tuple(policy for _, policy in sorted(self.policies.items()))

    def list_revisions(self) -> set[int]:
        """Return the revisions of the last changes of tokens, people and policies."""
        tokens, persons, policies = self.tokens.values(), self.persons.values(), self.policies.values()
        revisions = {token.revision for token in tokens} | {person.revision for person in persons}
        return revisions | {policy.revision for policy in policies}

    def put_token(self, token: TokenRecord, revision: int) -> None:
        """Add or replace a token, with the revision of its last change."""
        require_proper_token(token)
        if any(other.digest == token.digest for other in self.tokens.values() if other.name != token.name):
            raise ContractError(f"there is another token with the digest of {token.name!r}")
        self.tokens[token.name] = replace(
            token,
            created_at=token.created_at.astimezone(UTC),
            expires_at=_convert(token.expires_at),
            last_used_at=_convert(token.last_used_at),
            revision=revision,
        )

    def remove_token(self, name: str) -> None:
        """Remove a token."""
        if name not in self.tokens:
            raise ContractError(f"there is no token {name!r} to remove")
        del self.tokens[name]

    def put_person(self, person: PersonRecord, revision: int) -> None:
        """Add or replace a person, with the revision of their last change."""
        require_proper_person(person)
        identity = person.issuer, person.subject
        others = (other for other in self.persons.values() if other.name != person.name)
        if person.issuer is not None and any((other.issuer, other.subject) == identity for other in others):
            raise ContractError(f"there is another person with the identity of {person.name!r}")
        self.persons[person.name] = replace(person, revision=revision)

    def remove_person(self, name: str) -> None:
        """Remove a person."""
        if name not in self.persons:
            raise ContractError(f"there is no person {name!r} to remove")
        del self.persons[name]

    def put_policy(self, policy: PolicyRecord, revision: int) -> None:
        """Add or replace a policy, with the revision of its last change."""
        require_proper_policy(policy)
        created_at = policy.created_at.astimezone(UTC)
        self.policies[policy.prefix] = replace(policy, created_at=created_at, revision=revision)

    def remove_policy(self, prefix: str) -> None:
        """Remove a policy."""
        if prefix not in self.policies:
            raise ContractError(f"there is no policy {prefix!r} to remove")
        del self.policies[prefix]

    def set_signing_key(self, key: str) -> None:
        """Replace the signing key, or set the first one."""
        require_proper_key(key)
        self.signing_key = key

    def note_uses(self, uses: Mapping[str, datetime]) -> None:
        """Note when tokens were used, unless a later use of them is known."""
        for name in uses.keys() & self.tokens.keys():
            token, used_at = self.tokens[name], floor_hour(uses[name])
            if token.last_used_at is None or token.last_used_at < used_at:
                self.tokens[name] = replace(token, last_used_at=used_at)


def _convert(at: datetime | None) -> datetime | None:
    return None if at is None else at.astimezone(UTC)
