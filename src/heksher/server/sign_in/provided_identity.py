"""Who somebody is by what a provider says, and the record of a person that follows from it.

The identity is the provider's identifier with the subject, which never changes and is given to nobody else. Names and
e-mail addresses can change hands, so a person is only called by them, and never known by them.

Source: OpenID Connect Core 1.0, sections 5.3.2 and 5.7.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from itertools import count
from typing import Final
from unicodedata import normalize

from heksher.server.access.grants import Grants
from heksher.server.limits import MAX_ACCESS_NAME_CHARACTERS
from heksher.server.operations.access_form import change_person
from heksher.server.operations.access_names import find_name_fault
from heksher.server.sign_in.sign_in_error import RefusedSignInError
from heksher.server.storage.access_records import AccessRecords, PersonRecord
from heksher.server.storage.base import Origin, Reader, Storage, Writer
from heksher.value_type import JSON

# What people are called by, the best first.
_NAMES: Final = ("preferred_username", "email", "name", "sub")
_NAMELESS: Final = "somebody"
# Not the person: the grants are not of their doing, and what the provider calls them can be the name of somebody else.
_ORIGIN: Final = Origin("heksher", reason="what the provider of identities says at a sign-in")
# Leaves room for a number, if there are several of one name.
_MAX_NAME_CHARACTERS: Final = MAX_ACCESS_NAME_CHARACTERS - 10


@dataclass(frozen=True, slots=True)
class ProvidedIdentity:
    """Who somebody is.

    Attributes:
        issuer: the provider that says so.
        subject: who it is, for that provider.
        name: what they are called.
        groups: the groups that they are in.
    """

    issuer: str
    subject: str
    name: str
    groups: tuple[str, ...]


def read_identity(
    token: Mapping[str, JSON], userinfo: Mapping[str, JSON] | None, groups_claim: str
) -> ProvidedIdentity:
    """Return who somebody is by the claims in an ID token and those at the userinfo endpoint.

    Providers put groups, names and addresses into either. Of what stands in both, the token's counts; of groups, all.

    Args:
        token: the claims of a token that has been checked.
        userinfo: the other claims; ``None`` if the provider has none.
        groups_claim: the claim with the groups.

    Raises:
        RefusedSignInError: the two are not about the same person.
    """
    subject = str(token["sub"])
    if userinfo is not None and userinfo.get("sub") != subject:
        raise RefusedSignInError("ID token and userinfo are not about the same person: sub")
    claims = (token, userinfo or {})
    groups = dict.fromkeys(group for part in claims for group in _read_groups(part.get(groups_claim)))
    return ProvidedIdentity(str(token["iss"]), subject, _find_name({**(userinfo or {}), **token}), tuple(groups))


def keep_person(storage: Storage, identity: ProvidedIdentity, grants: Grants) -> PersonRecord | None:
    """Return the person who signs in with an identity, as stored from now on: with these grants.

    Nothing is stored if the person is there as they should be, or is not there and has no grants: then the answer is
    ``None``.

    Args:
        storage: has the people.
        identity: who it is.
        grants: what their groups allow.

    Raises:
        StorageUnavailableError: a change is to be stored, and cannot be.
    """

    def know(reader: Reader) -> tuple[PersonRecord | None] | None:
        before, after = _compare(reader.access(), identity, grants)
        return (after,) if before == after else None

    def work(writer: Writer) -> tuple[PersonRecord | None]:
        before, after = _compare(writer.access(), identity, grants)
        if after is not None and before != after:
            if before is None:
                # As for any new person, so that no former cookie is valid.
                after = replace(after, epoch=writer.revision() + 1)
            writer.put_person(after)
            writer.record(change_person("sign in", before, after, after.name))
        return (after,)

    return storage.write_unless_known(know, work, _ORIGIN).result[0]


def _compare(
    access: AccessRecords, identity: ProvidedIdentity, grants: Grants
) -> tuple[PersonRecord | None, PersonRecord | None]:
    """Return the person with an identity as they are and as they should be; ``None`` if there is or should be none."""
    known = (identity.issuer, identity.subject)
    person = next((person for person in access.persons if (person.issuer, person.subject) == known), None)
    if person is not None:
        # They keep their name, by which the change log knows them.
        return person, replace(person, grants=grants.texts())
    if not grants.items:
        return None, None
    # Not that of a token, either: who may choose their name at the provider must not look like a program in the log.
    taken = {holder.name for holder in access.list_holders()}
    name = _find_free_name(identity.name, taken)
    return None, PersonRecord(name, grants.texts(), None, identity.issuer, identity.subject)


def _find_free_name(name: str, taken: Collection[str]) -> str:
    names = (name if number == 1 else f"{name} ({number})" for number in count(1))
    return next(name for name in names if name not in taken)


def _read_groups(claim: JSON) -> list[str]:
    if isinstance(claim, str):
        return [claim]
    return [group for group in claim if isinstance(group, str)] if isinstance(claim, list) else []


def _find_name(claims: Mapping[str, JSON]) -> str:
    for claim in map(claims.get, _NAMES):
        if isinstance(claim, str):
            name = normalize("NFC", claim).replace("/", "_").strip()
            name = name[:_MAX_NAME_CHARACTERS].strip()
            if find_name_fault(name) is None:
                return name
    return _NAMELESS
