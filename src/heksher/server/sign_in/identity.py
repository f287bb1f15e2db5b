"""Who somebody is by what a provider says, and the record of a person that follows from it.

The identity is the provider's identifier with the subject, which never changes and is given to nobody else. Names and
e-mail addresses can change hands, so a person is only called by them, and never known by them.

Source: OpenID Connect Core 1.0, sections 5.3.2 and 5.7.
"""

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import count
from typing import Final

from heksher.server.sign_in.sign_in_error import RefusedSignInError
from heksher.server.storage.access_records import PersonRecord
from heksher.value_type import JSON

# What people are called by, the best first.
_NAMES: Final = ("preferred_username", "email", "name", "sub")
MAX_NAME_CHARACTERS: Final = 100
_CONTROL: Final = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\u200e\u200f\u202a-\u202e\u2066-\u2069]")


@dataclass(frozen=True, slots=True)
class Identity:
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


def read_identity(token: Mapping[str, JSON], userinfo: Mapping[str, JSON], groups_claim: str) -> Identity:
    """Return who somebody is by the claims in an ID token and those at the userinfo endpoint.

    Providers put groups, names and addresses into either; of what stands in both, the token's counts, but for groups,
    of which all count.

    Args:
        token: the claims of a token that has been checked.
        userinfo: the other claims; empty if the provider has none.
        groups_claim: the claim with the groups.

    Raises:
        RefusedSignInError: the two are not about the same person.
    """
    subject = str(token["sub"])
    if userinfo and userinfo.get("sub") != subject:
        raise RefusedSignInError("ID token and userinfo are not about the same person: sub")
    groups = dict.fromkeys((*_read_groups(token.get(groups_claim)), *_read_groups(userinfo.get(groups_claim))))
    return Identity(str(token["iss"]), subject, _find_name({**userinfo, **token}), tuple(groups))


def make_person(identity: Identity, grants: Iterable[str], persons: Collection[PersonRecord]) -> PersonRecord:
    """Return the record of a person who signs in with an identity: the one that there is with these grants, or a new one.

    A new one gets a name that nobody has. A person keeps the name that they have, as entries of the log go by it.

    Args:
        identity: who it is.
        grants: what they may do.
        persons: all people that there are.
    """
    theirs = tuple(grants)
    for person in persons:
        if (person.issuer, person.subject) == (identity.issuer, identity.subject):
            return replace(person, grants=theirs)
    taken = {person.name for person in persons}
    names = (identity.name if number == 1 else f"{identity.name} ({number})" for number in count(1))
    name = next(name for name in names if name not in taken)
    return PersonRecord(name, theirs, None, identity.issuer, identity.subject)


def _read_groups(claim: JSON) -> list[str]:
    if isinstance(claim, str):
        return [claim]
    return [group for group in claim if isinstance(group, str)] if isinstance(claim, list) else []


def _find_name(claims: Mapping[str, JSON]) -> str:
    texts = (claims.get(name) for name in _NAMES)
    names = (_CONTROL.sub("", text).strip()[:MAX_NAME_CHARACTERS].strip() for text in texts if isinstance(text, str))
    # A subject of control characters is one, too.
    return next((name for name in names if name), "somebody")
